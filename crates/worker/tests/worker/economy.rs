//! What the worker costs Redis: counted, not timed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Act, Scripted, World, keys};
use bursar_domain::{Answer, HistoryEvent};
use bursar_test_support::{self as harness, Options};
use serde_json::json;

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
async fn a_job_costs_two_commands_and_its_share_of_a_claim_and_a_commit() {
    const JOBS: usize = 1_000;
    let redis = harness::private_redis(|options: Options| options);
    let mut world = World::on(redis.url()).await;
    world.settings.lease = Duration::from_secs(60); // no renewal comes between
    world.submit(keys(JOBS)).await;
    let before = commands(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Answer(Answer::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.until_done(JOBS as u64).await;
    let after = commands(redis.url()).await;
    let spent =
        |name: &str| after.get(name).copied().unwrap_or_default() - before.get(name).copied().unwrap_or_default();
    // A claim reads the record, and a commit writes it.
    for (command, per_job) in [("hgetall", 1), ("rpush", 0)] {
        assert_eq!(spent(command), per_job * JOBS as u64, "{command}");
    }
    assert!(spent("hset") <= JOBS as u64 + spent("evalsha"), "one a job, one a claim: {}", spent("hset"));
    // What a call costs however many jobs it is about: fourteen commands of a claim or seven of a commit.
    let per_call: u64 = ["time", "get", "set", "zadd", "zrem", "hincrby", "zrangebyscore", "xadd", "hmget", "hdel"]
        .iter()
        .map(|command| spent(command))
        .sum();
    assert!(per_call <= 10 * spent("evalsha"), "{per_call} commands in {} calls", spent("evalsha"));
    let others: Vec<&str> = ["publish", "del", "exists", "lrange", "ltrim", "smembers", "sadd"]
        .into_iter()
        .filter(|name| spent(name) > 0)
        .collect();
    assert!(others.is_empty(), "{others:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_to_a_first_send_always_says_takes_no_bytes_of_the_record_and_is_told_all_the_same() {
    let redis = harness::private_redis(|options: Options| options);
    let world = World::on(redis.url()).await;
    world.submit(keys(1)).await;
    let worker = world.worker("w1", &Arc::new(Scripted::new(Act::Answer(Answer::Succeeded))));
    world.until_done(1).await;
    worker.stop().await;
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let records: Vec<String> = redis::cmd("KEYS").arg("*:job:*").query_async(&mut connection).await.unwrap();
    let kept: String = redis::cmd("HGET").arg(&records).arg("x1").query_async(&mut connection).await.unwrap();
    assert!(kept.starts_with(r#""w1","at":"#), "the worker's name, and what differs from job to job: {kept}");
    let (_, key) = records[0].rsplit_once(':').unwrap();
    let log = world.store.history(&world.lane, &key.parse().unwrap()).await.unwrap();
    assert_eq!(log.iter().map(HistoryEvent::name).collect::<Vec<_>>(), ["send_intent", "response"]);
    assert_eq!((&log[1].view()["fence"], &log[1].view()["call"]), (&json!(1), &json!("send")));
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_and_commits_travel_in_groups() {
    let redis = harness::private_redis(|options: Options| options);
    let world = World::on(redis.url()).await;
    world.submit(keys(1_000)).await;
    let before = calls(redis.url(), "evalsha").await;
    let gateway = Arc::new(Scripted::new(Act::Answer(Answer::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.until_done(1_000).await;
    let spent = calls(redis.url(), "evalsha").await - before;
    assert!(
        spent < 1_000,
        "{spent} calls for 1,000 jobs at 8 in flight: less than one a job, claim and commit together"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_hardly_speaks() {
    let redis = harness::private_redis(|options: Options| options);
    let world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Answer(Answer::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until_done(1).await;
    let before = calls(redis.url(), "evalsha").await;
    let window = Duration::from_secs(3);
    tokio::time::sleep(window).await; // the thing measured is what happens while nothing does
    let spent = calls(redis.url(), "evalsha").await - before;
    assert!(spent <= 5 * window.as_secs(), "{spent} calls in {window:?}");
    worker.stop().await;
}
