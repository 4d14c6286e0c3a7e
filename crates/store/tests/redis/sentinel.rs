//! Behind Sentinel the store uses only the current primary.

use std::time::{Duration, Instant};

use bursar_domain::State;
use bursar_store::StoreError;
use bursar_test_support::{Sentinels, eventually, unique_prefix};

use crate::scene::{LEASE, SOON, Scene, transfer};

/// A store that follows the sentinels; the looks behind its back are at the replica.
async fn scene(redis: &Sentinels) -> Scene {
    Scene::between(&redis.url(), redis.replica.url(), &unique_prefix()).await
}

/// The same after the promotion, which ends every connection to the replica.
async fn fresh(redis: &Sentinels, before: &Scene) -> Scene {
    Scene::between(&redis.url(), redis.replica.url(), &before.prefix).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_follows_the_primary_and_leaves_the_isolated_one() {
    let redis = Sentinels::start().await;
    let scene = scene(&redis).await;
    scene.submit(&["K1", "K2"]).await;
    assert_eq!(scene.claim("w", 1).await.jobs.len(), 1);
    eventually(SOON, "the replica to have it", async || scene.due("due_queries", "K1").await).await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    redis.primary.kill().unwrap();
    redis.until_promoted().await;
    let promoted = Instant::now();
    assert_eq!(wakeups.next().await, None, "a subscriber there must subscribe again");
    eventually(SOON, "the new primary", async || scene.store.submit(&[transfer("K3")]).await).await;
    let took = promoted.elapsed();
    println!("the first submission after the promotion came {took:?} after it");
    assert!(took < Duration::from_secs(2), "{took:?}");

    // Back, and for some seconds a primary by its own account.
    redis.primary.start_again().unwrap();
    assert_eq!(redis.primary.info("role").await.as_deref(), Some("master"));
    for number in 0..50 {
        scene.submit(&[&format!("L{number}")]).await;
    }
    let fresh = fresh(&redis, &scene).await;
    fresh.submit(&["M1"]).await;
    let commands = redis.primary.command(&["INFO", "commandstats"]).await.unwrap();
    assert!(!commands.contains("cmdstat_evalsha"), "a script was run there: {commands}");
    let kept: u64 = fresh.command(&["ZCARD", &fresh.name("sends")]).await;
    assert_eq!(kept, 53, "all but the one that is claimed are at the new primary");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_claim_on_a_new_primary_reports_an_error_first() {
    let redis = Sentinels::start().await;
    let scene = scene(&redis).await;
    scene.submit(&["K1"]).await;
    eventually(SOON, "the replica to have it", async || scene.due("sends", "K1").await).await;
    redis.primary.kill().unwrap();
    redis.until_promoted().await;
    eventually(SOON, "the new primary", async || scene.store.ping().await).await;
    let wish = scene.wish("w", 1);
    let error = scene.store.claim(&scene.queue, &wish).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { command: "claim", .. }), "{}", error.chain());
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", wish.number).await.unwrap(), 0);
    assert_eq!(scene.claim("w", 1).await.jobs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_primary_is_waited_for_until_a_promotion() {
    let redis = Sentinels::start().await;
    let scene = scene(&redis).await;
    scene.submit(&["K1"]).await;
    let claimed = scene.claim_one("w").await;
    redis.primary.freeze().unwrap();
    let renew = async {
        let leased = [crate::scene::leased_claim(&claimed)];
        let outcome = scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &leased).await;
        (outcome, Instant::now())
    };
    let promoted = async {
        redis.until_promoted().await;
        Instant::now()
    };
    let ((outcome, reported), promoted) = tokio::join!(renew, promoted);
    assert!(matches!(outcome, Err(StoreError::Unreachable { .. })), "{outcome:?}");
    let late = reported.saturating_duration_since(promoted);
    assert!(late < Duration::from_secs(1), "{late:?}");
    redis.primary.thaw().unwrap();
    eventually(SOON, "the new primary", async || scene.store.submit(&[transfer("K2")]).await).await;
    assert_eq!(fresh(&redis, &scene).await.state("K2").await, State::Queued, "at the new primary");
}

#[tokio::test]
async fn dead_sentinels_are_unreachable_and_hide_the_password() {
    let url = "redis+sentinel://:secret@127.0.0.1:1,127.0.0.1:2/payments";
    let settings = bursar_store::Settings { url: url.into(), prefix: "p".into() };
    let error = bursar_store::Store::connect(&settings).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{}", error.chain());
    assert!(!error.chain().contains("secret"), "{}", error.chain());
}
