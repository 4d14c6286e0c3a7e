//! Deadlines: an unknown outcome ends in review, and only what was certainly not executed ends as failed.

use serde_json::json;

use crate::jobs::{bill, split, transfer};
use crate::plan::Plan;

#[tokio::test]
async fn a_transfer_unfinished_by_the_poll_deadline_needs_review() {
    let world = Plan::new().set("accounts.main.poll_deadline", "2s").start().await;
    for (key, life) in [("NINE", "9"), ("EN", "n")] {
        world.life(key, life).await;
    }
    let _worker = world.worker().await;
    world.submit_new(&[transfer("NINE"), transfer("EN")]).await;
    for key in ["NINE", "EN"] {
        let job = world.until(key, "needs_review").await;
        assert_eq!(job["reason"]["code"], "unfinished_until_poll_deadline", "{job}");
        assert_eq!(job["attempts"], 1, "{job}");
        assert!(job["queries"].as_u64() >= Some(2), "{job}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn lost_responses_need_review_after_the_maximum_of_sends() {
    let world = Plan::new().set("accounts.main.resend_max", 2).set("accounts.main.resend_after", "300ms").start().await;
    world.faults(json!({"key": "LOST", "on": "send", "fault": "lost-answer", "always": true})).await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("LOST")]).await;
    let job = world.until("LOST", "needs_review").await;
    assert_eq!(job["reason"]["code"], "resends_exhausted", "{job}");
    assert_eq!(job["attempts"], 3, "{job}");
    let record = world.books_agree().await.keys["LOST"].clone();
    assert_eq!((record.executions, record.requests), (1, 3));
}

#[tokio::test]
async fn an_unsent_job_of_an_absent_gateway_fails_at_its_deadline() {
    let world = Plan::new().both("retry_deadline", "1s").start().await;
    let _worker = world.worker().await;
    world.stop_gateway();
    world.submit_new(&[transfer("T"), bill("B", "100010001"), split("S", "P1")]).await;
    for key in ["T", "B", "S"] {
        let job = world.until(key, "failed").await;
        assert_eq!(job["reason"]["code"], "retry_deadline_passed", "{job}");
        assert!(job["attempts"].as_u64() >= Some(2), "it was tried again: {job}");
    }
    world.start_gateway().await;
    assert_eq!(world.books_agree().await.requests, 0);
}

#[tokio::test]
async fn an_unsent_job_is_executed_once_when_the_gateway_is_back() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.stop_gateway();
    world.submit_new(&[transfer("T"), bill("B", "100010001"), split("S", "P1")]).await;
    world.until_all("every job to have been tried in vain", |job| job["attempts"].as_u64() >= Some(2)).await;
    world.until_all("no job to be in doubt about what never left", |job| job["state"] == "queued").await;
    world.start_gateway().await;
    for job in world.settled().await {
        assert_eq!(job["state"], "succeeded", "{job}");
        assert!(job["attempts"].as_u64() >= Some(3), "every try was counted: {job}");
    }
    let ledger = world.books_agree().await;
    assert_eq!((ledger.executed, ledger.requests), (3, 3));
}

#[tokio::test]
async fn a_final_refusal_fails_the_job_without_execution() {
    let world = Plan::new().set("accounts.main.final_sub_codes", vec!["isv.name-error"]).start().await;
    world.faults(json!({"key": "T", "on": "send", "fault": "refused"})).await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("T")]).await;
    let job = world.until("T", "failed").await;
    assert_eq!(job["reason"]["gateway_code"], "40004/isv.name-error", "{job}");
    assert_eq!(world.books_agree().await.executed, 0);
}
