//! A claim for one connection is made over no other, because a check made over one connection says nothing about the
//! next.

use bursar_store::Claim;
use bursar_test_support::{Listen, Options, eventually, private_redis};

use crate::scene::{SOON, Scene};

#[tokio::test]
async fn a_claim_on_a_dead_connection_waits_for_the_new_preflight() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let scene = Scene::at(redis.url()).await;
    scene.submit(&["k1"]).await;
    let mut connection_ids = scene.store.connection_ids();
    let looked_at = scene.store.connection_id().await.unwrap();
    assert_eq!(connection_ids.newest(), looked_at);

    let _: u64 = scene.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    let wish = || Claim { over: Some(looked_at), ..scene.wish("w", 5) };
    for _ in 0..3 {
        let claimed = scene.store.claim(&scene.queue, &wish()).await;
        assert!(claimed.is_err(), "{claimed:?}");
        assert!(scene.due("sends", "k1").await.is_some());
    }
    // Other commands make a new connection, and announce it.
    eventually(SOON, "a new connection", async || scene.store.ping().await.map_err(|error| error.chain())).await;
    connection_ids.changed().await;
    assert!(scene.store.claim(&scene.queue, &wish()).await.is_err());
    let newest = scene.store.connection_id().await.unwrap();
    assert_ne!(newest, looked_at);
    assert!(scene.store.preflight_over(looked_at, &crate::preflight::wanted(redis.url(), 0)).await.is_err());
    let claim = Claim { over: Some(newest), ..scene.wish("w", 5) };
    assert_eq!(scene.store.claim(&scene.queue, &claim).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn those_who_wait_for_one_attempt_to_connect_share_its_failure() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let scene = Scene::at(redis.url()).await;
    redis.kill().unwrap();
    let began = std::time::Instant::now();
    let tries = (0..200).map(|_| {
        let store = scene.store.clone();
        tokio::spawn(async move { store.ping().await })
    });
    for tried in tries.collect::<Vec<_>>() {
        assert!(tried.await.unwrap().is_err());
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    redis.start_again().unwrap();
    eventually(SOON, "Redis to answer", async || scene.store.ping().await.map_err(|error| error.chain())).await;
}
