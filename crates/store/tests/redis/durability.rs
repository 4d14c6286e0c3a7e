//! A write is acknowledged only once it is as durable as the operator requires.

use std::sync::Arc;

use bursar_domain::{ActionKind, Key, Operation, State};
use bursar_store::{Durability, Operated, Operator, Settings, Store, StoreError, Submission};
use bursar_test_support::{Fsync, Listen, Options, OwnRedis, eventually, private_redis};

use crate::scene::{SOON, Scene, transfer};

fn redis(fsync: Fsync) -> OwnRedis {
    // No waiting for more replicas when one comes, nor for the last one to catch up when the server goes.
    let adjust = |options: Options| options.setting("repl-diskless-sync-delay", "0").setting("shutdown-timeout", "0");
    private_redis(|options| adjust(Options { fsync, listen: Listen::Loopback, ..options }))
}

async fn store(redis: &OwnRedis, durability: Durability) -> Result<Store, StoreError> {
    let settings = Settings { url: redis.url().to_owned(), prefix: "bursar".into() };
    Store::connect(&settings).await.unwrap().with_durability(durability).await
}

/// A scene whose store is the one given.
async fn scene(redis: &OwnRedis, store: Store) -> Scene {
    Scene { store, ..Scene::between(redis.url(), redis.url(), "bursar").await }
}

/// A replica of `redis`, caught up.
async fn replica(of: &OwnRedis) -> OwnRedis {
    let port = of.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let replica = private_redis(|options| options.setting("replicaof", format!("127.0.0.1 {port}")));
    let scene = Scene::at(replica.url()).await;
    eventually(SOON, "the replica to follow", async || {
        let info: String = scene.command(&["INFO", "replication"]).await;
        info.contains("master_link_status:up").then_some(())
    })
    .await;
    replica
}

#[tokio::test]
async fn on_a_redis_that_writes_through_local_costs_no_wait() {
    let redis = redis(Fsync::Always);
    let scene = scene(&redis, store(&redis, Durability::Local).await.unwrap()).await;
    scene.submit(&["K1"]).await;
    let marker: Option<String> = scene.command(&["GET", "bursar:sync"]).await;
    assert_eq!((marker, scene.store.durability()), (None, Durability::Local));
}

#[tokio::test]
async fn local_waits_for_the_disk_or_reports_that_it_cannot() {
    let redis = redis(Fsync::EverySecond);
    let looks = Scene::between(redis.url(), redis.url(), "bursar").await;
    let known: Vec<redis::Value> = looks.command(&["COMMAND", "INFO", "WAITAOF"]).await;
    match store(&redis, Durability::Local).await {
        Ok(store) => {
            assert_ne!(known, [redis::Value::Nil]);
            let scene = scene(&redis, store).await;
            scene.submit(&["K1"]).await;
            let marker: Option<u64> = scene.command(&["GET", "bursar:sync"]).await;
            assert_eq!(marker, Some(1));
        }
        Err(error) => {
            assert_eq!(known, [redis::Value::Nil], "{}", error.chain());
            assert!(error.chain().contains("appendfsync always"), "{}", error.chain());
        }
    }
}

#[tokio::test]
async fn without_its_replica_a_submission_is_not_acknowledged() {
    let primary = redis(Fsync::EverySecond);
    let store = store(&primary, Durability::Replicated(1)).await.unwrap();
    for _ in 0..2 {
        let error = store.submit(&[transfer("K1")]).await.unwrap_err();
        assert!(matches!(error, StoreError::NotDurable { required: "replicated", .. }), "{}", error.chain());
        assert!(error.chain().contains("0 of 1"), "{}", error.chain());
    }
    let replica = replica(&primary).await;
    let again = store.submit(&[transfer("K1")]).await.unwrap();
    assert_eq!(again, [Submission::Existing(State::Queued)], "and now it is as durable as required");
    replica.kill().unwrap();
}

