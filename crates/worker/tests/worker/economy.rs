//! The worker's cost for Redis: counted, not timed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Act, Scripted, World, keys};
use bursar_domain::Outcome;
use bursar_test_support::{self as harness, Options};

/// Calls by command since the server's start, by `INFO commandstats`; those inside scripts are counted, too.
async fn commands(url: &str) -> HashMap<String, u64> {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let counted = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
    counted.map(|(name, rest)| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap())).collect()
}

async fn calls(url: &str, command: &str) -> u64 {
    commands(url).await.get(command).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_costs_its_share_of_a_claim_and_a_commit_only() {
    const JOBS: usize = 1_000;
    let redis = harness::private_redis(|options: Options| options);
    let mut world = World::on(redis.url()).await;
    world.settings.concurrency = 64;
    world.settings.lease = Duration::from_secs(60); // no renewal comes between
    world.submit(keys(JOBS)).await;
    let before = commands(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.until_done(JOBS as u64).await;
    let after = commands(redis.url()).await;
    let spent =
        |name: &str| after.get(name).copied().unwrap_or_default() - before.get(name).copied().unwrap_or_default();
    let calls = spent("evalsha");
    assert!(calls < JOBS as u64, "{calls} calls");
    // A claim reads the records and a commit writes them, all of one call at once.
    for command in ["get", "set", "mset", "hmget", "hset", "hdel", "zadd", "zrem", "zrangebyscore", "exists"] {
        assert!(spent(command) <= 3 * calls, "{} times {command} in {calls} calls", spent(command));
    }
    let entries = JOBS as u64 / 16 + calls;
    assert!(spent("xadd") <= entries, "{} entries of the stream of events", spent("xadd"));
    let others: Vec<&str> = ["publish", "del", "unlink", "rpush", "lrange", "hgetall", "hsetnx", "incr"]
        .into_iter()
        .filter(|name| spent(name) > 0)
        .collect();
    assert!(others.is_empty(), "{others:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_and_commits_travel_in_groups() {
    let redis = harness::private_redis(|options: Options| options);
    let world = World::on(redis.url()).await;
    world.submit(keys(1_000)).await;
    let before = calls(redis.url(), "evalsha").await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.until_done(1_000).await;
    let spent = calls(redis.url(), "evalsha").await - before;
    assert!(
        spent < 1_000,
        "{spent} calls for 1,000 jobs at 8 in flight: less than one a job, claim and commit together"
    );
    worker.stop().await;
}

/// All traffic: the claimer's scans of 32 partitions, the subscription's keep-alives, and nothing for each queue.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_workers_commands_do_not_grow_with_queues() {
    const WINDOW: Duration = Duration::from_secs(11);
    let redis = harness::private_redis(|options: Options| options);
    let world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker_of("w1", &gateway, 500);
    world.submit(keys(1)).await;
    world.until_done(1).await;
    for number in 0..200 {
        world.submit_later(&format!("a{number}/transfer")).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await; // the leases that were noted as due have ended, and all loops are running
    let before = commands(redis.url()).await;
    tokio::time::sleep(WINDOW).await; // the test measures an idle worker over this time
    let mut after = commands(redis.url()).await;
    for (name, count) in before {
        *after.get_mut(&name).unwrap() -= count;
    }
    let spent: u64 = after.values().sum();
    assert!(spent <= 10 * WINDOW.as_secs(), "{spent} commands in {WINDOW:?}: {after:?}");
    worker.stop().await;
}
