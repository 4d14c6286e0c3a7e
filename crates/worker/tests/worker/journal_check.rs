//! A journal that has more sends than Redis: nothing is sent, queries go on, and the worker resumes by itself after a
//! reconciliation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{ActionKind, OnAmbiguous, Outcome, Reason, State};
use bursar_journal::{Journal, Room, Settings};
use bursar_store::Operator;
use bursar_test_support::{eventually, private_redis};
use bursar_worker::{Expected, SendBlock, send_blocks};

use crate::support::{Act, Scripted, World, keys};

const SOON: Duration = Duration::from_secs(60);

/// Longer than a worker needs to claim due work: twice the grace at its start, and a second.
const LONG_ENOUGH: Duration = Duration::from_millis(2_400);

const WIDE: Room = Room { bytes: 1 << 30, age: Duration::from_secs(86_400) };

fn fresh() -> String {
    "fresh".to_owned()
}

/// Has the world's next worker keep a journal, as one that begins on this Redis.
async fn keeps_a_journal(world: &mut World, folder: &Path, worker: &str, room: Room) {
    let incarnation = world.store.incarnate(&format!("made for {worker}")).await.unwrap();
    let (folder, worker) = (folder.to_path_buf(), worker.to_owned());
    let settings = Settings { folder, worker, incarnation: incarnation.clone(), file_bytes: 1, room, passing: |_| {} };
    world.settings.journal = Some(Journal::open(settings).unwrap());
    world.settings.expected = Some(Expected { incarnation, existing: false, fresh });
}

async fn reasons(world: &World, folder: &Path) -> Vec<SendBlock> {
    let recall = bursar_journal::recall(folder).unwrap();
    send_blocks(&world.store, std::slice::from_ref(&world.queue), &recall).await.unwrap()
}

/// Redis is emptied behind everybody's back.
async fn flush(url: &str) {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
}

