//! Operators' actions over HTTP: recorded with the token's name; a second action is refused with the result of the first.

use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::plan::Plan;

fn holding() -> Plan {
    Plan::new().both("on_ambiguous", "hold")
}

#[tokio::test]
async fn a_second_resolution_is_answered_with_the_first() {
    let world = holding().start().await;
    let _worker = world.worker().await;
    world.in_review("T").await;
    let server = world.serve().await;
    let order = json!({"as": "succeeded", "reason": "seen on the bank statement"});
    let done = server.act("/v1/jobs/main/transfer/T/resolve", &order).await;
    assert_eq!((done.status, &done.body["state"]), (200, &json!("succeeded")), "{done:?}");
    assert_eq!(done.body["reason"]["message"], "li: seen on the bank statement", "{done:?}");

    let second = server.act("/v1/jobs/main/transfer/T/resolve", &json!({"as": "failed", "reason": "no"})).await;
    second.refuses(409, "invalid-state");
    assert_eq!(second.body["job"]["state"], "succeeded", "{second:?}");
    assert_eq!(
        (&second.body["last_action"]["action"], &second.body["last_action"]["operator"]),
        (&json!("resolve"), &json!("li")),
        "{second:?}"
    );
    let detail = second.body["detail"].as_str().unwrap();
    assert!(detail.contains("resolve by li at") && detail.contains("seen on the bank statement"), "{detail}");

    let read = server.read("/v1/jobs/main/transfer/T/history").await;
    assert_eq!(read["history"], world.job("T").await["history"], "the same as the command shows");
    world.books_agree().await;
}

#[tokio::test]
async fn a_job_is_queried_and_sent_by_an_operators_action() {
    let world = holding().start().await;
    let _worker = world.worker().await;
    world.in_review("T").await;
    let server = world.serve().await;
    let sent =
        server.act("/v1/jobs/main/transfer/T/send", &json!({"reason": "the gateway says it never arrived"})).await;
    assert_eq!((sent.status, &sent.body["state"]), (200, &json!("in_doubt")), "{sent:?}");
    let ended = server.read("/v1/jobs/main/transfer/T?wait=30s").await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let reply = server.act("/v1/jobs/main/transfer/T/query", &json!({"reason": "the customer is on the phone"})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let refused = server.act("/v1/jobs/main/transfer/T/send", &json!({"reason": "once more"})).await;
    refused.refuses(409, "invalid-state");
    world.books_agree().await;
}

#[tokio::test]
async fn queues_are_seen_paused_and_resumed() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let paused = server.act("/v1/queues/main/transfer/pause", &json!({"reason": "maintenance"})).await;
    assert_eq!((paused.status, &paused.body["paused"]["message"]), (200, &json!("li: maintenance")), "{paused:?}");
    let second = server.act("/v1/queues/main/transfer/pause", &json!({"reason": "I, too"})).await;
    second.refuses(409, "invalid-state");
    assert!(second.body["detail"].as_str().unwrap().contains("paused already: li: maintenance"), "{second:?}");

    let queues = server.read("/v1/queues").await;
    let shown: Vec<Value> =
        world.ok(&["queues", "--json"]).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(queues["queues"], json!(shown), "the same as the command shows");

    let _worker = world.worker().await;
    assert_eq!(server.submit(&transfer("T")).await.status, 201);
    world.accepted(transfer("T"));
    let waiting = server.read("/v1/jobs/main/transfer/T?wait=300ms").await;
    assert_eq!(waiting["state"], "queued", "nothing is sent: {waiting}");
    let resumed = server.act("/v1/queues/main/transfer/resume", &json!({"reason": "over"})).await;
    assert_eq!((resumed.status, &resumed.body["paused"]), (200, &Value::Null), "{resumed:?}");
    server.act("/v1/queues/main/transfer/resume", &json!({"reason": "over"})).await.refuses(409, "invalid-state");
    assert_eq!(server.read("/v1/jobs/main/transfer/T?wait=30s").await["state"], "succeeded");
    world.books_agree().await;
}