#[tokio::test]
async fn no_send_is_handed_out_before_its_intent_is_kept() {
    let primary = redis(Fsync::EverySecond);
    let scene = scene(&primary, store(&primary, Durability::Replicated(1)).await.unwrap()).await;
    let fast = store(&primary, Durability::Fast).await.unwrap();
    fast.submit(&[transfer("K1")]).await.unwrap();
    let wish = scene.wish("w", 1);
    let error = scene.store.claim(&scene.queue, &wish).await.unwrap_err();
    assert!(matches!(error, StoreError::NotDurable { .. }), "{}", error.chain());
    let released = scene.store.recover_claim(&scene.queue, "w", wish.number).await.unwrap();
    assert_eq!((released, scene.state("K1").await), (1, State::Queued));

    let replica = replica(&primary).await;
    assert_eq!(scene.claim("w", 1).await.jobs.len(), 1);
    replica.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_submitted_at_once_waits_together() {
    let primary = redis(Fsync::EverySecond);
    let replica = replica(&primary).await;
    let store = Arc::new(store(&primary, Durability::Replicated(1)).await.unwrap());
    let submissions = (0..200).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.submit(&[transfer(&format!("K{number}"))]).await.unwrap() })
    });
    for submission in submissions.collect::<Vec<_>>() {
        assert_eq!(submission.await.unwrap(), [Submission::New]);
    }
    let scene = Scene::between(primary.url(), primary.url(), "bursar").await;
    let waits: u64 = scene.command(&["GET", "bursar:sync"]).await;
    assert!(waits < 200, "{waits} waits for 200 submissions");
    replica.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_writes_vouches_for_no_earlier_write() {
    let primary = redis(Fsync::Always);
    let replica = replica(&primary).await;
    let store = store(&primary, Durability::Replicated(1)).await.unwrap();
    let submit = |key: &str| {
        let (store, job) = (store.clone(), transfer(key));
        tokio::spawn(async move { store.submit(&[job]).await })
    };
    let scene = Scene::between(primary.url(), primary.url(), "bursar").await;
    replica.freeze().unwrap();
    let first = submit("K1");
    let marker = async || scene.command::<Option<u64>>(&["GET", "bursar:sync"]).await;
    eventually(SOON, "the first wait", async || marker().await).await;
    let file = primary.append_only_file();
    let older = std::fs::metadata(&file).unwrap().len();
    let second = submit("K2"); // written while the first one waits, so that its own wait comes next
    eventually(SOON, "the second job to be written", async || scene.text("K2").await).await;
    store.ping().await.unwrap(); // on the same connection: its reply has come

    primary.kill().unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(older).unwrap();
    replica.thaw().unwrap();
    primary.start_again().unwrap();
    assert!(first.await.unwrap().is_err());
    let error = second.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::NotDurable { .. }), "{}", error.chain());
    let read = async || store.job(&scene.queue, &"K2".parse().unwrap()).await;
    assert_eq!(eventually(SOON, "Redis to be back", read).await, None, "it was lost");
    // A submission before its replica is back would be written and not acknowledged, and the next one would find it.
    let looks = Scene::between(primary.url(), primary.url(), "bursar").await;
    eventually(SOON, "the replica to be back", async || {
        let info: String = looks.command(&["INFO", "replication"]).await;
        if info.contains("state=online") { Ok(()) } else { Err(info) }
    })
    .await;
    assert_eq!(store.submit(&[transfer("K2")]).await.unwrap(), [Submission::New], "and is accepted again");
    replica.kill().unwrap();
}

#[tokio::test]
async fn an_operators_action_is_as_durable_as_a_submission() {
    let redis = redis(Fsync::Always);
    let scene = scene(&redis, store(&redis, Durability::Replicated(1)).await.unwrap()).await;
    let operator = Operator { who: "ann", why: "no replica is there", identity: None };
    let key: Key = "K1".parse().unwrap();
    let is_not_kept = |error: Option<StoreError>| matches!(error, Some(StoreError::NotDurable { .. }));
    assert!(is_not_kept(scene.store.submit(&[transfer("K1")]).await.err()));
    assert!(is_not_kept(scene.store.pause(&scene.queue, &operator.reason(ActionKind::Pause)).await.err()));
    assert!(is_not_kept(scene.store.operate(&scene.queue, &key, Operation::Cancel, operator).await.err()));
    let _replica = replica(&redis).await;
    eventually(SOON, "the replica to acknowledge", async || {
        scene.store.pause(&scene.queue, &operator.reason(ActionKind::Pause)).await
    })
    .await;
    let again = scene.store.operate(&scene.queue, &key, Operation::Cancel, operator).await.unwrap();
    assert!(matches!(again, Operated::Refused(_)), "it is cancelled, and that is kept now: {again:?}");
    assert_eq!(scene.state("K1").await, State::Cancelled);
}
