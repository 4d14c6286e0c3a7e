//! Neither sends nor asks may starve the other, however many wait.

use bursar_domain::{Call, State};
use bursar_test_support::private_redis;

use crate::cost::Commands;
use crate::scene::Scene;

/// Jobs that wait to be asked about, put there without the long way.
async fn pending(scene: &Scene, count: usize) {
    let script = redis::Script::new(
        "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do local key = string.format('p%06d', i)
           redis.call('HSET', KEYS[1] .. 'job:' .. key, 's', 'pending', 'c', 1, 'f', 1, 'n', 1, 'ts', 1, '1', '{}')
           redis.call('ZADD', KEYS[1] .. 'to_ask', i, key) end",
    );
    for first in (1..=count).step_by(5_000) {
        let last = (first + 4_999).min(count);
        script.key(scene.name("")).arg(first).arg(last).invoke_async::<()>(&mut scene.raw.clone()).await.unwrap();
    }
}

fn sends(claims: &bursar_store::Claims) -> usize {
    claims.jobs.iter().filter(|job| job.call == Call::Send).count()
}

#[tokio::test]
async fn each_has_half_of_the_room_and_what_it_leaves_goes_to_the_other() {
    for (queued, asks, slots, expected_sends) in
        [(10, 10, 8, 4), (10, 10, 7, 4), (10, 1, 8, 7), (1, 10, 8, 1), (10, 0, 8, 8), (0, 10, 8, 0), (3, 2, 8, 3)]
    {
        let scene = Scene::new().await;
        scene.submit_many("k", queued).await;
        pending(&scene, asks).await;
        let claims = scene.claim("w", slots).await;
        assert_eq!(claims.jobs.len(), slots.min(queued + asks));
        assert_eq!(sends(&claims), expected_sends, "{queued} to send, {asks} to ask, {slots} slots");
    }
}

#[tokio::test]
async fn one_slot_goes_to_sends_and_asks_by_turns() {
    let scene = Scene::new().await;
    scene.submit_many("k", 6).await;
    pending(&scene, 6).await;
    let mut calls = Vec::new();
    for number in 0..12 {
        // Other workers, and claims that find no slot, must not disturb the turns.
        let worker = if number % 3 == 0 { "w1" } else { "w2" };
        assert!(scene.claim(worker, 0).await.jobs.is_empty());
        calls.push(scene.claim_one(worker).await.call);
    }
    let expected: Vec<Call> = (0..12).map(|number| if number % 2 == 0 { Call::Send } else { Call::Ask }).collect();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_hundred_thousand_pending_asks_neither_starve_nor_burden_a_send() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let mut costs = Vec::new();
    for asks in [10_usize, 100_000] {
        pending(&scene, asks).await;
        scene.submit_many(&format!("k{asks}-"), 4).await;
        let before = Commands::of(&scene).await;
        let claims = scene.claim("w", 8).await;
        costs.push(before.until_now(&scene).await.total());
        assert_eq!((claims.jobs.len(), sends(&claims)), (8, 4));
    }
    assert_eq!(costs[0], costs[1], "commands executed for the same claim");
}

#[tokio::test]
async fn a_long_queue_does_not_keep_jobs_from_being_asked_about() {
    let scene = Scene::new().await;
    scene.submit_many("k", 2_000).await;
    pending(&scene, 20).await;
    let mut asked = 0;
    for _ in 0..5 {
        let claims = scene.claim("w", 8).await;
        asked += claims.jobs.len() - sends(&claims);
    }
    assert_eq!(asked, 20);
    assert_eq!(scene.state("k000000").await, State::InDoubt);
}
