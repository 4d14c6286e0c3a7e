//! Neither sends nor queries may starve the other, however many wait.

use bursar_domain::{Call, State};
use bursar_store::Claimed;
use bursar_test_support::{Fsync, Options, private_redis};

use crate::cost::{commands, since};
use crate::scene::Scene;

/// A record that is due to be queried, or to be sent again.
const PENDING: &str = r#"{"v":2,"state":"pending","created_at":1,"sha256":"AA","content":{}}"#;

/// Jobs that wait to be queried, put there without the long way.
async fn pending(scene: &Scene, count: usize) {
    put(scene, "due_queries", "p", count).await;
}

/// So many jobs in this set, the first of them due first.
async fn put(scene: &Scene, set: &str, prefix: &str, count: usize) {
    let script = redis::Script::new(
        "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do local key = ARGV[3] .. string.format('%06d', i)
           redis.call('SET', KEYS[1] .. key, ARGV[4])
           redis.call('ZADD', KEYS[2], i, key) end",
    );
    for first in (1..=count).step_by(1_000) {
        let last = (first + 999).min(count);
        let mut call = script.key(scene.job_name(""));
        call.key(scene.name(set)).arg(first).arg(last).arg(prefix).arg(PENDING);
        call.invoke_async::<()>(&mut scene.raw()).await.unwrap();
    }
}

fn sends(claimed: &Claimed) -> usize {
    claimed.jobs.iter().filter(|job| job.call == Call::Send).count()
}

#[tokio::test]
async fn sends_and_queries_share_the_slots_by_halves() {
    for (queued, queries, slots, expected_sends) in
        [(10, 10, 8, 4), (10, 10, 7, 4), (10, 1, 8, 7), (1, 10, 8, 1), (10, 0, 8, 8), (0, 10, 8, 0), (3, 2, 8, 3)]
    {
        let scene = Scene::new().await;
        scene.submit_many("k", queued).await;
        pending(&scene, queries).await;
        let claimed = scene.claim("w", slots).await;
        assert_eq!(claimed.jobs.len(), slots.min(queued + queries));
        assert_eq!(sends(&claimed), expected_sends, "{queued} to send, {queries} to query, {slots} slots");
    }
}

#[tokio::test]
async fn one_slot_goes_to_sends_and_queries_by_turns() {
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
    let expected: Vec<Call> = (0..12).map(|number| if number % 2 == 0 { Call::Send } else { Call::Query }).collect();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_hundred_thousand_queries_do_not_delay_a_send() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.claim("w", 1).await;
    let mut costs = Vec::new();
    for queries in [10_usize, 100_000] {
        let _: u64 = scene.command(&["DEL", &scene.name("claims")]).await; // the same jobs, without claims
        pending(&scene, queries).await;
        scene.submit_many(&format!("k{queries}-"), 4).await;
        let before = commands(&scene).await;
        let claimed = scene.claim("w", 8).await;
        costs.push(since(&scene, &before).await);
        assert_eq!((claimed.jobs.len(), sends(&claimed)), (8, 4));
    }
    assert_eq!(costs[0], costs[1], "commands executed for the same claim");
}

#[tokio::test]
async fn a_long_queue_does_not_keep_jobs_from_being_queried() {
    let scene = Scene::new().await;
    scene.submit_many("k", 2_000).await;
    pending(&scene, 20).await;
    let mut queried = 0;
    for _ in 0..5 {
        let claimed = scene.claim("w", 8).await;
        queried += claimed.jobs.len() - sends(&claimed);
    }
    assert_eq!(queried, 20);
    assert_eq!(scene.state("k000000").await, State::InDoubt);
}

/// The time that Redis spent in scripts so far, in microseconds.
async fn script_time(scene: &Scene) -> u64 {
    let info: String = scene.command(&["INFO", "commandstats"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:")).unwrap();
    line.split(',').find_map(|pair| pair.strip_prefix("usec=")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_million_due_jobs_drain_as_steadily_as_a_thousand() {
    const CLAIMS: usize = 20;
    const SLOTS: usize = 50;
    let redis = private_redis(|options| Options { fsync: Fsync::EverySecond, ..options });
    // Only the first ones are ever read; the rest of the million needs no record.
    let backlog = redis::Script::new(
        "local members = {}
         for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
           members[#members + 1] = i + 1000000
           members[#members + 1] = string.format('z%07d', i)
         end
         redis.call('ZADD', KEYS[1], unpack(members))
         for at = 2, #members, 2 do members[at] = 'y' .. members[at] end
         redis.call('ZADD', KEYS[2], unpack(members))",
    );
    let mut costs = Vec::new();
    for due in [1_000_usize, 500_000] {
        let scene = Scene::at(redis.url()).await;
        scene.claim("warm", 1).await;
        for first in (1..=due).step_by(1_000) {
            let mut call = backlog.key(scene.name("due_queries"));
            call.key(scene.name("due_sends")).arg(first).arg(first + 999);
            call.invoke_async::<()>(&mut scene.raw()).await.unwrap();
        }
        for (set, prefix) in [("due_queries", "q"), ("due_sends", "s")] {
            put(&scene, set, &format!("{prefix}{due}-"), CLAIMS * SLOTS / 2).await;
        }
        let (before, before_us) = (commands(&scene).await, script_time(&scene).await);
        let mut jobs = 0;
        for _ in 0..CLAIMS {
            let claimed = scene.claim("w", SLOTS).await;
            assert_eq!(sends(&claimed) * 2, claimed.jobs.len(), "half are sends");
            jobs += claimed.jobs.len();
        }
        assert_eq!(jobs, CLAIMS * SLOTS, "every claim is full, to the last one");
        let took_us = script_time(&scene).await - before_us;
        println!("with {} due: {} µs a claim of {SLOTS}", due * 2, took_us / CLAIMS as u64);
        costs.push((since(&scene, &before).await, took_us));
    }
    let more = costs[1].0.saturating_sub(costs[0].0);
    assert!(more <= 5 * CLAIMS as u64, "what is due gets its rank, 512 at a time: {costs:?}");
    assert!(costs[1].1 < costs[0].1 * 8, "time in the scripts, in microseconds: {costs:?}");
}
