//! Requests that wait for a job are bounded for each token, and others are answered meanwhile.

use std::time::Duration;

use bursar_test_support::api::{NOT_YET, answer};
use bursar_test_support::{SOON, eventually};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::jobs::transfer;
use crate::world::World;

/// Requests of one token that may wait at once.
const WAITS: usize = 128;

#[tokio::test]
async fn one_tokens_waits_are_bounded_and_take_nothing_from_others() {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let path = "/v1/jobs/main/transfer/T?wait=60s";
    let mut waits = JoinSet::new();
    for _ in 0..WAITS + 20 {
        waits.spawn(answer(server.request("GET", path, &server.tokens.reader)));
    }
    for _ in 0..20 {
        let refused = timeout(SOON, waits.join_next()).await.expect("a refusal in time").unwrap().unwrap();
        refused.refuses(429, "rate-limited");
        assert_eq!(refused.header("retry-after"), "1", "{refused:?}");
    }
    assert!(timeout(NOT_YET, waits.join_next()).await.is_err(), "the others wait");
    // The same token reads without waiting, and another token waits.
    assert_eq!(server.get("/v1/jobs/main/transfer/T").await.status, 200);
    let other = answer(server.request("GET", "/v1/jobs/main/transfer/T?wait=1ms", &server.tokens.producer)).await;
    assert_eq!(other.status, 200, "{other:?}");
    let done = server.act("/v1/jobs/main/transfer/T/cancel", &json!({"reason": "x"})).await;
    assert_eq!(done.status, 200, "{done:?}");
    while let Some(waited) = timeout(SOON, waits.join_next()).await.expect("the news in time") {
        assert_eq!(waited.unwrap().body["state"], "cancelled");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_client_that_leaves_makes_room_for_another_wait() {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let path = "/v1/jobs/main/transfer/T?wait=60s";
    let mut waits = JoinSet::new();
    for _ in 0..WAITS {
        waits.spawn(answer(server.request("GET", path, &server.tokens.reader)));
    }
    let wait = async || {
        let request = server.request("GET", "/v1/jobs/main/transfer/T?wait=1ms", &server.tokens.reader);
        answer(request.timeout(Duration::from_secs(5))).await.status
    };
    eventually(SOON, "all places to wait to be taken", async || if wait().await == 429 { Ok(()) } else { Err(()) })
        .await;
    waits.abort_all();
    eventually(SOON, "room for another", async || if wait().await == 200 { Ok(()) } else { Err(()) }).await;
    world.books_agree().await;
}
