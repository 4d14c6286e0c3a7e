//! Calls that no claim goes with take their places in the queue's rate.

use std::time::Duration;

use bursar_store::Claim;

use crate::scene::Scene;

async fn claim_at(scene: &Scene, rate: f64) -> usize {
    scene.claim_as(Claim { rate_per_second: rate, ..scene.wish("w", 50) }).await.jobs.len()
}

#[tokio::test]
async fn queries_without_a_claim_take_their_places_from_the_same_rate() {
    let scene = Scene::new().await;
    scene.submit_many("k", 200).await;
    let (rate, began) = (50.0, scene.now().await);
    let (mut jobs, mut tokens, mut last) = (0, 0_u64, began);
    while last < began + 1_500 {
        // A claim takes all that there is, so each is the first one in every other round.
        tokens += u64::from(scene.store.take_rate_token(&scene.lane, rate).await.unwrap().is_none());
        for _ in 0..2 {
            jobs += claim_at(&scene, rate).await as u64;
        }
        tokens += u64::from(scene.store.take_rate_token(&scene.lane, rate).await.unwrap().is_none());
        last = scene.now().await;
    }
    let most = rate * (last + 1 - began) as f64 / 1e3 + 2.5;
    assert!((jobs + tokens) as f64 <= most, "{jobs} jobs and {tokens} tokens, at most {most}");
    assert!(
        tokens > 0 && jobs > 0 && (jobs + tokens) as f64 >= most * 0.5,
        "{jobs} jobs and {tokens} tokens of {most}"
    );
}

#[tokio::test]
async fn a_full_bucket_tells_how_long_to_wait_and_no_limit_is_none() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.take_rate_token(&scene.lane, 2.0).await.unwrap(), None);
    let wait = scene.store.take_rate_token(&scene.lane, 2.0).await.unwrap().unwrap();
    assert!(wait <= Duration::from_millis(501) && wait > Duration::from_millis(1), "{wait:?}");
    assert_eq!(scene.store.take_rate_token(&scene.lane, 0.0).await.unwrap(), None);
    let hour_ahead = ((scene.now().await + 3_600_000) * 1_000).to_string();
    let _: u64 = scene.command(&["HSET", &scene.name("queue"), "rate_arrival", &hour_ahead]).await;
    assert_eq!(scene.store.take_rate_token(&scene.lane, 2.0).await.unwrap(), None, "the clock was set back");
}
