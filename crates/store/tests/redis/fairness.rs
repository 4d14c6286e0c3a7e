//! Neither sends nor asks may starve the other, however many wait.

use bursar_domain::{Call, State};
use bursar_test_support::{Fsync, Options, private_redis};

use crate::cost::Commands;
use crate::scene::Scene;

/// Jobs that wait to be asked about, put there without the long way.
async fn pending(scene: &Scene, count: usize) {
    let script = redis::Script::new(
        "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do local key = string.format('p%06d', i)
           redis.call('HSET', KEYS[1] .. 'job:' .. key, 's', 'pending', 'm', '1 1 1 1 1', '1', '{}')
           redis.call('ZADD', KEYS[1] .. 'to_ask', i, key) end",
    );
    for first in (1..=count).step_by(1_000) {
        let last = (first + 999).min(count);
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
        let _: u64 = scene.command(&["DEL", &scene.name("held")]).await; // the same jobs, held by nobody
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

/// The time that Redis spent in scripts so far, in microseconds, and in how many calls.
async fn script_time(scene: &Scene) -> (u64, u64) {
    let info: String = scene.command(&["INFO", "commandstats"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:")).unwrap();
    let number = |name: &str| {
        let after = line.split(',').find_map(|pair| pair.strip_prefix(name)).unwrap();
        after.parse::<u64>().unwrap()
    };
    (number("usec="), number("calls="))
}

#[tokio::test]
async fn a_million_due_jobs_after_an_outage_drain_as_steadily_as_a_thousand() {
    const CLAIMS: u64 = 20;
    const SLOTS: u64 = 50;
    let redis = private_redis(|options| Options { fsync: Fsync::EverySecond, ..options });
    let scene = Scene::at(redis.url()).await;
    // Only those that come first are ever looked at; the rest of the million needs no record.
    let backlog = redis::Script::new(
        "local members = {}
         for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
           members[#members + 1] = i + 1000000
           members[#members + 1] = string.format('z%07d', i)
         end
         redis.call('ZADD', KEYS[1] .. 'to_ask', unpack(members))
         for at = 2, #members, 2 do members[at] = 'y' .. members[at] end
         redis.call('ZADD', KEYS[1] .. 'to_send', unpack(members))",
    );
    let mut costs = Vec::new();
    for due in [1_000_u64, 500_000] {
        for first in (1..=due).step_by(1_000) {
            let mut call = backlog.key(scene.name(""));
            call.arg(first).arg(first + 999).invoke_async::<()>(&mut scene.raw.clone()).await.unwrap();
        }
        let first = costs.len() as u64 * 1_000_000;
        for set in ["to_ask", "to_send"] {
            let records = redis::Script::new(
                "for i = 1, tonumber(ARGV[2]) do local key = ARGV[1] .. string.format('%04d', i)
                   redis.call('HSET', KEYS[1] .. 'job:' .. key, 's', 'pending', 'm', '1 1 1 1 1', '1', '{}')
                   redis.call('ZADD', KEYS[1] .. ARGV[3], i, key) end",
            );
            let mut call = records.key(scene.name(""));
            let call = call.arg(format!("{set}{first}-")).arg(CLAIMS * SLOTS / 2).arg(set);
            call.invoke_async::<()>(&mut scene.raw.clone()).await.unwrap();
        }
        let (commands, (before_us, _)) = (Commands::of(&scene).await, script_time(&scene).await);
        let mut jobs = 0;
        for _ in 0..CLAIMS {
            let claims = scene.claim("w", SLOTS as usize).await;
            assert_eq!(sends(&claims) * 2, claims.jobs.len(), "half are sends");
            jobs += claims.jobs.len() as u64;
        }
        assert_eq!(jobs, CLAIMS * SLOTS, "every claim is full, to the last one");
        let took_us = script_time(&scene).await.0 - before_us;
        println!("with {} due: {} µs a claim of {SLOTS}", due * 2, took_us / CLAIMS);
        costs.push((commands.until_now(&scene).await.total(), took_us));
    }
    assert_eq!(costs[0].0, costs[1].0, "commands executed for as many claims");
    assert!(costs[1].1 < costs[0].1 * 5, "time in the scripts, in microseconds: {costs:?}");
}
