//! A Redis that goes away and comes back.

use std::time::{Duration, Instant};

use bursar_domain::{Due, State};
use bursar_store::{Committed, Settings, Store, StoreError, Wake};
use bursar_test_support::{Fault, FaultProxy, Listen, Options, eventually, private_redis, unique_prefix};

use crate::scene::{SOON, Scene, keys, then, transfer};

#[tokio::test]
async fn the_store_works_within_a_second_of_a_restart() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.submit(&["k1", "k2"]).await;
    let claimed = scene.claim_one("w").await;
    redis.kill().unwrap();
    let error = scene.store.submit(&[transfer("k3")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    let error = scene.store.claim(&scene.queue, &scene.wish("w", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    redis.start_again().unwrap();
    let back = Instant::now();
    eventually(SOON, "the store to be back", async || scene.store.ping().await).await;
    assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());

    // Scripts are gone with the server's memory; the jobs are not.
    let commits = [then(&claimed, State::Succeeded, Due::Never)];
    assert_eq!(scene.store.commit(&scene.queue, &commits).await.unwrap(), [Committed::Done]);
    let after = Scene::between(redis.url(), redis.url(), &scene.prefix).await;
    assert_eq!(after.state("k1").await, State::Succeeded);
    assert_eq!(keys(&after.store.claim(&after.queue, &after.wish("w9", 5)).await.unwrap()), ["k2"]);
}

#[tokio::test]
async fn a_command_in_flight_when_redis_dies_fails_as_unreachable() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let proxy = FaultProxy::start(redis.url()).await;
    let scene = Scene::between(&proxy.redis_url(), redis.url(), &unique_prefix()).await;
    scene.submit(&["k1"]).await;
    redis.freeze().unwrap();
    let sent_before = proxy.request_bytes();
    let wish = scene.wish("w", 1);
    let (outcome, ()) = tokio::join!(scene.store.claim(&scene.queue, &wish), async {
        let is_sent = async || (proxy.request_bytes() > sent_before).then_some(());
        eventually(SOON, "the claim to be sent", is_sent).await;
        redis.kill().unwrap();
    });
    assert!(matches!(outcome, Err(StoreError::Unreachable { command: "claim", .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_stall_shorter_than_the_timeout_is_no_error() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    redis.freeze().unwrap();
    let job = [transfer("k1")];
    let (outcome, ()) = tokio::join!(scene.store.submit(&job), async {
        tokio::time::sleep(Duration::from_millis(1_200)).await; // the stall itself
        redis.thaw().unwrap();
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn a_reset_connection_comes_back_by_itself() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let proxy = FaultProxy::start(redis.url()).await;
    let scene = Scene::between(&proxy.redis_url(), redis.url(), &unique_prefix()).await;
    for round in 0..5 {
        proxy.cut();
        let key = format!("k{round}");
        let job = [transfer(&key)];
        eventually(SOON, "an answer", async || scene.store.submit(&job).await).await;
        assert_eq!(scene.state(&key).await, State::Queued);
    }
    proxy.set(Fault::CutReplyAfter(3));
    assert!(scene.store.ping().await.is_err());
    proxy.set(Fault::None);
    eventually(SOON, "the store to be back", async || scene.store.ping().await).await;
}

/// The time limit of one command, plus the delay of a busy machine.
const SILENT_FOR: Duration = Duration::from_millis(5_500);

#[tokio::test]
async fn a_dead_connection_is_replaced_after_a_command_times_out() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let proxy = FaultProxy::start(redis.url()).await;
    let scene = Scene::between(&proxy.redis_url(), redis.url(), &unique_prefix()).await;
    scene.submit(&["k1"]).await;
    proxy.strand();
    let began = Instant::now();
    let error = scene.store.submit(&[transfer("k2")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(began.elapsed() < SILENT_FOR, "{:?}", began.elapsed());
    let again = Instant::now();
    scene.store.submit(&[transfer("k2")]).await.unwrap();
    assert!(again.elapsed() < Duration::from_secs(1), "{:?}", again.elapsed());
}

#[tokio::test]
async fn a_silent_wake_subscription_ends_and_a_new_one_works() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let proxy = FaultProxy::start(redis.url()).await;
    let scene = Scene::between(&proxy.redis_url(), redis.url(), &unique_prefix()).await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    scene.submit(&["k1"]).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
    proxy.strand();
    let began = Instant::now();
    assert_eq!(wakeups.next().await, None);
    assert!(began.elapsed() < 2 * SILENT_FOR, "{:?}", began.elapsed());
    let mut wakeups = scene.store.wakeups().await.unwrap();
    eventually(SOON, "the store to be back", async || scene.store.ping().await).await;
    scene.submit(&["k2"]).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
}

#[tokio::test]
async fn a_quiet_subscription_goes_on() {
    let scene = Scene::new().await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    let quiet = tokio::time::timeout(2 * SILENT_FOR, wakeups.next()).await;
    assert!(quiet.is_err(), "{:?}", quiet.ok().flatten());
    scene.submit(&["k1"]).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
}

#[tokio::test]
async fn a_wake_subscription_ends_with_its_connection() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    redis.kill().unwrap();
    assert_eq!(wakeups.next().await, None);
    assert!(scene.store.wakeups().await.is_err());
    redis.start_again().unwrap();
    let mut wakeups = eventually(SOON, "a subscription", async || scene.store.wakeups().await).await;
    eventually(SOON, "the store to be back", async || scene.store.ping().await).await;
    scene.submit(&["k1"]).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
}

#[tokio::test]
async fn messages_that_name_no_queue_are_passed_over() {
    let scene = Scene::new().await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    for message in ["nonsense", "main/pay", ""] {
        let _: u64 = scene.command(&["PUBLISH", &format!("{}:wake", scene.prefix), message]).await;
    }
    scene.submit(&["k1"]).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
}

#[tokio::test]
async fn no_server_and_a_wrong_url_differ_and_hide_the_password() {
    let connect =
        async |url: &str| Store::connect(&Settings { url: url.to_owned(), prefix: "p".to_owned() }).await.unwrap_err();
    assert!(matches!(connect("redis://:secret@127.0.0.1:1/").await, StoreError::Unreachable { .. }));
    assert!(matches!(connect("http://127.0.0.1/").await, StoreError::Url(_)));
    for url in ["redis://:secret@127.0.0.1:1/", "nonsense://:secret@host"] {
        assert!(!connect(url).await.chain().contains("secret"));
    }
    let scene = Scene::new().await;
    assert!(!format!("{:?}", scene.store).contains("redis"));
}

#[tokio::test]
async fn a_read_only_redis_refuses_and_says_so() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let _: () = scene.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let error = scene.store.submit(&[transfer("k1")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { command: "submit", .. }), "{error:?}");
}
