//! A worker whose Redis lost writes: a job that Redis calls unsent may have been sent.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{OnAmbiguous, Outcome, Reason, State};
use bursar_store::Operator;
use bursar_test_support::{self as harness, Listen, Options, OwnRedis};

use crate::support::{Act, Scripted, World, keys};

/// A private Redis on a port that it keeps, and the folder of its append-only file.
pub(crate) fn redis() -> (OwnRedis, PathBuf) {
    let mut folder = PathBuf::new();
    let redis = harness::private_redis(|options: Options| {
        folder.clone_from(&options.data_dir);
        Options { listen: Listen::Loopback, ..options }
    });
    (redis, folder)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Stops Redis and starts it with the data that it had when `older` was copied.
pub(crate) fn restore(redis: &OwnRedis, data: &Path, older: &Path) {
    redis.kill().unwrap();
    std::fs::remove_dir_all(data).unwrap();
    copy(older, data);
    redis.start_again().unwrap();
}

/// K1 and K2 are accepted; then a copy is made; then a worker sends K1; then Redis is restored from the copy.
async fn sent_and_forgotten(
    world: &World,
    redis: &OwnRedis,
    folder: &Path,
    gateway: &Arc<Scripted>,
) -> crate::support::Running {
    let operator = Operator { who: "test", why: "until the copy is made", identity: None };
    world.pause(operator).await;
    world.submit(keys(2)).await;
    let (data, older) = (folder.join("appendonlydir"), folder.join("older"));
    world.resume(operator).await;
    copy(&data, &older);
    let worker = world.worker("w1", gateway);
    world.until("K1", State::Succeeded).await;
    world.until("K2", State::Succeeded).await;
    restore(redis, &data, &older);
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_resends_continues_by_itself() {
    let (redis, folder) = redis();
    let world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = sent_and_forgotten(&world, &redis, &folder, &gateway).await;
    let view = world.until("K1", State::Succeeded).await;
    assert_eq!((view.attempts, gateway.sends_of("K1")), (1, 2), "its first send is forgotten here, not at the gateway");
    assert!(gateway.sent_before("K1"), "the gateway's code knew that it may have been sent");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_holds_sends_nothing_until_a_person_says_so() {
    let (redis, folder) = redis();
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = sent_and_forgotten(&world, &redis, &folder, &gateway).await;
    let paused = harness::eventually(Duration::from_secs(10), "the queue to be paused", async || {
        world.store.status(&world.queue).await.ok()?.paused
    });
    assert_eq!(paused.await, Reason::QueueLostWrites);
    assert_eq!((gateway.sends_of("K1"), gateway.sends_of("K2")), (1, 1), "nothing was sent a second time");

    let operator = Operator { who: "ann", why: "K1 and K2 are on no statement", identity: None };
    world.resume(operator).await;
    world.until("K1", State::Succeeded).await;
    assert_eq!(gateway.sends_of("K1"), 2, "on a person's word");
    worker.stop().await;
}
