//! Calls a second, shared by all replicas, by Redis time.

use std::time::Duration;

use bursar_domain::Millis;
use bursar_store::Claim;
use bursar_test_support::eventually;

use crate::scene::{LEASE, SOON, Scene};

async fn claim_at(scene: &Scene, worker: &str, rate: f64) -> bursar_store::Claims {
    let wish = Claim { rate_per_second: rate, ..Claim::new(worker, scene.number(), LEASE, 50) };
    scene.store.claim(&scene.lane, &wish).await.unwrap()
}

/// Two workers claim as fast as they can for a while; returns jobs and the time between the first and the last claim.
async fn race(scene: &Scene, rate: f64, duration: Duration) -> (usize, Duration) {
    let began = scene.now().await;
    let (mut jobs, mut last) = (0, began);
    while last < began + duration.as_millis() as u64 {
        let (one, other) = tokio::join!(claim_at(scene, "w1", rate), claim_at(scene, "w2", rate));
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
async fn a_full_bucket_tells_when_to_come_again_and_keeps_it() {
    let scene = Scene::new().await;
    scene.submit_many("k", 5).await;
    let first = claim_at(&scene, "w1", 4.0).await;
    assert_eq!(first.jobs.len(), 1);
    let again = first.next_due.unwrap();
    assert!((249..=251).contains(&(again.0 - first.now.0)), "{again:?} after {:?}", first.now);
    let refused = claim_at(&scene, "w2", 4.0).await;
    assert_eq!((refused.jobs.len(), refused.next_due), (0, Some(again)), "another worker is told the same moment");
    eventually(SOON, "that moment", async || (scene.now().await >= again.0).then_some(())).await;
    assert_eq!(claim_at(&scene, "w2", 4.0).await.jobs.len(), 1);
}

#[tokio::test]
async fn a_lane_without_work_waits_for_nothing_once_the_bucket_is_empty() {
    let scene = Scene::new().await;
    scene.submit_many("k", 1).await;
    let claims = claim_at(&scene, "w", 1_000.0).await;
    assert_eq!(claims.next_due, Some(claims.now.plus(LEASE)), "the lease of the one job");
}

#[tokio::test]
async fn a_clock_set_back_or_a_raised_rate_does_not_stop_the_lane() {
    let scene = Scene::new().await;
    scene.submit_many("k", 5).await;
    let hour_ahead = (scene.now().await + 3_600_000) * 1_000;
    let _: u64 = scene.command(&["HSET", &scene.name("lane"), "tat", &hour_ahead.to_string()]).await;
    assert_eq!(claim_at(&scene, "w", 10.0).await.jobs.len(), 1);
    assert_eq!(claim_at(&scene, "w", 0.01).await.jobs.len(), 0, "one call in 100 seconds");
    assert!(claim_at(&scene, "w", 0.01).await.next_due.unwrap() > Millis(scene.now().await));
    assert_eq!(claim_at(&scene, "w", 0.0).await.jobs.len(), 4, "no limit");
}

#[tokio::test]
async fn jobs_that_could_not_be_claimed_cost_no_calls() {
    let scene = Scene::new().await;
    for ghost in 0..5 {
        let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", &format!("ghost{ghost}")]).await;
    }
    assert_eq!(claim_at(&scene, "w", 100.0).await.orphans.len(), 5);
    scene.submit_many("k", 5).await;
    assert_eq!(claim_at(&scene, "w", 100.0).await.jobs.len(), 5);
}

#[tokio::test]
async fn who_asks_beside_the_workers_takes_its_turns_from_the_same_rate() {
    let scene = Scene::new().await;
    scene.submit_many("k", 200).await;
    let (rate, began) = (50.0, scene.now().await);
    let (mut jobs, mut turns, mut last) = (0, 0_u64, began);
    while last < began + 1_500 {
        // A claim takes all that there is, so each is the first one in every other round.
        turns += u64::from(scene.store.take_turn(&scene.lane, rate).await.unwrap().is_none());
        for _ in 0..2 {
            jobs += claim_at(&scene, "w1", rate).await.jobs.len() as u64;
        }
        turns += u64::from(scene.store.take_turn(&scene.lane, rate).await.unwrap().is_none());
        last = scene.now().await;
    }
    let most = rate * (last + 1 - began) as f64 / 1e3 + 2.5;
    assert!((jobs + turns) as f64 <= most, "{jobs} jobs and {turns} turns, at most {most}");
    assert!(turns > 0 && jobs > 0 && (jobs + turns) as f64 >= most * 0.5, "{jobs} jobs and {turns} turns of {most}");

    let wait = scene.store.take_turn(&scene.lane, 2.0).await.unwrap();
    let waits: Vec<_> = [wait, scene.store.take_turn(&scene.lane, 2.0).await.unwrap()].into_iter().flatten().collect();
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(501)) && !waits.is_empty(), "{waits:?}");
    assert_eq!(scene.store.take_turn(&scene.lane, 0.0).await.unwrap(), None, "no limit");
}
