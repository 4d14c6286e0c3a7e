//! Submitting and following jobs over HTTP, as a producer in any language does.

use serde_json::json;

use crate::jobs::{transfer, with};
use crate::plan::Plan;

#[tokio::test]
async fn a_job_is_submitted_over_http_and_followed_to_its_end() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let new = server.submit(&transfer("T")).await;
    assert_eq!((new.status, new.header("location")), (201, "/v1/jobs/main/transfer/T"), "{new:?}");
    let expected = json!({"outcome": "new", "account": "main", "kind": "transfer", "platform_no": "T", "state": "queued", "durability": "fast"});
    assert_eq!(new.body, expected);
    world.accepted(transfer("T"));

    let existing = server.submit(&transfer("T")).await;
    assert_eq!(
        (existing.status, &existing.body["outcome"], &existing.body["state"]),
        (200, &json!("existing"), &json!("queued")),
        "{existing:?}"
    );
    let conflict = server.submit(&with(transfer("T"), "total_amount", json!(11))).await;
    conflict.refuses(409, "key-conflict");
    assert_eq!(conflict.body["first"], "T", "{conflict:?}");

    let _worker = world.worker().await;
    let ended = server.read("/v1/jobs/main/transfer/T?wait=30s").await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let mut shown = world.job("T").await;
    shown.as_object_mut().unwrap().remove("history");
    assert_eq!(ended, shown, "the API and the command line show the same");
    world.books_agree().await;
}

#[tokio::test]
async fn everything_runs_in_one_process_by_up() {
    let world = Plan::new().start().await;
    let server = world.serve_as("up").await;
    assert_eq!(server.submit(&transfer("T")).await.status, 201);
    world.accepted(transfer("T"));
    assert_eq!(server.read("/v1/jobs/main/transfer/T?wait=30s").await["state"], "succeeded");
    server.process.terminate();
    let finished = server.process.finished(crate::world::SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    world.books_agree().await;
}
