//! Claims go only to queues with due work: wake messages, scans, and queues that are left alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar_domain::{Outcome, Queue, State};
use bursar_gateways::Gateway;
use bursar_store::{Claim, Operator};
use bursar_test_support::{OwnRedis, eventually, private_redis};
use bursar_worker::SendGate;
use redis::FromRedisValue;
use tokio::sync::watch;

use crate::support::{Act, Scripted, World, keys};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because", identity: None };

async fn command<T: FromRedisValue>(redis: &OwnRedis, words: &[&str]) -> T {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query_async(&mut connection).await.unwrap()
}

/// Script calls since the server's start: claims, commits and renewals, as long as no other client calls any.
async fn script_calls(redis: &OwnRedis) -> u64 {
    let stats: String = command(redis, &["INFO", "commandstats"]).await;
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

/// Waits until the worker has begun, and no send is kept back any more.
async fn has_begun(world: &World, gateway: &Scripted) {
    world.submit(["FIRST".to_owned()]).await;
    eventually(Duration::from_secs(10), "the worker to begin", async || (gateway.sends_of("FIRST") == 1).then_some(()))
        .await;
}

async fn until_sent(gateway: &Scripted, key: &str, within: Duration) {
    eventually(within, &format!("{key} to be sent"), async || (gateway.sends_of(key) == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_is_served_at_once_among_a_thousand_idle_queues() {
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker_of("w1", &gateway, 1_000);
    has_begun(&world, &gateway).await;
    let before = script_calls(&redis).await;
    let began = Instant::now();
    world.submit_to("a777/transfer").await;
    until_sent(&gateway, "K1", Duration::from_secs(4)).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}: a look finds it within five seconds, a wake at once");
    let calls = script_calls(&redis).await - before;
    assert!(calls <= 10, "{calls} calls: nothing is claimed of idle queues");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_wake_is_found_by_the_next_look() {
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker_of("w1", &gateway, 100);
    has_begun(&world, &gateway).await;
    let queue: Queue = "a77/transfer".parse().unwrap();
    world.submit_later("a77/transfer").await;
    // It becomes due without a message.
    let (base, now) = (world.store.base_of(&queue), world.store.now().await.unwrap().0.to_string());
    let due_sends = format!("{base}due_sends:{queue}");
    let members: Vec<String> = command(&redis, &["ZRANGE", &due_sends, "0", "-1"]).await;
    let _: u64 = command(&redis, &["ZADD", &due_sends, "XX", "CH", &now, &members[0]]).await;
    let _: u64 = command(&redis, &["ZADD", &format!("{base}ready"), &now, "a77/transfer"]).await;
    until_sent(&gateway, "K1", Duration::from_secs(6)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_a_queue_of_a_worker_that_died_is_taken_over() {
    // One lease ends within the scan's horizon, and one beyond it.
    for lease in [Duration::from_secs(2), Duration::from_secs(8)] {
        let redis = private_redis(|options| options);
        let world = World::on(redis.url()).await;
        world.submit(keys(1)).await;
        let claim = Claim::new("dead", 1, lease, 1);
        assert_eq!(world.store.claim(&world.queue, &claim).await.unwrap().jobs.len(), 1);
        let claimed = Instant::now();
        let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
        let worker = world.worker_of("w1", &gateway, 100);
        let view = world.until("K1", State::Succeeded).await;
        assert_eq!((view.attempts, view.queries, gateway.sends_of("K1")), (1, 1, 0), "it may have been sent");
        let late = claimed.elapsed().saturating_sub(lease);
        assert!(late < Duration::from_millis(1_500), "{late:?} after the lease of {lease:?}");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_sent_is_not_claimed_again_and_again() {
    const QUEUES: usize = 50;
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    for number in 0..QUEUES {
        world.submit_to(&format!("a{number}/transfer")).await;
    }
    let (allow, fit) = watch::channel(SendGate::Closed);
    let accounts =
        (0..QUEUES).map(|number| world.account(&format!("a{number}"), Arc::clone(&gateway) as Arc<dyn Gateway>));
    let worker = world.worker_with("w1", accounts.collect(), fit);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = script_calls(&redis).await;
    tokio::time::sleep(Duration::from_secs(5)).await; // the test measures an idle worker over this time
    let calls = script_calls(&redis).await - before;
    assert!(calls <= 2 * QUEUES as u64, "{calls} claims of {QUEUES} queues in 5 s");
    assert_eq!(gateway.sends.lock().unwrap().len(), 0);
    allow.send(SendGate::Open).unwrap();
    eventually(Duration::from_secs(3), "sends to go on", async || {
        let sends = gateway.sends.lock().unwrap().len();
        if sends == QUEUES { Ok(()) } else { Err(sends) }
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_gateway_is_retried_once_mended() {
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    world.store.set_gateway(&world.queue, None, "theirs", OPERATOR).await.unwrap();
    world.submit(keys(1)).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let mut account = world.account("main", Arc::clone(&gateway) as Arc<dyn Gateway>);
    account.identity = "ours".into();
    let worker = world.worker_with("w1", vec![account], crate::support::fit());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = script_calls(&redis).await;
    tokio::time::sleep(Duration::from_secs(4)).await; // the test measures an idle worker over this time
    let calls = script_calls(&redis).await - before;
    assert!(calls <= 2, "{calls} claims");
    let began = Instant::now();
    assert!(world.store.set_gateway(&world.queue, Some("theirs"), "ours", OPERATOR).await.unwrap());
    until_sent(&gateway, "K1", Duration::from_secs(4)).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    worker.stop().await;
}

/// No script leaves this state; a manual edit of Redis does.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_redis_does_not_call_ready_is_found_all_the_same() {
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    world.submit(keys(1)).await;
    let ready = format!("{}ready", world.store.base_of(&world.queue));
    let removed: u64 = command(&redis, &["ZREM", &ready, "main/transfer"]).await;
    assert_eq!(removed, 1);
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    until_sent(&gateway, "K1", Duration::from_secs(8)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_keeps_no_queue_waiting() {
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    world.submit(keys(1)).await;
    let ready = format!("{}ready", world.store.base_of(&world.queue));
    let now = world.store.now().await.unwrap();
    let in_an_hour = now.plus(Duration::from_secs(3_600)).0.to_string();
    let _: u64 = command(&redis, &["ZADD", &ready, "XX", &in_an_hour, "main/transfer"]).await;
    world.store.set_clock_back(&world.queue, world.settings.lease).await.unwrap();
    let (ready, _) = world.store.ready(now.plus(Duration::from_secs(60))).await.unwrap();
    assert_eq!(ready.into_iter().map(|ready| ready.queue).collect::<Vec<_>>(), std::slice::from_ref(&world.queue));
    world.store.set_clock_back(&"idle/transfer".parse().unwrap(), world.settings.lease).await.unwrap();
    assert_eq!(world.store.ready(now.plus(Duration::from_secs(60))).await.unwrap().0.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_share_free_slots_and_none_waits_for_a_backlog() {
    let mut world = World::new().await;
    world.settings.concurrency = 1;
    world.submit(keys(60)).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker_of("w1", &gateway, 3);
    eventually(Duration::from_secs(10), "the backlog to be worked on", async || {
        (gateway.sends.lock().unwrap().len() >= 5).then_some(())
    })
    .await;
    for number in 0..3 {
        world.submit_to(&format!("a{number}/transfer")).await;
    }
    let place = |sends: &[String]| sends.iter().filter(|key| *key == "K1").count();
    world.until_done(60).await;
    let sends = gateway.sends.lock().unwrap().clone();
    assert_eq!(place(&sends), 4, "one of each queue");
    let last = sends.iter().rposition(|key| key == "K1").unwrap();
    assert!(last < 55, "the last of them is send {last} of {}", sends.len());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_job_is_quarantined_and_blocks_none() {
    let redis = private_redis(|options| options);
    let world = World::on(redis.url()).await;
    world.pause(OPERATOR).await;
    world.submit(keys(3)).await;
    let base = world.store.base_of(&world.queue);
    for (key, text) in [("K1", "no record"), ("K2", r#"{"v":99,"state":"queued","sha256":"AA"}"#)] {
        let _: String = command(&redis, &["SET", &format!("{base}job:main/transfer:{key}"), text]).await;
    }
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.resume(OPERATOR).await;
    world.until("K3", State::Succeeded).await;
    let quarantined = eventually(Duration::from_secs(5), "K1 to be in quarantine", async || {
        let found = world.store.quarantined(&world.queue, 10).await.unwrap();
        (!found.is_empty()).then_some(found)
    });
    let keys: HashMap<String, String> =
        quarantined.await.into_iter().map(|found| (found.key.to_string(), format!("{found:?}"))).collect();
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["K1"], "K2 is left to a newer build: {keys:?}");
    assert_eq!((gateway.sends_of("K1"), gateway.sends_of("K2")), (0, 0));
    worker.stop().await;
}
