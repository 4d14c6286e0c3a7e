//! Operators' actions over HTTP: the second operator gets the first one's action.

use serde_json::json;

use crate::jobs::transfer;
use crate::world::World;

#[tokio::test]
async fn of_two_concurrent_cancellations_one_learns_of_the_other() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let cancel = |reason: &'static str| {
        let server = &server;
        async move { server.act("/v1/jobs/main/transfer/T/cancel", &json!({"reason": reason})).await }
    };
    let (one, other) = tokio::join!(cancel("one"), cancel("other"));
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((done.status, &done.body["state"]), (200, &json!("cancelled")), "{done:?}");
    refused.refuses(409, "invalid-state");
    assert_eq!(refused.body["last_action"]["action"], "cancel", "{refused:?}");
    let log = world.job("T").await["history"].clone();
    assert_eq!(log.as_array().map(Vec::len), Some(1), "{log}");
    world.books_agree().await;
}
