//! Redis behind Sentinel: the primary dies with writes that its replica does not have, and the replica is promoted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bursar_test_support::{OwnRedis, Process, Sentinels, eventually, unique_prefix};
use serde_json::Value;

use crate::import::example;
use crate::jobs;
use crate::plan::Plan;
use crate::world::{SOON, World};

/// The time from the promotion to the next payment: the sentinels' decision, the wait for workers that know of lost
/// writes, the first claim, and the delays of a busy machine.
const RESUMED: Duration = Duration::from_secs(3);

/// Two workers in the middle of many slow jobs.
async fn under_load(redis: &Sentinels, plan: Plan) -> (World, [Process; 2]) {
    let world = plan.on_redis(&redis.url()).simulate(&["--latency", "100ms"]).start().await;
    let workers = [world.worker().await, world.worker().await];
    world.submit_new(&jobs::transfers("LOAD", 150)).await;
    executed(&world, 20).await;
    (world, workers)
}

async fn executed(world: &World, at_least: u64) -> u64 {
    eventually(SOON, &format!("{at_least} executions"), async || {
        let executed = world.ledger().await.executed;
        if executed >= at_least { Ok(executed) } else { Err(executed) }
    })
    .await
}

/// The replica misses what the next payments write, then the primary dies with it. Returns when the replica is promoted.
async fn fail_over(redis: &Sentinels, world: &World) -> Instant {
    redis.hold_replica_back();
    let before = world.ledger().await.executed;
    executed(world, before + 20).await;
    redis.lose_delayed_writes();
    redis.primary.kill().unwrap();
    redis.until_promoted().await;
    Instant::now()
}

/// The old primary is back and takes itself for the primary; no process of ours uses it.
async fn is_left_alone(redis: &Sentinels) {
    let commands = redis.primary.command(&["INFO", "commandstats"]).await.unwrap();
    assert!(!commands.contains("cmdstat_evalsha"), "a script was run on the deposed primary: {commands}");
}

#[tokio::test]
async fn workers_resume_at_the_new_primary_and_nothing_is_repeated() {
    let redis = Sentinels::start().await;
    let (world, workers) = under_load(&redis, Plan::new()).await;
    let promoted = fail_over(&redis, &world).await;
    let before = world.ledger().await.executed;
    executed(&world, before + 1).await;
    let took = promoted.elapsed();
    println!("the first payment after the promotion came {took:?} after it");
    assert!(took < RESUMED, "{took:?}");

    redis.primary.start_again().unwrap();
    world.submit_new(&jobs::transfers("AFTER", 20)).await;
    for job in world.settled().await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    let ledger = world.ledger().await;
    assert_eq!(ledger.executed, 170);
    assert!(ledger.violations.is_empty(), "{:?}", ledger.violations);
    for (key, record) in &ledger.keys {
        assert_eq!(record.executions, 1, "{key}"); // sent more often than is on record here, for some intents were lost
    }
    is_left_alone(&redis).await;
    for worker in &workers {
        assert!(worker.is_running(), "a worker ended: {}", worker.stderr());
    }
    let output = workers.iter().map(Process::stderr).collect::<String>();
    assert!(output.contains("Redis has lost writes"), "the loss is in the log: {output}");
}

#[tokio::test]
async fn after_lost_writes_an_account_that_holds_sends_nothing_twice() {
    let redis = Sentinels::start().await;
    let plan = Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"]);
    let (world, _workers) = under_load(&redis, plan).await;
    fail_over(&redis, &world).await;
    eventually(SOON, "the queue to be paused", async || {
        let queues = world.ok(&["queues", "--json"]).await;
        if queues.contains("queue_lost_writes") { Ok(()) } else { Err(queues) }
    })
    .await;
    // Whatever was in a worker's hands is over by then, for no call takes longer.
    world.until_all("every send to be over", |job| job["state"] != "in_doubt" || job["due_at"].is_string()).await;
    for (key, record) in &world.ledger().await.keys {
        assert_eq!((record.executions, record.requests), (1, 1), "{key}");
    }
    // A job that moves on while a list is read may be listed twice.
    let listed = world.list().await;
    let known: BTreeSet<&str> = listed.iter().filter_map(|job| job["platform_no"].as_str()).collect();
    assert_eq!(known.len(), 150, "and every accepted job is known");
}

