//! Splits at a vendor of BeingFi's family that has a query for divisions, and at BeingFi, which has none.

use serde_json::{Value, json};

use crate::jobs::{self, split, transfer};
use crate::plan::Plan;
use crate::world::{World, system_user};

async fn with_query() -> World {
    let plan = Plan::new().both("on_ambiguous", "hold").set("accounts.shop.split_query_path", "/api/division/query");
    plan.simulate(&["--division-query"]).start().await
}

#[tokio::test]
async fn a_split_that_was_only_accepted_is_followed_to_its_end() {
    let world = with_query().await;
    for (order, life) in [("P1", "9-1"), ("P2", "9-0"), ("P3", "9")] {
        world.life(order, life).await;
    }
    let _worker = world.worker().await;
    world.submit_new(&[split("PAID", "P1"), split("FAILED", "P2"), split("WAITS", "P3")]).await;
    for (key, state) in [("PAID", "succeeded"), ("FAILED", "failed"), ("WAITS", "pending")] {
        let job = world.until(key, state).await;
        assert_eq!(job["attempts"], 1, "{job}");
        assert!(job["trade_no"].as_str().is_some_and(|number| number.starts_with('D')), "BeingFi's own number: {job}");
    }
    assert!(world.job("PAID").await["queries"].as_u64() >= Some(1));
    let said = world.refused(&["resolve", "WAITS", "--as", "succeeded", "--reason", "impatience"]).await;
    assert!(said.contains("only a job in review, or one that is pending and cannot be asked about"), "{said}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_split_with_a_lost_response_is_found_by_its_order() {
    let world = with_query().await;
    world.faults(json!({"key": "P1", "on": "send", "fault": "lost-answer"})).await;
    let _worker = world.worker().await;
    world.submit_new(&[split("LOST", "P1")]).await;
    let job = world.until("LOST", "succeeded").await;
    assert_eq!(job["attempts"], 1, "{job}");
    let record = world.books_agree().await.keys["P1"].clone();
    assert_eq!((record.executions, record.requests), (1, 1));
}

#[tokio::test]
async fn whatever_befalls_a_query_no_split_is_sent_again_for_it() {
    let world = with_query().await;
    let faults = [
        "reset-before",
        "busy",
        "gateway-timeout",
        "bad-signature",
        "missing-signature",
        "html",
        "refused",
        "not-paid",
    ];
    let jobs: Vec<Value> = faults.iter().map(|fault| split(&format!("S-{fault}"), &format!("P-{fault}"))).collect();
    for (fault, job) in faults.iter().zip(&jobs) {
        world.life(&jobs::ledger_key(job), "9-1").await;
        world.faults(json!({"key": jobs::ledger_key(job), "on": "query", "fault": fault})).await;
    }
    let _worker = world.worker().await;
    world.submit_new(&jobs).await;
    for job in world.settled().await {
        assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn an_unqueryable_split_is_closed_by_a_person() {
    let world = Plan::new().start().await;
    for key in ["P1", "ASKED"] {
        world.life(key, "9").await;
    }
    let _worker = world.worker().await;
    world.submit_new(&[split("STUCK", "P1"), transfer("ASKED")]).await;
    for key in ["STUCK", "ASKED"] {
        world.until(key, "pending").await;
    }
    let said = world.refused(&["resolve", "ASKED", "--as", "succeeded", "--reason", "impatience"]).await;
    assert!(said.contains("cannot be resolved"), "{said}");
    world.life("P1", "9-1").await;
    world.ok(&["resolve", "STUCK", "--as", "succeeded", "--reason", "seen in its console"]).await;
    let job = world.job("STUCK").await;
    assert_eq!(
        (&job["state"], &job["reason"]["message"]),
        (&json!("succeeded"), &json!(format!("{}: seen in its console", system_user()))),
        "{job}"
    );
    let said = world.refused(&["resolve", "STUCK", "--as", "failed", "--reason", "no"]).await;
    assert!(said.contains("a job that is succeeded cannot be resolved"), "{said}");
}

#[tokio::test]
async fn a_finished_split_without_receivers_needs_review_at_once() {
    let world = Plan::new().start().await;
    world.faults(json!({"key": "P1", "on": "send", "fault": "nobody-paid"})).await;
    let _worker = world.worker().await;
    world.submit_new(&[split("UNKNOWN", "P1")]).await;
    let job = world.until("UNKNOWN", "needs_review").await;
    assert!(job["reason"]["message"].as_str().unwrap().contains("perhaps no one was paid"), "{job}");
    assert_eq!((&job["attempts"], &job["due_at"]), (&json!(1), &Value::Null), "{job}");
}
