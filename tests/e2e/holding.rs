//! An account that holds never sends twice by itself; a person decides, and that is on record.

use serde_json::{Value, json};

use crate::jobs::{bill, split, transfer};
use crate::plan::Plan;
use crate::world::{World, system_user};

/// A world whose accounts hold, and one transfer whose answer was lost.
async fn one_in_review(plan: Plan) -> World {
    let world = plan.both("on_ambiguous", "hold").start().await;
    world.faults(json!({"key": "HELD", "on": "send", "fault": "lost-answer"})).await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("HELD")]).await;
    let job = world.until("HELD", "needs_review").await;
    assert_eq!((&job["attempts"], &job["due_at"]), (&json!(1), &Value::Null), "nothing will be sent: {job}");
    assert_eq!(job["reason"]["code"], "no_response_and_held", "{job}");
    worker.terminate();
    worker.finished(crate::world::SOON).await;
    world
}

/// The operations on a job's record: what, who, why.
fn operations(job: &Value) -> Vec<[&str; 3]> {
    let log = job["history"].as_array().unwrap().iter().filter(|line| line["event"] == "operator_action");
    log.map(|line| ["action", "operator", "comment"].map(|name| line[name].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_gateway_without_keys_gets_one_request_and_a_person_decides() {
    let world = one_in_review(Plan::new().simulate(&["--ignore-keys"])).await;
    let record = world.at_gateway("HELD").await.unwrap();
    assert_eq!((record.executions, record.requests), (1, 1));

    for wrong in [["--as", "queued"], ["--as", "cancelled"]] {
        let said = world.run(&[&["resolve", "HELD", "--reason", "x"][..], &wrong].concat()).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("must be succeeded, failed or refunded"), "{said:?}");
    }
    for misused in [&["--as", "succeeded"][..], &["--as", "paid", "--reason", "x"], &["--as", "failed", "--reason", ""]]
    {
        let finished = world.run(&[&["resolve", "HELD"], misused].concat()).await;
        assert_eq!(finished.code, Some(2), "{misused:?}: {finished:?}");
    }
    world.ok(&["resolve", "HELD", "--as", "succeeded", "--reason", "seen on the bank's statement"]).await;
    let job = world.job("HELD").await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(operations(&job), [["resolve", &system_user(), "seen on the bank's statement"]]);
    assert_eq!(job["reason"]["message"], format!("{}: seen on the bank's statement", system_user()), "{job}");
    let said = world.refused(&["resolve", "HELD", "--as", "failed", "--reason", "no"]).await;
    assert!(said.contains("a job that is succeeded cannot be resolved"), "{said}");
    world.books_agree().await;
}

#[tokio::test]
async fn the_default_pays_once_without_keys_and_uploads_bills() {
    let plan = Plan::new().unset("accounts.main.on_ambiguous").unset("accounts.shop.on_ambiguous");
    let world = plan.simulate(&["--ignore-keys"]).start().await;
    let jobs = [transfer("PAY"), split("DIVIDE", "P1"), bill("BILL", "ORDER")];
    for key in ["PAY", "P1", "ORDER/1"] {
        world.faults(json!({"key": key, "on": "send", "fault": "lost-answer"})).await;
    }
    let _worker = world.worker().await;
    world.submit_new(&jobs).await;
    for key in ["PAY", "DIVIDE"] {
        let job = world.until(key, "needs_review").await;
        assert_eq!((&job["attempts"], &job["due_at"]), (&json!(1), &Value::Null), "nothing will be sent: {job}");
    }
    let job = world.until("BILL", "succeeded").await;
    assert_eq!(job["attempts"], 2, "{job}");
    let ledger = world.books_agree().await;
    let executions = ["PAY", "P1", "ORDER/1"].map(|key| ledger.keys[key].executions);
    assert_eq!(executions, [1, 1, 2], "a bill that is received twice moves no money");
    let doctor = world.ok(&["doctor"]).await;
    for account in ["main", "shop"] {
        assert!(
            doctor.contains(&format!("{account}: a send with an unknown outcome is queried, else it needs review")),
            "{doctor}"
        );
    }
}

#[tokio::test]
async fn on_a_person_s_word_the_identical_bytes_are_sent_again() {
    let world = one_in_review(Plan::new()).await;
    let _worker = world.worker().await;
    let ada = world.token_file("ada").await;
    world.ok(&["send", "HELD", "--reason", "the gateway honours keys", "--token-file", &ada]).await;
    let job = world.until("HELD", "succeeded").await;
    assert_eq!(operations(&job), [["send", "ada", "the gateway honours keys"]]);
    assert_eq!(job["attempts"], 2, "{job}");
    let record = world.books_agree().await.keys["HELD"].clone();
    assert_eq!((record.executions, record.requests), (1, 2));
}

#[tokio::test]
async fn a_query_without_a_number_sends_nothing_and_returns_to_review() {
    let world = one_in_review(Plan::new().simulate(&["--ignore-keys"])).await;
    let _worker = world.worker().await;
    world.ok(&["query", "HELD", "--reason", "perhaps it knows by now"]).await;
    let job = world.until("HELD", "needs_review").await;
    assert_eq!(operations(&job), [["query", &system_user(), "perhaps it knows by now"]]);
    assert_eq!((&job["attempts"], &job["due_at"]), (&json!(1), &Value::Null), "{job}");
    let record = world.books_agree().await.keys["HELD"].clone();
    assert_eq!((record.executions, record.requests, record.queries), (1, 1, 0));
}

#[tokio::test]
async fn a_queryable_review_is_queried_on_demand_and_ends() {
    let world = Plan::new().both("on_ambiguous", "hold").set("accounts.main.poll_deadline", "1s").start().await;
    world.life("SLOW", "9").await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("SLOW")]).await;
    world.until("SLOW", "needs_review").await;
    world.life("SLOW", "9-1").await;
    world.ok(&["query", "SLOW", "--reason", "the customer says that it has arrived"]).await;
    let job = world.until("SLOW", "succeeded").await;
    assert_eq!(operations(&job), [["query", &system_user(), "the customer says that it has arrived"]]);
    assert_eq!(world.books_agree().await.keys["SLOW"].requests, 1);
}

#[tokio::test]
async fn a_query_by_key_replaces_a_resend_and_a_review() {
    let plan = Plan::new().both("on_ambiguous", "hold").set("accounts.main.query_key", "platform_no");
    let world = plan.simulate(&["--query-by-key"]).start().await;
    world.faults(json!({"key": "LOST", "on": "send", "fault": "lost-answer"})).await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("LOST")]).await;
    let job = world.until("LOST", "succeeded").await;
    assert_eq!((&job["attempts"], job["queries"].as_u64() >= Some(1)), (&json!(1), true), "{job}");
    assert_eq!(world.books_agree().await.keys["LOST"].requests, 1);
}