async fn stays_unsent(gateway: &Scripted, sends: usize) {
    let until = tokio::time::Instant::now() + LONG_ENOUGH;
    while tokio::time::Instant::now() < until {
        assert_eq!(gateway.sends_of("K1"), sends, "it was sent again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The queue's sends that the journal knows are taken for settled, as `bursar reconcile --journal` does.
async fn settle(world: &World) {
    world.store.settle_queue(&world.queue, 1).await.unwrap();
    world.store.settle_incarnations(&BTreeSet::from(["made for w1".to_owned()])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_another_redis_stops_sends_until_reconciled() {
    let folder = tempfile::tempdir().unwrap();
    let redis = private_redis(|options| options);
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    keeps_a_journal(&mut world, folder.path(), "w1", WIDE).await;
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::Succeeded).await;
    worker.stop().await;
    assert_eq!(reasons(&world, folder.path()).await, [], "nothing is forgotten");

    flush(redis.url()).await;
    world.submit(keys(1)).await; // its producer repeats it
    keeps_a_journal(&mut world, folder.path(), "w2", WIDE).await;
    let worker = world.worker("w2", &gateway);
    stays_unsent(&gateway, 1).await;
    let found = reasons(&world, folder.path()).await;
    assert!(
        matches!(found[..], [SendBlock::OtherRedis { .. }, SendBlock::LostWrites { .. }, SendBlock::LostSend { .. }]),
        "{found:?}"
    );
    let paused = world.status().await.paused;
    assert_eq!(paused, Some(Reason::JournalAhead), "the others are kept from sending, too");

    // A person's word is the one way for others, and no way for this worker.
    let operator = Operator { who: "p", why: "because", identity: None };
    world.resume(operator).await;
    stays_unsent(&gateway, 1).await;

    // In production the job is restored before this; without the restore Redis still lacks it.
    settle(&world).await;
    stays_unsent(&gateway, 1).await;
    assert!(matches!(reasons(&world, folder.path()).await[..], [SendBlock::LostSend { .. }]));
    std::fs::remove_dir_all(folder.path()).unwrap();
    worker.stop().await;
    keeps_a_journal(&mut world, folder.path(), "w3", WIDE).await;
    let worker = world.worker("w3", &gateway);
    world.until("K1", State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_is_noticed_before_the_next_send() {
    let folder = tempfile::tempdir().unwrap();
    let redis = private_redis(|options| options);
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    keeps_a_journal(&mut world, folder.path(), "w1", WIDE).await;
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::Succeeded).await;

    flush(redis.url()).await;
    world.submit(keys(1)).await;
    stays_unsent(&gateway, 1).await;
    // An operator who looks only at the queue may resume it: the journal still blocks the sends.
    let operator = Operator { who: "p", why: "because", identity: None };
    world.store.resume(&world.queue, &operator.reason(ActionKind::Resume)).await.unwrap();
    stays_unsent(&gateway, 1).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_record_counts_as_known_and_opens_no_gate() {
    let folder = tempfile::tempdir().unwrap();
    let redis = private_redis(|options| options);
    let mut world = World::on(redis.url()).await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    keeps_a_journal(&mut world, folder.path(), "w1", WIDE).await;
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::Succeeded).await;
    worker.stop().await;
    world.settings.journal = None; // its file is closed
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let record = format!("{}job:main/transfer:K1", world.store.base_of(&world.queue));
    redis::cmd("SET").arg(record).arg(r#"{"v":99}"#).query_async::<()>(&mut connection).await.unwrap();
    assert_eq!(reasons(&world, folder.path()).await, [], "it is there");

    keeps_a_journal(&mut world, folder.path(), "w2", Room { bytes: 1, ..WIDE }).await;
    let worker = world.worker("w2", &gateway);
    world.submit(["K2".to_owned()]).await;
    world.until("K2", State::Succeeded).await;
    let has_k1 = || {
        let named = |file: PathBuf| bursar_journal::jobs_in(&file).ok().map(|jobs| jobs.named);
        journals(folder.path()).into_iter().filter_map(named).flatten().any(|((_, key), _)| key == "K1")
    };
    let until = tokio::time::Instant::now() + LONG_ENOUGH;
    while tokio::time::Instant::now() < until {
        assert!(has_k1(), "its journal was removed although its end is unknown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wipe_an_idle_worker_reads_what_others_sent() {
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let redis = private_redis(|options| options);
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    keeps_a_journal(&mut world, theirs.path(), "w1", WIDE).await;
    let main = std::mem::replace(&mut world.queue, "other/transfer".parse().unwrap());
    let first = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::Succeeded).await;
    first.stop().await;

    world.queue = main;
    keeps_a_journal(&mut world, ours.path(), "w2", WIDE).await;
    let second = world.worker("w2", &gateway);
    tokio::time::sleep(LONG_ENOUGH).await; // it has read the folder
    for file in journals(theirs.path()) {
        std::fs::copy(&file, ours.path().join(file.file_name().unwrap())).unwrap(); // as if written meanwhile
    }
    flush(redis.url()).await;
    world.submit(keys(1)).await; // no connection breaks, and the worker knows of nothing else either
    stays_unsent(&gateway, 1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_reports_when_another_finds_redis_emptied() {
    let redis = private_redis(|options| options);
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    world.settings.concurrency = 1;
    let gateway = Arc::new(Scripted::new(Act::WaitAtTheGate(Outcome::Succeeded)));
    without_a_journal(&mut world).await;
    let first = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    gateway.until_in_flight(1).await;
    // The second worker shows by a job of another queue that it may send.
    let other = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let second = world.worker_of("w2", &other, 1);
    world.submit_to("a0/transfer").await;
    eventually(SOON, "the second worker to send", async || (other.sends_of("K1") == 1).then_some(())).await;

    flush(redis.url()).await;
    world.submit(keys(1)).await;
    stays_unsent(&other, 1).await;
    assert_eq!(gateway.sends_of("K1"), 1, "the first worker has no free place");
    assert_eq!(world.status().await.paused, Some(Reason::QueueLostWrites));
    gateway.gate.add_permits(1);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_unknown_to_all_workers_is_soon_used() {
    let redis = private_redis(|options| options);
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    without_a_journal(&mut world).await;
    let worker = world.worker("w1", &gateway);
    flush(redis.url()).await;
    world.submit(keys(1)).await;
    world.until("K1", State::Succeeded).await;
    worker.stop().await;
}

/// Has the world's workers begin on this Redis, and keep no journal.
async fn without_a_journal(world: &mut World) {
    let incarnation = world.store.incarnate("at first").await.unwrap();
    world.settings.expected = Some(Expected { incarnation, existing: false, fresh });
}

fn journals(folder: &Path) -> Vec<PathBuf> {
    bursar_journal::files(folder).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_go_unless_one_of_their_jobs_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new().await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    let mut gateway = Scripted::new(Act::Outcome(Outcome::Succeeded)).on("K2", &[Act::Outcome(Outcome::NoResponse)]);
    gateway.can_query = false;
    let gateway = Arc::new(gateway);
    keeps_a_journal(&mut world, folder.path(), "w1", WIDE).await;
    let worker = world.worker("w1", &gateway);
    for key in ["K1", "K2", "K3"] {
        world.submit([key.to_owned()]).await; // a separate file for each
        world.until(key, if key == "K2" { State::NeedsReview } else { State::Succeeded }).await;
    }
    worker.stop().await;
    world.settings.journal = None; // no process writes these files any more
    // By file, the keys that it names; a file may hold a note of one job and the intent of the next.
    let named = || -> Vec<(PathBuf, Vec<String>)> {
        let keys = |file: PathBuf| {
            let jobs = bursar_journal::jobs_in(&file).ok()?; // it may be removed at this moment
            Some((file, jobs.named.into_keys().map(|(_, key)| key).collect::<Vec<_>>()))
        };
        journals(folder.path()).into_iter().filter_map(keys).filter(|(_, keys)| !keys.is_empty()).collect()
    };
    let is_open = |(_, keys): &(PathBuf, Vec<String>)| keys.iter().any(|key| key == "K2");
    let (kept, ended): (Vec<_>, Vec<_>) = named().into_iter().partition(is_open);
    assert!(!kept.is_empty() && !ended.is_empty(), "{kept:?} {ended:?}");

    keeps_a_journal(&mut world, folder.path(), "w2", Room { bytes: 1, ..WIDE }).await;
    let worker = world.worker("w2", &gateway);
    eventually(SOON, "what has ended to go", async || {
        let left = named();
        if left.iter().all(is_open) { Ok(()) } else { Err(left) }
    })
    .await;
    worker.stop().await;
    assert_eq!(named(), kept, "a person has not decided about it");
    assert_eq!(gateway.sends_of("K2"), 1);
}
