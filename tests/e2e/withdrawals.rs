//! A withdrawal has no key on the wire, so it leaves at most once: not for an account that resends, and not for an operator.

use serde_json::{Value, json};

use crate::jobs::withdrawal;
use crate::plan::Plan;
use crate::world::{SOON, World};

/// A world whose account resends, and takes withdrawals.
async fn world() -> World {
    let kinds = toml::Value::from(vec!["withdrawal"]);
    Plan::new().both("on_ambiguous", "resend").set("accounts.main.additional_kinds", kinds).start().await
}

#[tokio::test]
async fn one_is_sent_in_yuan_and_waits_for_a_person() {
    let world = world().await;
    let _worker = world.worker().await;
    world.submit_new(&[withdrawal("W-1", "rent")]).await;
    let job = world.until("W-1", "pending").await;
    assert_eq!((&job["attempts"], &job["reason"]["code"]), (&json!(1), &json!("cannot_be_queried")), "{job}");
    let record = world.books_agree().await.keys["rent"].clone();
    assert_eq!((record.executions, record.requests, record.amount), (1, 1, Some(110)));
    assert!(record.bytes.contains(r#""total_amount":1.1,"#) && !record.bytes.contains("W-1"), "{}", record.bytes);
    assert_eq!(job["trade_no"].as_str(), record.trade_no.as_deref());
    world.ok(&["resolve", "W-1", "--as", "succeeded", "--reason", "seen on the bank's statement"]).await;
    assert_eq!(world.job("W-1").await["state"], "succeeded");
}

#[tokio::test]
async fn a_lost_response_goes_to_review_and_is_never_sent_again() {
    let world = world().await;
    world.faults(json!({"key": "rent", "on": "send", "fault": "lost-answer"})).await;
    let worker = world.worker().await;
    world.submit_new(&[withdrawal("W-1", "rent")]).await;
    let job = world.until("W-1", "needs_review").await;
    assert_eq!((&job["attempts"], &job["due_at"]), (&json!(1), &Value::Null), "{job}");
    assert_eq!(job["reason"]["code"], "no_response_and_held", "{job}");

    let said = world.refused(&["send", "W-1", "--reason", "the shop has seen no money"]).await;
    assert!(said.contains("cannot tell a second send of this kind from a second payment"), "{said}");
    assert!(said.contains("resolve it as failed and submit it under a new key"), "{said}");
    // Neither does a query bring it back to be sent.
    world.ok(&["query", "W-1", "--reason", "perhaps it knows by now"]).await;
    world.until("W-1", "needs_review").await;
    worker.terminate();
    worker.finished(SOON).await;

    let record = world.books_agree().await.keys["rent"].clone();
    assert_eq!((record.executions, record.requests), (1, 1), "the gateway was asked once");
    world.ok(&["resolve", "W-1", "--as", "succeeded", "--reason", "seen on the bank's statement"]).await;
}
