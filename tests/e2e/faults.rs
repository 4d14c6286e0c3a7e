//! Bad days: every fault of the simulator, on every kind of call, on an account that sends again.

use bursar_test_support::eventually;
use serde_json::{Value, json};

use crate::jobs::{self, bill, split, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// Long enough that a call gives up on silence, short enough to be over when the send has settled.
const SILENCE_MS: u64 = 1_300;

/// Every fault that the simulator's own page lists, but for the one that pauses.
fn faults() -> Vec<&'static str> {
    let page = include_str!("../../crates/simulator/README.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| fault | executed |")).skip(2);
    let cells = rows.map_while(|row| row.strip_prefix("| ")?.split(" | ").next());
    let faults: Vec<&str> = cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect();
    assert!(faults.len() >= 32 && faults.contains(&"lost-answer"), "the page's table: {faults:?}");
    faults.into_iter().filter(|fault| *fault != PAUSES).collect()
}

/// A queue is paused by it until a person has mended the account: tried apart from the others.
const PAUSES: &str = "account-disabled";

/// The split is executed, and its only response is lost, cannot be believed, or proves nothing.
const EXECUTED_UNHEARD: [&str; 17] = [
    "nobody-paid",
    "failed-without-code",
    "lost-answer",
    "closed-without-answer",
    "late-execution",
    "hang-after",
    "bad-gateway-after",
    "html",
    "truncated-json",
    "cut-body",
    "bad-signature",
    "missing-signature",
    "forged-busy",
    "gateway-timeout",
    "unknown-error-after",
    "unknown-status",
    "oversized",
];

/// One fault for one call about a key.
fn once(ledger_key: &str, on: &str, fault: &str) -> Value {
    let mut order = json!({"key": ledger_key, "on": on, "fault": fault});
    if ["hang", "late", "trickle"].iter().any(|slow| fault.starts_with(slow)) {
        order["ms"] = json!(if fault == "trickle" { 200 } else { SILENCE_MS });
    }
    order
}

/// Submits one job per fault, each to meet its own fault once, and waits for all ends.
async fn meet(world: &World, on: &str, jobs: &[(&str, Value)]) -> Vec<Value> {
    let orders: Vec<Value> = jobs.iter().map(|(fault, job)| once(&jobs::ledger_key(job), on, fault)).collect();
    world.faults(json!(orders)).await;
    let _worker = world.worker().await;
    let jobs: Vec<Value> = jobs.iter().map(|(_, job)| job.clone()).collect();
    world.submit_new(&jobs).await;
    let ended = world.settled().await;

    let ledger = world.books_agree().await;
    for job in &jobs {
        let shown = world.job(jobs::key(job)).await;
        let log = shown["history"].as_array().expect("a log");
        // A response mentions its send; an intent is in the history where no response came.
        let is_of_a_send = |line: &&Value| {
            line["event"] == "send_intent"
                || (line["event"] == "response" && line["call"] == "send" && line["late"] != true)
        };
        let intents = log.iter().filter(is_of_a_send).count() as u64;
        let requests = ledger.keys.get(&jobs::ledger_key(job)).map_or(0, |record| record.requests);
        assert!(intents >= requests, "{requests} sends arrived: {shown}");
        assert_eq!(json!(intents), shown["attempts"], "{shown}");
    }
    ended
}

#[tokio::test]
async fn a_transfer_is_executed_once_whatever_befalls_its_send() {
    let world = Plan::new().start().await;
    let jobs: Vec<(&str, Value)> = faults().into_iter().map(|fault| (fault, transfer(&format!("T-{fault}")))).collect();
    for job in meet(&world, "send", &jobs).await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
}

#[tokio::test]
async fn whatever_befalls_a_bill_it_is_received_once() {
    let world = Plan::new().start().await;
    let jobs: Vec<(&str, Value)> = faults()
        .into_iter()
        .enumerate()
        .map(|(number, fault)| (fault, bill(&format!("B-{fault}"), &format!("1000{number:05}"))))
        .collect();
    for job in meet(&world, "send", &jobs).await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
}

#[tokio::test]
async fn a_split_is_executed_at_most_once_and_nothing_is_guessed() {
    let world = Plan::new().set("accounts.shop.poll_deadline", "5s").start().await;
    let jobs: Vec<(&str, Value)> = faults()
        .into_iter()
        .filter(|fault| *fault != "invalid-timestamp") // pauses the queue: see below
        .map(|fault| (fault, split(&format!("S-{fault}"), &format!("P-{fault}"))))
        .collect();
    for job in meet(&world, "send", &jobs).await {
        // BeingFi cannot be queried and refuses repeats: a split without a response needs review.
        let fault = job["platform_no"].as_str().unwrap().trim_start_matches("S-");
        let end = match fault {
            "refused" => "failed", // said before the order is taken, and no reason to try again
            unheard if EXECUTED_UNHEARD.contains(&unheard) => "needs_review",
            _ => "succeeded",
        };
        assert_eq!(job["state"], end, "{fault}: {job}");
    }
}

#[tokio::test]
async fn a_misconfigured_account_is_paused_and_its_job_executed_once() {
    for (fault, job) in [
        ("invalid-timestamp", split("S1", "P1")),
        (PAUSES, split("S2", "P2")),
        (PAUSES, transfer("T1")),
        (PAUSES, bill("B1", "O1")),
    ] {
        let world = Plan::new().start().await;
        let queue = format!("{}/{}", job["account"].as_str().unwrap(), job["kind"].as_str().unwrap());
        world.faults(json!([once(&jobs::ledger_key(&job), "send", fault)])).await;
        let _worker = world.worker().await;
        world.submit_new(std::slice::from_ref(&job)).await;
        eventually(SOON, "the queue to be paused", async || {
            let queues = world.ok(&["queues"]).await;
            if queues.lines().any(|line| line.contains(&queue) && line.contains("misconfigur")) {
                Ok(())
            } else {
                Err(queues)
            }
        })
        .await;
        let key = jobs::key(&job);
        assert_eq!(world.job(key).await["state"], "queued", "{fault} {queue}");
        world.ok(&["resume", &queue, "--reason", "the account is mended"]).await;
        world.until(key, "succeeded").await;
        let executed = world.books_agree().await.keys[&jobs::ledger_key(&job)].executions;
        assert_eq!(executed, 1, "{fault} {queue}");
    }
}

#[tokio::test]
async fn a_fault_of_a_query_never_causes_a_second_send() {
    let world = Plan::new().start().await;
    let jobs: Vec<(&str, Value)> = faults().into_iter().map(|fault| (fault, transfer(&format!("A-{fault}")))).collect();
    for (_, job) in &jobs {
        world.life(jobs::key(job), "9-1").await;
    }
    for job in meet(&world, "query", &jobs).await {
        // An answer about another payment proves nothing about this one, so a person looks.
        let contradicts = job["platform_no"].as_str().unwrap().contains("other-");
        assert_eq!(job["state"], if contradicts { "needs_review" } else { "succeeded" }, "{job}");
        assert_eq!(job["attempts"], 1, "{job}");
    }
}