#[tokio::test]
async fn a_replicated_submission_survives_and_pauses_no_queue() {
    let redis = Sentinels::start().await;
    let plan = Plan::new()
        .both("on_ambiguous", "hold")
        .set("redis.durability", "replicated")
        .set("redis.replicas", 1)
        .simulate(&["--ignore-keys"]);
    let world = plan.on_redis(&redis.url()).simulate(&["--latency", "50ms"]).start().await;
    let worker = world.worker().await;
    world.submit_new(&jobs::transfers("KEPT", 40)).await;
    executed(&world, 5).await;
    redis.hold_replica_back();
    // Nothing more can be kept, so nothing more is accepted, and no further send leaves.
    let file = world.file(jobs::transfer("LATE").to_string()).display().to_string();
    let refused = world.run(&["submit", &file]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    redis.lose_delayed_writes();
    redis.primary.kill().unwrap();
    redis.until_promoted().await;
    redis.primary.start_again().unwrap(); // it becomes the replica that the configuration requires

    let late = jobs::transfer("LATE");
    eventually(SOON, "the new primary to have a replica", async || {
        let submitted = world.run(&["submit", &file]).await;
        if submitted.code == Some(0) { Ok(()) } else { Err(submitted) }
    })
    .await;
    world.accepted(late);
    let settled = world.settled().await;
    assert_eq!(settled.len(), 41, "every acknowledged job is known");
    let ended = |state: &str| settled.iter().filter(|job: &&Value| job["state"] == state).count();
    assert_eq!(ended("succeeded") + ended("needs_review"), 41, "{settled:?}");
    world.books_agree().await;
    assert!(!worker.stderr().contains("Redis has lost writes"), "{}", worker.stderr());
}

/// The number of tasks in `queue` of one server; `None` when it does not answer.
async fn waiting(server: &OwnRedis, queue: &str) -> Option<usize> {
    server
        .command(&["EVAL", "return tostring(redis.call('ZCARD', KEYS[1]))", "1", &format!("{queue}:scheduled")])
        .await
        .ok()?
        .parse()
        .ok()
}

async fn until_waiting(server: &OwnRedis, queue: &str, fits: impl Fn(usize) -> bool) {
    eventually(SOON * 2, "the queue to be as it is waited for", async || {
        let waiting = waiting(server, queue).await;
        if waiting.is_some_and(&fits) { Ok(()) } else { Err(waiting) }
    })
    .await;
}

/// Payments that are pushed before the replica is delayed and drained, and after the workers were stopped.
const DRAINED: usize = 200;
const PUSHED_BACK: usize = 500;

/// Payments are pushed by stock apalis-redis, and the primary dies when they are drained, submitted, and sent in part. Its replica
/// knows all of that of the first, and of the others only that they were pushed.
async fn fail_over_while_it_drains(redis: &Sentinels, queue: &str, plan: Plan) -> (World, [Process; 2]) {
    let plan = plan.set("import.queues", vec![queue.to_owned()]).set("worker.concurrency", 32);
    let world = plan.on_redis(&redis.url()).start().await;
    let first = world.worker().await;
    example::push(redis.primary.url(), queue, "FIRST", DRAINED).await.unwrap();
    let all = u64::try_from(DRAINED).unwrap();
    executed(&world, all).await;
    until_waiting(&redis.replica, queue, |waiting| waiting == 0).await;
    first.terminate();
    first.finished(SOON).await;
    example::push(redis.primary.url(), queue, "SECOND", PUSHED_BACK).await.unwrap();
    until_waiting(&redis.replica, queue, |waiting| waiting == PUSHED_BACK).await;
    redis.hold_replica_back();
    let workers = [world.worker().await, world.worker().await];
    until_waiting(&redis.primary, queue, |waiting| waiting == 0).await;
    executed(&world, all + 20).await;
    redis.lose_delayed_writes();
    redis.primary.kill().unwrap();
    redis.until_promoted().await;
    (world, workers)
}

#[tokio::test]
async fn pushed_jobs_drain_once_through_lost_writes() {
    let redis = Sentinels::start().await;
    let queue = unique_prefix();
    let (world, workers) = fail_over_while_it_drains(&redis, &queue, Plan::new()).await;
    redis.primary.start_again().unwrap(); // for some seconds a primary by its own account
    example::push(redis.replica.url(), &queue, "AFTER", 50).await.unwrap();
    for (prefix, count) in [("FIRST", DRAINED), ("SECOND", PUSHED_BACK), ("AFTER", 50)] {
        for number in 1..=count {
            let job = example::payment(&format!("{prefix}-{number:05}"));
            world.accepted(serde_json::to_value(job).unwrap());
        }
    }
    until_waiting(&redis.replica, &queue, |waiting| waiting == 0).await;
    for job in world.settled().await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    let ledger = world.ledger().await;
    assert_eq!(ledger.keys.len(), DRAINED + PUSHED_BACK + 50);
    assert!(ledger.violations.is_empty(), "{:?}", ledger.violations);
    for (key, record) in &ledger.keys {
        assert_eq!(record.executions, 1, "{key}"); // sent more often than is on record here, for some intents were lost
    }
    let listed = world.ok(&["import", "list", "--json"]).await;
    assert_eq!(listed, "", "there is no dead letter");
    is_left_alone(&redis).await;
    for worker in &workers {
        assert!(worker.is_running(), "a worker ended: {}", worker.stderr());
    }
}

#[tokio::test]
async fn a_push_restored_by_a_failover_is_sent_once_under_hold() {
    let redis = Sentinels::start().await;
    let queue = unique_prefix();
    let plan = Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"]);
    let (world, _workers) = fail_over_while_it_drains(&redis, &queue, plan).await;
    eventually(SOON, "the queue to be paused", async || {
        let queues = world.ok(&["queues", "--json"]).await;
        if queues.contains("queue_lost_writes") { Ok(()) } else { Err(queues) }
    })
    .await;
    until_waiting(&redis.replica, &queue, |waiting| waiting == 0).await;
    eventually(SOON, "every job to be known, and none to be in a worker's hands", async || {
        let listed = world.list().await;
        let claimed = listed.iter().filter(|job| job["state"] == "in_doubt" && !job["due_at"].is_string()).count();
        let known: BTreeSet<&str> = listed.iter().filter_map(|job| job["platform_no"].as_str()).collect();
        if (known.len(), claimed) == (DRAINED + PUSHED_BACK, 0) { Ok(()) } else { Err((known.len(), claimed)) }
    })
    .await;
    for (key, record) in &world.ledger().await.keys {
        assert_eq!((record.executions, record.requests), (1, 1), "{key}");
    }
}
