//! Submitting again is safe, and a second job about the same thing is refused, whatever races.

use std::time::Duration;

use bursar_test_support::Process;
use serde_json::json;

use crate::jobs::{self, bill, having, split, transfer, with};
use crate::plan::Plan;
use crate::world::SOON;

#[tokio::test]
async fn a_resubmission_is_the_same_job_and_shows_its_state() {
    let world = Plan::new().start().await;
    assert_eq!(world.submit(&[transfer("T1")]).await, ["new T1"]);
    assert_eq!(world.submit(&[transfer("T1")]).await, ["existing queued T1"]);
    assert_eq!(world.submit(&[transfer("T1"), transfer("T1")]).await, ["existing queued T1", "existing queued T1"]);

    let _worker = world.worker().await;
    world.until("T1", "succeeded").await;
    assert_eq!(world.submit(&[transfer("T1")]).await, ["existing succeeded T1"]);
    let written_otherwise = with(transfer("T1"), "total_amount", json!("10"));
    assert_eq!(world.submit(&[written_otherwise]).await, ["existing succeeded T1"], "10 fen are 10 fen");
    let later = having(transfer("T1"), "run_at", json!(jobs::in_days(300).rfc3339()));
    assert_eq!(world.submit(&[later]).await, ["existing succeeded T1"], "when it is sent is not its content");
    let ledger = world.books_agree().await;
    assert_eq!((ledger.executed, ledger.requests), (1, 1));
}

#[tokio::test]
async fn other_content_under_a_key_is_refused_even_after_payment() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T1")]).await;
    let other = with(transfer("T1"), "total_amount", json!(11));
    let refused = "conflict T1: this key was submitted before with other content: total_amount differs";
    assert_eq!(world.submit(std::slice::from_ref(&other)).await, [refused]);

    let _worker = world.worker().await;
    world.until("T1", "succeeded").await;
    assert_eq!(world.submit(&[other]).await, [refused]);
    let ledger = world.books_agree().await;
    assert_eq!(ledger.keys["T1"].amount, Some(10));
}

#[tokio::test]
async fn a_second_job_with_a_business_key_is_refused_by_the_first() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.submit_new(&[bill("B1", "100010001"), split("S1", "P1")]).await;
    let second = [bill("B2", "100010001"), split("S2", "P1")];
    let about = |key: &str, first: &str| format!("conflict {key}: {first} is about the same thing and was there first");
    assert_eq!(world.submit(&second).await, [about("B2", "B1"), about("S2", "S1")]);
    world.settled().await;
    assert_eq!(world.submit(&second).await, [about("B2", "B1"), about("S2", "S1")]);

    // A refund of the same order is another thing, and so is the same key in another queue.
    let mut refund = with(bill("B3", "100010001"), "trade_type", json!("2"));
    refund["body"]["org_order_id"] = json!("100010001");
    world.submit_new(&[refund, transfer("B1")]).await;
    world.settled().await;
    assert_eq!(world.books_agree().await.executed, 4);
}

#[tokio::test]
async fn of_fifty_concurrent_submissions_exactly_one_is_new() {
    let world = Plan::new().start().await;
    let _workers = [world.worker().await, world.worker().await];
    let file = world.file(transfer("RACE").to_string()).display().to_string();
    let submitters: Vec<Process> =
        (1..=50).map(|n| Process::start(&format!("submitter {n}"), world.command(&["submit", &file]))).collect();
    let mut new = 0;
    for submitter in submitters {
        let finished = submitter.finished(SOON).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        match finished.stdout.as_str() {
            "new RACE" => new += 1,
            existing => assert!(existing.starts_with("existing ") && existing.ends_with(" RACE"), "{existing}"),
        }
    }
    assert_eq!(new, 1);
    world.accepted(transfer("RACE"));
    world.until_within(Duration::from_secs(10), "RACE", "succeeded").await;
    assert_eq!(world.books_agree().await.keys["RACE"].requests, 1);
}
