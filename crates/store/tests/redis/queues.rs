//! The known queues, the workers that serve them, and the gateway of their jobs.

use bursar_store::Claim;
use bursar_test_support::redis;

use crate::scene::{OPERATOR, Scene, transfer};

#[tokio::test]
async fn a_queue_is_known_from_its_first_job_and_served_on_report() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.known_queues().await.unwrap(), []);
    scene.submit(&["k1"]).await;
    let known = scene.store.known_queues().await.unwrap();
    assert_eq!((known[0].queue.clone(), known[0].served, known[0].is_served), (scene.queue.clone(), None, false));
    scene.store.serves(std::slice::from_ref(&scene.queue)).await.unwrap();
    assert!(scene.store.known_queues().await.unwrap()[0].is_served);
    let long_ago = (scene.now().await - 61_000).to_string();
    let queues = format!("{}:queues", scene.prefix);
    let _: u64 = scene.command(&["ZADD", &queues, &long_ago, "main/transfer"]).await;
    assert!(!scene.store.known_queues().await.unwrap()[0].is_served);
    // A submission does not make it one that is served, or not served.
    let url = &redis().await.url;
    let other = Scene::between(url, url, &scene.prefix).await;
    other.accept(&[transfer("k2")]).await;
    assert!(scene.store.known_queues().await.unwrap()[0].served.is_some());
}

#[tokio::test]
async fn a_queue_is_bound_to_its_first_workers_gateway() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claim = async |gateway: &str| {
        let claimed = scene.claim_as(Claim { gateway, ..scene.wish("w", 1) }).await;
        (claimed.jobs.len(), claimed.other_gateway, claimed.fence)
    };
    scene.claim_as(Claim { gateway: "production", slots: 0, ..scene.wish("w", 1) }).await;
    assert_eq!(scene.store.gateway(&scene.queue).await.unwrap().as_deref(), Some("production"));
    assert_eq!(claim("staging").await, (0, true, 0));
    assert_eq!(scene.sets("k1").await, ["sends"]);
    assert!(!scene.store.set_gateway(&scene.queue, Some("other"), "staging", OPERATOR).await.unwrap());
    assert!(scene.store.set_gateway(&scene.queue, Some("production"), "moved", OPERATOR).await.unwrap());
    assert_eq!(claim("production").await, (0, true, 0));
    assert_eq!(claim("moved").await, (1, false, 1));
}
