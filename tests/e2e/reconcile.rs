//! `bursar reconcile`: a comparison of Bursar's record and the gateway's, job by job.

use std::time::{Duration, Instant};

use bursar_test_support::{Finished, Process, eventually};
use serde_json::{Value, json};

use crate::jobs::{self, bill, split, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// Runs it with `--json`: how it ended, the differences by key, and the summary.
async fn reconcile(world: &World, arguments: &[&str]) -> (Finished, Vec<Value>, Value) {
    let finished = world.run(&[&["reconcile", "--json"], arguments].concat()).await;
    let mut objects: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = objects.pop().unwrap_or_else(|| panic!("{finished:?}"))["summary"].clone();
    objects.sort_by_key(|object| jobs::key(object).to_owned());
    (finished, objects, summary)
}

/// A world with four transfers that have succeeded, one that is pending for long, a bill and a split.
async fn world() -> (World, Process) {
    let plan = Plan::new().set("accounts.main.poll", vec!["1h"]).set("accounts.main.poll_deadline", "2h");
    let world = plan.start().await;
    world.life("OPEN", "9").await;
    let worker = world.worker().await;
    let mut jobs = jobs::transfers("T", 4);
    jobs.extend([transfer("OPEN"), bill("B", "100010001"), split("S", "P1")]);
    world.submit_new(&jobs).await;
    for job in &jobs {
        let state = if jobs::key(job) == "OPEN" { "pending" } else { "succeeded" };
        world.until(jobs::key(job), state).await;
    }
    (world, worker)
}

#[tokio::test]
async fn matching_books_exit_0_and_unqueryable_jobs_are_counted() {
    let (world, _worker) = world().await;
    let (finished, differences, summary) = reconcile(&world, &[]).await;
    assert_eq!((finished.code, differences.len()), (Some(0), 0), "{finished:?}");
    assert_eq!(
        summary["by_state"],
        json!({
            "pending": {"jobs": 1, "fen": 10, "agree": 1, "differ": 0, "unanswered": 0, "not_queryable": 0, "unreadable": 0},
            "succeeded": {"jobs": 6, "fen": 40 + 199, "agree": 4, "differ": 0, "unanswered": 0, "not_queryable": 2, "unreadable": 0},
        })
    );
    let (_, _, transfers) = reconcile(&world, &["--account", "main", "--kind", "transfer"]).await;
    assert_eq!((&transfers["total"]["jobs"], &transfers["total"]["agree"]), (&json!(5), &json!(5)));
    let (_, _, earlier) = reconcile(&world, &["--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z"]).await;
    assert_eq!(earlier["total"]["jobs"], 0, "none was accepted then");
    world.books_agree().await;
}

#[tokio::test]
async fn each_difference_is_reported_and_no_job_is_written() {
    let (world, worker) = world().await;
    worker.terminate();
    worker.finished(SOON).await;
    let before = world.list().await;
    world.life("T-001", "2").await;
    world.life("OPEN", "1").await;
    world.faults(json!({"key": "T-002", "on": "query", "fault": "other-amount", "times": 3})).await;
    world.faults(json!({"key": "T-003", "on": "query", "fault": "other-key", "times": 3})).await;

    let (finished, differences, summary) = reconcile(&world, &[]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let found: Vec<[&str; 4]> = differences
        .iter()
        .map(|one| ["platform_no", "differs_in", "state", "gateway"].map(|name| one[name].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ["OPEN", "state", "pending", "succeeded"],
            ["T-001", "state", "succeeded", "refunded"],
            ["T-002", "amount", "succeeded", "mismatch"],
            ["T-003", "key", "succeeded", "mismatch"],
        ]
    );
    assert_eq!(differences[2]["fen"], 10);
    assert_ne!(differences[2]["gateway_fen"], 10, "{}", differences[2]);
    assert_eq!((&summary["total"]["differ"], &summary["total"]["agree"]), (&json!(4), &json!(1)));

    let csv = world.run(&["reconcile", "--csv", "--kind", "transfer"]).await;
    assert_eq!(csv.code, Some(1), "{csv:?}");
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert!(lines[0].starts_with("account,kind,platform_no,differs_in,state,gateway,fen,gateway_fen"), "{csv:?}");
    assert_eq!(lines.len(), 5, "{csv:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("main,transfer,T-001,state,succeeded,refunded,10,10,")),
        "{csv:?}"
    );
    assert!(csv.stderr.contains("no query"), "the summary: {csv:?}");
    let text = world.run(&["reconcile"]).await;
    assert!(text.stdout.contains("main/transfer") && text.stdout.contains("jobs accepted from "), "{text:?}");
    assert_eq!(world.list().await, before, "it queries only");
}

#[tokio::test]
async fn an_open_job_that_differs_is_queried_soon_on_request() {
    let (world, _worker) = world().await;
    world.life("OPEN", "1").await;
    let (finished, differences, _) = reconcile(&world, &["--wake"]).await;
    assert_eq!((finished.code, &differences[0]["woken"]), (Some(1), &json!(true)), "{finished:?}");
    world.until("OPEN", "succeeded").await;
    assert_eq!(reconcile(&world, &[]).await.0.code, Some(0));
    world.books_agree().await;
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_no_agreement() {
    let (world, _worker) = world().await;
    world.faults(json!({"key": "T-001", "on": "query", "fault": "busy", "always": true})).await;
    let (finished, differences, summary) = reconcile(&world, &[]).await;
    assert_eq!((finished.code, differences.len()), (Some(3), 0), "{finished:?}");
    assert_eq!(summary["total"]["unanswered"], 1);
}

#[tokio::test]
async fn it_uses_half_of_the_rate_and_resumes_after_an_end() {
    const JOBS: u32 = 70;
    let world = Plan::new().start().await;
    let worker = world.worker().await;
    world.submit_new(&jobs::transfers("T", JOBS as usize)).await;
    world.settled().await;
    worker.terminate();
    worker.finished(SOON).await;
    world.set("accounts.main.rate_per_second", toml::Value::from(40));
    let queries = async || world.ledger().await.keys.values().map(|record| record.queries).sum::<u64>();
    let before = queries().await;
    let position = world.config().with_file_name("position");
    let file = position.display().to_string();

    let began = Instant::now();
    let arguments = ["reconcile", "--account", "main", "--kind", "transfer", "--resume", file.as_str()];
    let cut_short = Process::start("bursar reconcile", world.command(&arguments));
    eventually(SOON, "two steps to be behind it", async || {
        let queried = queries().await - before;
        (position.exists() && queried > 40).then_some(())
    })
    .await;
    let (took, queried) = (began.elapsed(), queries().await - before);
    cut_short.kill();
    let most = Duration::from_millis(50) * u32::try_from(queried.saturating_sub(2)).unwrap();
    assert!(took >= most, "{queried} queries in {took:?} at 20 a second");

    let (finished, differences, summary) = reconcile(&world, &arguments[1..]).await;
    assert_eq!((finished.code, differences.len()), (Some(0), 0), "{finished:?}");
    assert_eq!(summary["total"]["agree"], JOBS, "all of them, those before the cut included");
    let twice = queries().await - before - u64::from(JOBS);
    assert!(twice <= 28, "{twice} questions were asked again");
    assert!(!position.exists(), "the next run begins at the start");
    let misused = world.run(&["reconcile", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"]).await;
    assert_eq!(misused.code, Some(2), "{misused:?}");
    world.books_agree().await;
}
