//! Kill -9: a dead worker's claims come due by themselves, and nothing is paid twice.

use std::time::{Duration, Instant};

use bursar_test_support::{Process, eventually};
use serde_json::{Value, json};

use crate::jobs::{self, bill, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

const LEASE: Duration = Duration::from_secs(2);
const SETTLE: Duration = Duration::from_secs(2);

/// Longer than a test takes to see that a request is out and to kill its sender: the gateway is silent for as long.
const CALL: &str = "10s";

/// The one of `workers` that has the newest intent on the job's record, and the others.
async fn sender_of(world: &World, key: &str, workers: Vec<Process>) -> (Process, Vec<Process>) {
    let job = world.job(key).await;
    let log = job["history"].as_array().unwrap();
    let name = log.iter().rev().find_map(|line| line["worker"].as_str()).unwrap_or_else(|| panic!("no intent: {job}"));
    let is_it = |worker: &Process| name.contains(&format!("-{}-", worker.pid()));
    let (mut senders, others): (Vec<Process>, Vec<Process>) = workers.into_iter().partition(is_it);
    (senders.pop().unwrap_or_else(|| panic!("{name} is none of the workers")), others)
}

/// Kills the worker whose send of `job` is out under `fault`, and waits until another one has brought the job to its end.
async fn kill_in_the_middle_of(job: Value, fault: &str) {
    let world = Plan::new().both("call_timeout", CALL).start().await;
    let ledger_key = jobs::ledger_key(&job);
    world.faults(json!({"key": ledger_key, "on": "send", "fault": fault})).await;
    let workers = vec![world.worker().await, world.worker().await];
    world.submit_new(std::slice::from_ref(&job)).await;
    world.until_received(&ledger_key, 1).await;
    let (sender, _others) = sender_of(&world, jobs::key(&job), workers).await;
    sender.kill();

    let ended = world.until_within(SETTLE + LEASE + Duration::from_secs(2), jobs::key(&job), "succeeded").await;
    assert_eq!(ended["attempts"], 2, "{ended}");
    let events: Vec<&str> =
        ended["history"].as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["send_intent", "worker_lost", "response"], "{ended}");
    let ledger = world.books_agree().await;
    assert_eq!((ledger.keys[&ledger_key].executions, ledger.keys[&ledger_key].requests), (1, 2));
}

#[tokio::test]
async fn an_executed_transfer_of_a_dead_worker_is_not_repeated() {
    kill_in_the_middle_of(transfer("T"), "hang-after").await;
}

#[tokio::test]
async fn an_unexecuted_transfer_of_a_dead_worker_is_executed() {
    kill_in_the_middle_of(transfer("T"), "hang-before").await;
}

#[tokio::test]
async fn a_bill_whose_sender_died_is_received_once() {
    kill_in_the_middle_of(bill("B", "100010001"), "hang-after").await;
}

#[tokio::test]
async fn a_dead_workers_pending_jobs_are_queried_by_another() {
    let world = Plan::new().both("call_timeout", CALL).simulate(&["--life-step", "3s"]).start().await;
    let all = jobs::transfers("PENDING", 20);
    let claimed = jobs::key(&all[0]).to_owned();
    for job in &all {
        world.life(jobs::key(job), "9-1").await;
    }
    world.faults(json!({"key": claimed, "on": "query", "fault": "hang-before"})).await;
    let dying = world.worker().await;
    world.submit_new(&all).await;
    let queried = async || world.at_gateway(&claimed).await.map_or(0, |record| record.queries);
    eventually(SOON, "the question to be out", async || (queried().await == 1).then_some(())).await;
    world
        .until_all("every send to be over", |job| ["pending", "succeeded"].iter().any(|state| job["state"] == *state))
        .await;
    dying.kill();
    let killed = Instant::now();

    let _other = world.worker().await;
    eventually(SOON, "the job to be asked about again", async || (queried().await > 1).then_some(())).await;
    let took = killed.elapsed();
    assert!(took < LEASE + Duration::from_secs(1), "asked again only after {took:?}");
    for job in world.settled().await {
        assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn workers_dying_under_load_pay_nothing_twice_and_lose_nothing() {
    let world = Plan::new().both("resend_max", 10).simulate(&["--latency", "20ms", "--faults", "mild"]).start().await;
    let mut jobs = jobs::transfers("LOAD", 120);
    jobs.extend((1..=60).map(|number| bill(&format!("BILL-{number}"), &format!("ORDER-{number}"))));
    let mut workers = vec![world.worker().await, world.worker().await];
    world.submit_new(&jobs).await;
    for _ in 0..4 {
        let ended = || async { world.list().await.iter().filter(|job| job["state"] == "succeeded").count() };
        let before = ended().await;
        eventually(SOON, "some progress", async || {
            let now = ended().await;
            if now > before || now >= jobs.len() - 10 { Ok(()) } else { Err(now) }
        })
        .await;
        workers.remove(0).kill();
        workers.push(world.worker().await);
    }
    for job in world.settled().await {
        // Lives that end in 0 or 2 are part of the mixture; a person is needed for none.
        assert_ne!(job["state"], "needs_review", "{job}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_job_that_kills_every_worker_ends_with_a_person() {
    let world = Plan::new().set("worker.lease", "1s").both("call_timeout", CALL).start().await;
    world.life("POISON", "9").await;
    world.faults(json!({"key": "POISON", "on": "query", "fault": "hang-before", "always": true})).await;
    let first = world.worker().await;
    world.submit_new(&[transfer("POISON")]).await;
    let mut worker = first;
    for queries in 1..=6 {
        let queried = async || world.at_gateway("POISON").await.map_or(0, |record| record.queries);
        eventually(SOON, "the question to be out", async || (queried().await >= queries).then_some(())).await;
        worker.kill();
        worker = world.worker().await;
    }
    let job = world.until("POISON", "needs_review").await;
    assert_eq!(job["reason"]["code"], "workers_lost", "{job}");
    assert_eq!(job["attempts"], 1, "{job}");
    world.books_agree().await;
}
