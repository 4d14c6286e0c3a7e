//! Submitting over HTTP: batches, and jobs that break rules.

use serde_json::json;

use crate::jobs::{bill, having, split, transfer, with};
use crate::world::World;

#[tokio::test]
async fn a_batch_is_answered_job_by_job_despite_bad_ones() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[bill("B1", "order-1")]).await;
    let batch = json!({"jobs": [
        transfer("T"), split("S", "P1"), bill("B1", "order-1"), bill("B2", "order-1"),
        with(transfer("X"), "total_amount", json!("ten")), having(transfer("Y"), "kind", json!("payment")), 7,
    ]});
    let answer = server.submit(&batch).await;
    assert_eq!((answer.status, &answer.body["durability"]), (200, &json!("fast")), "{answer:?}");
    let jobs = answer.body["jobs"].as_array().unwrap();
    let statuses: Vec<(u64, &str)> =
        jobs.iter().map(|job| (job["status"].as_u64().unwrap(), job["outcome"].as_str().unwrap())).collect();
    let invalid = (422, "invalid");
    assert_eq!(statuses, [(201, "new"), (201, "new"), (200, "existing"), (409, "conflict"), invalid, invalid, invalid]);
    assert_eq!((&jobs[3]["first"], &jobs[3]["platform_no"]), (&json!("B1"), &json!("B2")), "{jobs:?}");
    assert_eq!(jobs[4]["errors"][0]["field"], "body.total_amount", "{jobs:?}");
    assert_eq!(jobs[5]["errors"][0]["field"], "kind", "{jobs:?}");
    world.accepted(transfer("T"));
    world.accepted(split("S", "P1"));
    world.books_agree().await;
}

#[tokio::test]
async fn an_invalid_job_is_refused_with_all_its_wrong_fields() {
    let world = World::start().await;
    let server = world.serve().await;
    let refused = server.submit(&having(with(transfer("T"), "total_amount", json!("ten")), "run_at", json!(7))).await;
    refused.refuses(422, "invalid");
    assert_eq!(refused.wrong_fields(), ["run_at", "body.total_amount"], "{refused:?}");
    let unknown = server.act("/v1/jobs/main/transfer/T/cancel", &json!({"reason": "ordered twice"})).await;
    unknown.refuses(404, "not-found");
    world.books_agree().await;
}
