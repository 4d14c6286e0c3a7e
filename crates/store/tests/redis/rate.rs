//! Calls that no claim goes with take their places in the queue's rate.

use std::time::Duration;

use bursar_store::Claim;

use bursar_test_support::eventually;

use crate::scene::{LEASE, SOON, Scene};

async fn claim_at(scene: &Scene, rate: f64) -> usize {
    scene.claim_as(Claim { rate_per_second: rate, ..scene.wish("w", 50) }).await.jobs.len()
}

#[tokio::test]
async fn a_query_outside_the_workers_takes_from_the_same_rate() {
    let scene = Scene::new().await;
    scene.submit_many("k", 200).await;
    let (rate, began) = (50.0, scene.now().await);
    let (mut jobs, mut tokens, mut last) = (0, 0_u64, began);
    while last < began + 1_500 {
        // A claim takes all that there is, so each is the first one in every other round.
        tokens += u64::from(scene.store.take_rate_token(&scene.queue, rate).await.unwrap().is_none());
        for _ in 0..2 {
            jobs += claim_at(&scene, rate).await as u64;
        }
        tokens += u64::from(scene.store.take_rate_token(&scene.queue, rate).await.unwrap().is_none());
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
async fn a_full_bucket_returns_its_wait_and_no_limit_none() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.take_rate_token(&scene.queue, 2.0).await.unwrap(), None);
    let wait = scene.store.take_rate_token(&scene.queue, 2.0).await.unwrap().unwrap();
    assert!(wait <= Duration::from_millis(501) && wait > Duration::from_millis(1), "{wait:?}");
    assert_eq!(scene.store.take_rate_token(&scene.queue, 0.0).await.unwrap(), None);
    let hour_ahead = ((scene.now().await + 3_600_000) * 1_000).to_string();
    let _: u64 = scene.command(&["HSET", &scene.name("queue"), "rate_arrival", &hour_ahead]).await;
    assert_eq!(scene.store.take_rate_token(&scene.queue, 2.0).await.unwrap(), None, "the clock was set back");
}

/// Two workers claim as fast as they can for a while; returns jobs and the time between the first and the last claim.
async fn race(scene: &Scene, rate: f64, duration: Duration) -> (usize, Duration) {
    let began = scene.now().await;
    let (mut jobs, mut last) = (0, began);
    while last < began + duration.as_millis() as u64 {
        let wish = |worker| Claim { rate_per_second: rate, ..scene.wish(worker, 50) };
        let (one, other) = tokio::join!(scene.claim_as(wish("w1")), scene.claim_as(wish("w2")));
        jobs += one.jobs.len() + other.jobs.len();
        last = one.now.max(other.now).0;
    }
    (jobs, Duration::from_millis(last + 1 - began))
}

#[tokio::test]
async fn two_workers_together_never_exceed_the_rate_and_use_it_up() {
    for (rate, burst) in [(200.0, 10.0), (15.0, 1.0), (3.0, 1.0)] {
        let scene = Scene::new().await;
        scene.submit_many("k", 500).await;
        let (jobs, took) = race(&scene, rate, Duration::from_millis(1_500)).await;
        let most = rate * took.as_secs_f64() + burst;
        assert!(jobs as f64 <= most, "{jobs} in {took:?} at {rate} a second, at most {most}");
        assert!(jobs as f64 >= most * 0.5 - burst, "{jobs} in {took:?} at {rate} a second: the rate is not used");
    }
}

#[tokio::test]
async fn a_full_bucket_gives_every_worker_the_same_moment() {
    let scene = Scene::new().await;
    scene.submit_many("k", 5).await;
    let claim = async |worker| scene.claim_as(Claim { rate_per_second: 4.0, ..scene.wish(worker, 50) }).await;
    let first = claim("w1").await;
    assert_eq!(first.jobs.len(), 1);
    let again = first.next_due.unwrap();
    assert!((249..=251).contains(&(again.0 - first.now.0)), "{again:?} after {:?}", first.now);
    let refused = claim("w2").await;
    assert_eq!((refused.jobs.len(), refused.next_due), (0, Some(again)), "another worker gets the same moment");
    eventually(SOON, "that moment", async || (scene.now().await >= again.0).then_some(())).await;
    assert_eq!(claim("w2").await.jobs.len(), 1);
}

#[tokio::test]
async fn an_idle_queue_does_not_wait_for_the_bucket() {
    let scene = Scene::new().await;
    scene.submit_many("k", 1).await;
    let claimed = scene.claim_as(Claim { rate_per_second: 1_000.0, ..scene.wish("w", 50) }).await;
    assert_eq!(claimed.next_due, Some(claimed.now.plus(LEASE)), "the lease of the one job");
}

#[tokio::test]
async fn a_clock_set_back_or_a_raised_rate_does_not_stop_the_queue() {
    let scene = Scene::new().await;
    scene.submit_many("k", 5).await;
    let hour_ahead = (scene.now().await + 3_600_000) * 1_000;
    let _: u64 = scene.command(&["HSET", &scene.name("queue"), "rate_arrival", &hour_ahead.to_string()]).await;
    assert_eq!(claim_at(&scene, 10.0).await, 1);
    assert_eq!(claim_at(&scene, 0.01).await, 0, "one call in 100 seconds");
    let slow = scene.claim_as(Claim { rate_per_second: 0.01, ..scene.wish("w", 50) }).await;
    assert!(slow.next_due.unwrap() > slow.now);
    assert_eq!(claim_at(&scene, 0.0).await, 4, "no limit");
}

#[tokio::test]
async fn a_claim_without_a_slot_takes_no_rate_and_reads_no_jobs() {
    let scene = Scene::new().await;
    scene.submit_many("k", 5).await;
    for _ in 0..3 {
        let none = scene.claim_as(Claim { rate_per_second: 4.0, ..scene.wish("w", 0) }).await;
        assert!(none.jobs.is_empty() && none.next_due <= Some(none.now), "{none:?}");
    }
    assert_eq!(claim_at(&scene, 4.0).await, 1);
}
