//! What a gateway does when nothing goes wrong: vectors, keys, lives, pages and the ledger.

mod client;

use bursar_simulator::Kind;
use client::{APPLY, Merchant, form, options, transfer};

#[tokio::test]
async fn a_transfer_is_executed_answered_and_found_again() {
    let merchant = Merchant::with(options()).await;
    let applied = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(applied["code"], 10_000);
    assert_eq!(applied["success"], true);
    assert_eq!(applied["data"]["status"], "1");
    let trade_no = applied["data"]["trade_no"].as_str().unwrap();

    let queried = merchant.node(&merchant.query(trade_no).await.unwrap());
    assert_eq!(queried["data"]["platform_no"], "K1");
    assert_eq!(queried["data"]["total_amount"], "10");
    assert_eq!(queried["data"]["status"], "1");
    assert_eq!(queried["data"]["trade_no"], trade_no);

    let record = merchant.record("K1").await;
    assert_eq!(record.kind, Kind::Transfer);
    assert_eq!((record.executions, record.requests, record.asks), (1, 1, 1));
    assert_eq!(record.bytes, transfer("K1", 10));
    assert_eq!(record.amount, Some(10));
    assert_eq!(record.status.as_deref(), Some("1"));
    assert_eq!(record.trade_no.as_deref(), Some(trade_no));
    assert_eq!(record.request_times_ms.len(), 1);
    let ledger = merchant.ledger().await;
    assert_eq!((ledger.executed, ledger.requests), (1, 2));
    assert_eq!(ledger.violations, []);
}

#[tokio::test]
async fn a_lost_answer_was_executed_and_the_same_bytes_find_it() {
    let merchant = Merchant::with(options()).await;
    merchant.force("K1", "lost-answer").await;
    let lost = merchant.raw("/", &form(&merchant.params(APPLY, &transfer("K1", 10)))).await;
    assert_eq!(lost.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(merchant.record("K1").await.executions, 1);

    let again = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(again["data"]["status"], "1");
    assert!(again["data"]["trade_no"].is_string());
    let record = merchant.record("K1").await;
    assert_eq!((record.executions, record.requests), (1, 2));
    assert_eq!(merchant.ledger().await.violations, []);
}
