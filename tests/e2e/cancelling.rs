//! A job can be taken back while it is certain that it was not executed, and at no other time.

use serde_json::{Value, json};

use crate::jobs::{self, having, split, transfer};
use crate::plan::Plan;

#[tokio::test]
async fn a_queued_job_is_taken_back_and_never_sent() {
    let world = Plan::new().start().await;
    world.ok(&["pause", "main/transfer", "--reason", "a test"]).await;
    let later = having(transfer("LATER"), "run_at", json!(jobs::in_days(300).rfc3339()));
    world.submit_new(&[later, transfer("PAUSED"), transfer("STAYS")]).await;
    let _worker = world.worker().await;
    let ada = world.token_file("ada").await;
    for key in ["LATER", "PAUSED"] {
        world.ok(&["cancel", key, "--reason", "ordered twice by mistake", "--token-file", &ada]).await;
    }
    world.ok(&["resume", "main/transfer", "--reason", "a test"]).await;
    world.until("STAYS", "succeeded").await;
    for key in ["LATER", "PAUSED"] {
        let job = world.job(key).await;
        assert_eq!((&job["state"], &job["attempts"], &job["due_at"]), (&json!("cancelled"), &json!(0), &Value::Null));
        let line = &job["history"][0];
        assert_eq!(
            (&line["event"], &line["action"], &line["operator"], &line["comment"]),
            (&json!("operator_action"), &json!("cancel"), &json!("ada"), &json!("ordered twice by mistake")),
        );
    }
    // The key is used up: what was taken back is not paid by being submitted again.
    assert_eq!(world.submit(&[transfer("PAUSED")]).await, ["existing cancelled PAUSED"]);
    let ledger = world.books_agree().await;
    assert_eq!(ledger.keys.keys().collect::<Vec<_>>(), ["STAYS"]);
}

#[tokio::test]
async fn a_job_that_may_have_been_executed_is_not_taken_back() {
    let plan = Plan::new().both("on_ambiguous", "hold").set("accounts.main.resend_after", "1h");
    let world = plan.start().await;
    world.life("PENDING", "9").await;
    for key in ["DOUBT", "P-REVIEW"] {
        world.faults(json!({"key": key, "on": "send", "fault": "lost-answer"})).await;
    }
    let _worker = world.worker().await;
    let review = split("REVIEW", "P-REVIEW");
    world.submit_new(&[transfer("DONE"), transfer("PENDING"), transfer("DOUBT"), review]).await;
    for (key, state) in
        [("DONE", "succeeded"), ("PENDING", "pending"), ("DOUBT", "in_doubt"), ("REVIEW", "needs_review")]
    {
        world.until(key, state).await;
        let said = world.refused(&["cancel", key, "--reason", "x"]).await;
        let rule = format!(
            "a job that is {state} cannot be cancelled: only a queued job is certain not to have been executed"
        );
        // A worker may be asking about a pending job at this very moment.
        assert!(said.contains(&rule) || said.contains("try again when it has finished"), "{said}");
        assert_eq!(
            world.job(key).await["history"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|line| line["event"] == "operator_action")
                .count(),
            0
        );
    }
    let said = world.refused(&["cancel", "UNKNOWN", "--reason", "x"]).await;
    assert!(said.contains("there is no job UNKNOWN"), "{said}");
    assert_eq!(world.run(&["cancel", "DONE"]).await.code, Some(2), "without a reason nothing is done");
    world.books_agree().await;
}
