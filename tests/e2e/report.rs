//! `bursar report`: a day's numbers are those of the gateway's ledger and of the export, to the fen, whatever happened to workers and calls.
//!
//! `BURSAR_REPORT_JOBS=20000 cargo test -p bursar --test e2e -- report::a_day --nocapture` runs it with as many jobs, and prints the figures.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bursar_domain::{Millis, Zone};
use bursar_test_support::{Process, eventually};
use serde_json::{Value, json};

use crate::jobs::{self, bill, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// Jobs of one command.
const BATCH: usize = 1_000;

/// The rate that even a busy machine reaches, for the time limit.
const JOBS_A_SECOND: u64 = 20;

/// Number of jobs and sum of their amounts, by account, kind and state.
type Sums = BTreeMap<(String, String, String), (u64, i128)>;

fn add(sums: &mut Sums, (account, kind, state): (&str, &str, &str), count: u64, fen: i128) {
    let sum = sums.entry((account.to_owned(), kind.to_owned(), state.to_owned())).or_default();
    (sum.0, sum.1) = (sum.0 + count, sum.1 + fen);
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

fn day_of(at_ms: i64) -> String {
    Zone::default().day_of(Millis(at_ms.cast_unsigned())).to_string()
}

/// Every report of the days since `began`: a test may run over midnight.
async fn reports(world: &World, began: i64) -> Vec<Value> {
    let days = BTreeSet::from([day_of(began), day_of(jobs::now_ms())]);
    let mut reports = Vec::new();
    for day in days {
        let text = world.ok(&["report", "--day", &day, "--json"]).await;
        reports.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    reports
}

fn ended(reports: &[Value]) -> Sums {
    let mut sums = Sums::new();
    for report in reports {
        for row in report["ended"].as_array().unwrap() {
            let place = (word(report, "account"), word(row, "kind"), word(row, "state"));
            add(&mut sums, place, row["count"].as_u64().unwrap(), word(row, "amount_fen").parse().unwrap());
        }
    }
    sums
}

fn amount(job: &Value) -> i128 {
    let content: Value = serde_json::from_str(word(job, "content")).unwrap();
    let amount = content.get("total_amount").or(content.get("order_amount")).and_then(Value::as_i64);
    amount.unwrap_or_default().into()
}

/// The jobs of the export that have ended, and the keys under which the ledger has those in review.
async fn exported(world: &World) -> (Sums, BTreeSet<String>) {
    let text = Process::run("bursar export", world.command(&["export", "--content"]), SOON * 20).await.stdout;
    let (mut sums, mut in_review) = (Sums::new(), BTreeSet::new());
    for line in text.lines() {
        let job: Value = serde_json::from_str(line).unwrap();
        let state = word(&job, "state");
        if state == "needs_review" {
            let content: Value = serde_json::from_str(word(&job, "content")).unwrap();
            in_review.insert(jobs::ledger_key(
                &json!({"kind": job["kind"], "platform_no": job["platform_no"], "body": content}),
            ));
        } else {
            add(&mut sums, (word(&job, "account"), word(&job, "kind"), state), 1, amount(&job));
        }
    }
    (sums, in_review)
}

/// What the gateway executed, but for the jobs in review.
async fn executed(world: &World, in_review: &BTreeSet<String>) -> Sums {
    let mut sums = Sums::new();
    for (key, record) in world.ledger().await.keys {
        let state = match record.status.as_deref() {
            Some("1" | "received") => "succeeded",
            Some("2") => "refunded",
            Some("0") => "failed",
            _ => continue,
        };
        if record.executions > 0 && !in_review.contains(&key) {
            add(&mut sums, ("main", &record.kind.to_string(), state), 1, record.amount.unwrap_or_default().into());
        }
    }
    sums
}

/// The sums that the gateway knows as well: a job that it never executed may have failed, too.
fn paid(sums: &Sums) -> Sums {
    let is_paid = |state: &str| state == "succeeded" || state == "refunded";
    sums.iter().filter(|((_, _, state), _)| is_paid(state)).map(|(place, sum)| (place.clone(), *sum)).collect()
}

fn all_jobs(count: usize) -> Vec<Value> {
    let job = |number: usize| {
        // Amounts with no common divisor: no two wrong sums are equal by chance.
        let fen = 1_000_003 + 7 * i64::try_from(number).unwrap();
        if number % 10 == 3 {
            let mut job = bill(&format!("B{number}"), &format!("order-{number}"));
            job["body"]["order_amount"] = json!(fen);
            job
        } else {
            let mut job = transfer(&format!("T{number}"));
            job["body"]["total_amount"] = json!(fen);
            job
        }
    };
    (0..count).map(job).collect()
}

/// Waits until no job is open but for review; kills a worker whenever another share of the jobs has ended.
async fn work_off(world: &World, mut workers: Vec<Process>, count: usize) -> Vec<Process> {
    let limit = SOON * 2 + Duration::from_secs(u64::try_from(count).unwrap() / JOBS_A_SECOND);
    for share in 1..=4 {
        let enough = u64::try_from(count * share / 4).unwrap();
        eventually(limit, &format!("{enough} jobs to end"), async || {
            let text = world.ok(&["queues", "--json"]).await;
            let queues: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let sum = |of: &str| queues.iter().filter_map(|queue| queue[of].as_u64()).sum::<u64>();
            let settled = sum("done") + sum("review");
            if settled >= enough && (share < 4 || sum("to_send") + sum("to_query") == 0) { Ok(()) } else { Err(text) }
        })
        .await;
        if share < 4 {
            workers.remove(0).kill();
            workers.push(world.worker().await);
        }
    }
    workers
}

#[tokio::test]
async fn a_day_adds_up_to_the_gateways_ledger_to_the_fen() {
    let count = std::env::var("BURSAR_REPORT_JOBS").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    let began = jobs::now_ms();
    let world = Plan::new()
        .set("accounts.main.max_amount", 1_000_000_000)
        .set("worker.concurrency", 32)
        .simulate(&["--faults", "mild", "--seed", "16"])
        .start()
        .await;
    for batch in all_jobs(count).chunks(BATCH) {
        world.submit_new(batch).await;
    }
    let workers = vec![world.worker().await, world.worker().await];
    let _workers = work_off(&world, workers, count).await;

    let report = ended(&reports(&world, began).await);
    let (export, in_review) = exported(&world).await;
    assert_eq!(report, export, "the report and the sum over the jobs");
    assert_eq!(paid(&report), paid(&executed(&world, &in_review).await), "the report and the ledger");
    let (jobs, fen) = report.values().fold((0, 0), |(jobs, fen), sum| (jobs + sum.0, fen + sum.1));
    println!("{jobs} of {count} jobs ended, {fen} fen, {} in review; by state: {report:?}", in_review.len());
    assert_eq!(jobs + u64::try_from(in_review.len()).unwrap(), u64::try_from(count).unwrap());
}

#[tokio::test]
async fn refunds_resolves_and_cancels_move_their_amounts() {
    let began = jobs::now_ms();
    let world = Plan::new()
        .set("accounts.main.on_ambiguous", "hold")
        .both("call_timeout", "10s")
        .simulate(&["--life-step", "1s"])
        .start()
        .await;
    world.life("REFUNDED", "1-2").await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("REFUNDED"), transfer("PAID")]).await;
    world.until("REFUNDED", "succeeded").await;
    world.until("PAID", "succeeded").await;
    let sums = |state: &str, count: u64| {
        ((String::from("main"), String::from("transfer"), state.to_owned()), (count, i128::from(count) * 10))
    };
    assert_eq!(ended(&reports(&world, began).await), Sums::from([sums("succeeded", 2)]));

    eventually(SOON, "the refund", async || {
        let record = world.at_gateway("REFUNDED").await.unwrap();
        (record.status.as_deref() == Some("2")).then_some(())
    })
    .await;
    world.ok(&["query", "REFUNDED", "--reason", "the customer has it back"]).await;
    world.until("REFUNDED", "refunded").await;
    assert_eq!(ended(&reports(&world, began).await), Sums::from([sums("refunded", 1), sums("succeeded", 1)]));

    world.in_review("DOUBT").await;
    let open = &reports(&world, began).await[0]["open"];
    assert_eq!(open, &json!([{"kind": "transfer", "state": "needs_review", "count": 1, "amount_fen": "10"}]));
    world.ok(&["resolve", "DOUBT", "--as", "failed", "--reason", "seen at the gateway"]).await;
    let cancelled = jobs::having(transfer("LATER"), "run_at", json!(jobs::in_days(3).rfc3339()));
    world.submit_new(&[cancelled]).await;
    world.ok(&["cancel", "LATER", "--reason", "ordered twice"]).await;
    let expected = [sums("cancelled", 1), sums("failed", 1), sums("refunded", 1), sums("succeeded", 1)];
    assert_eq!(ended(&reports(&world, began).await), Sums::from(expected));
    worker.terminate();
}

#[tokio::test]
async fn a_report_is_text_json_and_csv_and_knows_the_reconciliation() {
    let began = jobs::now_ms();
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("T1"), transfer("T2"), bill("B", "100010001")]).await;
    world.settled().await;
    let day = day_of(began);
    let text = world.ok(&["report", "--day", &day, "--account", "main"]).await;
    for said in ["in Asia/Shanghai", "the day is not over", "transfer", "succeeded", "¥0.20", "not reconciled"] {
        assert!(text.contains(said), "{said} is not in:\n{text}");
    }
    world.ok(&["reconcile", "--account", "main"]).await;
    let report = &reports(&world, began).await[0];
    let run = &report["reconciled"];
    assert_eq!((&run["jobs"], &run["differ"]), (&json!(3), &json!(0)), "{report}");
    let csv = world.ok(&["report", "--day", &day, "--account", "main", "--csv"]).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "day,account,time_zone,what,kind,state,count,amount_fen");
    assert!(lines.contains(&format!("{day},main,Asia/Shanghai,ended,transfer,succeeded,2,20").as_str()), "{csv}");
    assert!(lines.contains(&format!("{day},main,Asia/Shanghai,reconciled,,differ,0,").as_str()), "{csv}");

    for (day, why) in [("2026-13-01", "YYYY-MM-DD"), ("1990-01-01", "no longer kept"), ("2999-01-01", "has not begun")]
    {
        let refused = world.run(&["report", "--day", day]).await;
        assert!(refused.code == Some(2) && refused.stderr.contains(why), "{refused:?}");
    }
    world.set("accounts.main.time_zone", toml::Value::from("Asia/Peking"));
    let refused = world.run(&["report", "--day", &day]).await;
    assert!(refused.code == Some(2) && refused.stderr.contains("time_zone"), "{refused:?}");
    world.set("accounts.main.time_zone", toml::Value::from("Pacific/Kiritimati"));
    let text = world.ok(&["report", "--account", "main"]).await;
    assert!(text.contains("in Pacific/Kiritimati"), "{text}");
}
