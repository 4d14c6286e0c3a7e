//! Following jobs over HTTP: waiting for one, and being let go when the server drains.

use std::time::{Duration, Instant};

use bursar_test_support::api::NOT_YET;
use bursar_test_support::events::Events;
use serde_json::json;

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::SOON;

#[tokio::test]
async fn a_wait_ends_with_the_job_or_with_its_time() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T"), transfer("CANCELLED")]).await;
    let began = Instant::now();
    let queued = server.read("/v1/jobs/main/transfer/T?wait=300ms").await;
    assert_eq!(queued["state"], "queued");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    server.get("/v1/jobs/main/transfer/UNKNOWN?wait=30s").await.refuses(404, "not-found");

    let waiting = server.read("/v1/jobs/main/transfer/CANCELLED?wait=30s");
    let cancelling = async {
        tokio::time::sleep(NOT_YET).await;
        let done = server.act("/v1/jobs/main/transfer/CANCELLED/cancel", &json!({"reason": "x"})).await;
        (done.status, Instant::now())
    };
    let (cancelled, (status, at)) = tokio::join!(waiting, cancelling);
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")), "{cancelled}");
    assert!(at.elapsed() < Duration::from_millis(900), "it was woken, not found at the next look: {:?}", at.elapsed());

    let _worker = world.worker().await;
    assert_eq!(server.read("/v1/jobs/main/transfer/T?wait=30s").await["state"], "succeeded");
    world.books_agree().await;
}

#[tokio::test]
async fn open_streams_end_when_the_server_drains() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let mut events = Events::of(&server, "", None).await;
    let waiting = server.read("/v1/jobs/main/transfer/T?wait=60s");
    let ending = async {
        tokio::time::sleep(NOT_YET).await;
        server.process.terminate();
        server.process.finished(SOON).await
    };
    let began = Instant::now();
    let (waited, finished) = tokio::join!(waiting, ending);
    assert_eq!(waited["state"], "queued", "{waited}");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(events.block().await, None, "the stream ends in order");
    world.books_agree().await;
}
