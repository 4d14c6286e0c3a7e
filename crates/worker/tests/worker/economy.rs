//! What the worker costs Redis: counted, not timed.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Act, Scripted, World, keys};
use bursar_domain::Answer;
use bursar_test_support::{self as harness, Options};

/// Calls of a command since the server's start, by `INFO commandstats`.
async fn calls(url: &str, command: &str) -> u64 {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
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
