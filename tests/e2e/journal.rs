//! Redis comes back with older data, or none, and no live worker remembers: the workers' journals do.

use std::path::{Path, PathBuf};
use std::process::Command;

use bursar_simulator::Kind;
use bursar_test_support::{Finished, Listen, Options, OwnRedis, eventually, private_redis};
use serde_json::{Value, json};

use crate::jobs::{self, bill, split, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World, system_user};

/// A world whose workers keep journals, on a private Redis.
pub(crate) struct Scene {
    pub(crate) world: World,
    redis: OwnRedis,
    data: PathBuf,
    pub(crate) journal: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn start(plan: Plan) -> Self {
        let mut data = PathBuf::new();
        let redis = private_redis(|options: Options| {
            data.clone_from(&options.data_dir);
            Options { listen: Listen::Loopback, ..options }
        });
        let journal = tempfile::tempdir().unwrap();
        let plan = plan.set("journal.dir", journal.path().display().to_string()).on_redis(redis.url());
        Self { world: plan.start().await, redis, data: data.join("appendonlydir"), journal }
    }

    fn older(&self) -> PathBuf {
        self.data.with_file_name("older")
    }

    pub(crate) fn remember(&self) {
        copy(&self.data, &self.older());
    }

    /// Redis dies, and comes back with what it had when [`Scene::remember`] was called.
    pub(crate) fn restore(&self) {
        self.redis.kill().unwrap();
        std::fs::remove_dir_all(&self.data).unwrap();
        copy(&self.older(), &self.data);
        self.redis.start_again().unwrap();
    }

    pub(crate) async fn flush(&self) {
        self.redis.command(&["FLUSHALL"]).await.unwrap();
    }

    pub(crate) async fn reconcile(&self, further: &[&str]) -> (Finished, Vec<Value>) {
        let folder = self.journal.path().display().to_string();
        let arguments = [&["reconcile", "--json", "--journal", folder.as_str()], further].concat();
        let finished = self.world.run(&arguments).await;
        let objects = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (finished, objects)
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.journal.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

pub(crate) fn mixed() -> Vec<Value> {
    let mut jobs = jobs::transfers("T", 25);
    jobs.extend((1..=5).map(|number| bill(&format!("B-{number}"), &format!("ORDER-{number}"))));
    jobs.extend((1..=3).map(|number| split(&format!("S-{number}"), &format!("P{number}"))));
    jobs
}

#[tokio::test]
async fn lost_sends_are_restored_and_not_repeated_under_hold() {
    // The gateway executes whatever it receives, so every second send would be a second payment.
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    world.faults(json!({"key": "T-007", "on": "send", "fault": "lost-answer"})).await;
    let jobs = mixed();
    world.submit_new(&jobs).await;
    scene.remember();
    let workers = [world.worker().await, world.worker().await];
    world.settled().await;
    workers.into_iter().for_each(|worker| worker.kill());
    scene.restore();
    assert!(world.list().await.iter().all(|job| job["state"] == "queued"), "Redis says that nothing was ever sent");

    let (dry, would) = scene.reconcile(&["--dry-run"]).await;
    assert_eq!((dry.code, would.len()), (Some(1), jobs.len()), "{dry:?}");
    assert!(world.list().await.iter().all(|job| job["state"] == "queued"), "a dry run writes nothing");
    let (first, differences) = scene.reconcile(&[]).await;
    assert_eq!((first.code, differences.len()), (Some(1), jobs.len()), "{first:?}");
    let of = |key: &str| differences.iter().find(|one| one["platform_no"] == key).unwrap();
    assert_eq!((&of("T-001")["found"], &of("T-001")["state"]), (&json!("behind"), &json!("in_doubt")));
    assert_eq!(of("T-001")["last_response"]["outcome"], "succeeded");
    let (again, nothing) = scene.reconcile(&[]).await;
    assert_eq!((again.code, nothing.len()), (Some(0), 0), "repeated, it changes nothing: {again:?}");

    let _worker = world.worker().await;
    for job in world.settled().await {
        let can_be_queried = job["kind"] == "transfer" && job["platform_no"] != "T-007";
        let ends = can_be_queried || job["kind"] == "bill_upload"; // a bill moves no money and is sent again
        assert_eq!(job["state"], if ends { "succeeded" } else { "needs_review" }, "{job}");
    }
    let ledger = world.books_agree().await;
    let mut paying = ledger.keys.values().filter(|record| record.kind != Kind::BillUpload);
    assert!(paying.all(|record| (record.executions, record.requests) == (1, 1)), "{ledger:?}");
    let log = world.job("T-007").await["history"].clone();
    assert!(
        log.as_array()
            .unwrap()
            .iter()
            .any(|line| line["event"] == "restored_from_journal" && line["operator"] == system_user()),
        "{log}"
    );
}

#[tokio::test]
async fn lost_jobs_are_restored_and_end_by_themselves_under_resend() {
    let scene = Scene::start(Plan::new().both("call_timeout", "10s").both("poll_deadline", "6s")).await;
    let world = &scene.world;
    world.faults(json!({"key": "T-HANGS", "on": "send", "fault": "hang-after"})).await;
    let mut jobs = mixed();
    jobs.push(transfer("T-HANGS"));
    let worker = world.worker().await;
    world.submit_new(&jobs).await;
    world.until_all("every send to be out", |job| job["attempts"] == 1).await;
    world.until_received("T-HANGS", 1).await;
    world
        .until_all("the others to be answered", |job| job["state"] != "in_doubt" || job["platform_no"] == "T-HANGS")
        .await;
    worker.kill();
    scene.flush().await;
    assert!(world.list().await.is_empty());

    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), jobs.len()), "{finished:?}");
    assert!(differences.iter().all(|one| one["found"] == "missing" && one["state"] == "in_doubt"), "{differences:?}");
    let outcomes = world.submit(&jobs).await;
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("existing in_doubt")), "known again: {outcomes:?}");
    let _worker = world.worker().await;
    for job in world.settled().await {
        // BeingFi cannot be queried about a split: it is followed to its deadline, then a person looks.
        let split = job["kind"] == "split";
        assert!(job["state"] == "succeeded" || (split && job["state"] == "needs_review"), "{job}");
    }
    let ledger = world.books_agree().await;
    assert!(ledger.keys.values().all(|record| record.executions == 1), "{ledger:?}");
}

#[tokio::test]
async fn another_key_for_a_restored_order_is_not_sent() {
    let scene = Scene::start(Plan::new().simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    let worker = world.worker().await;
    world.submit_new(&[bill("FIRST", "ORDER-1"), bill("OTHER", "ORDER-2")]).await;
    world.settled().await;
    worker.kill();
    scene.flush().await;
    let outcomes = world.submit(&[bill("SECOND", "ORDER-1"), bill("THIRD", "ORDER-3")]).await;
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("new ")), "Redis knows no better: {outcomes:?}");

    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), 2), "{finished:?}");
    let _worker = world.worker().await;
    world.settled().await;
    for (key, state) in
        [("FIRST", "needs_review"), ("SECOND", "needs_review"), ("OTHER", "succeeded"), ("THIRD", "succeeded")]
    {
        assert_eq!(world.job(key).await["state"], state, "{key}");
    }
    let ledger = world.ledger().await;
    let of_order =
        |order: &str| ledger.keys.values().find(|record| record.bytes.contains(order)).map(|record| record.requests);
    assert_eq!((of_order("ORDER-1"), of_order("ORDER-3")), (Some(1), Some(1)), "{ledger:?}");
    let shown = world.job("SECOND").await;
    let reason = [&shown["reason"]["code"], &shown["reason"]["key"]];
    assert_eq!(reason, ["business_key_sent", "FIRST"], "{shown}");
}

#[tokio::test]
async fn a_job_cancelled_after_a_wipe_needs_review_once_restored() {
    let scene = Scene::start(Plan::new()).await;
    let world = &scene.world;
    let worker = world.worker().await;
    world.submit_new(&[transfer("PAID")]).await;
    world.settled().await;
    worker.kill();
    scene.flush().await;
    world.submit_new(&[transfer("PAID"), transfer("UNPAID")]).await;
    for key in ["PAID", "UNPAID"] {
        world.ok(&["cancel", key, "--reason", "it is not wanted any more"]).await;
    }
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), 1), "{finished:?}");
    assert_eq!(world.job("PAID").await["state"], "needs_review");
    assert_eq!(world.job("UNPAID").await["state"], "cancelled");
    let (again, nothing) = scene.reconcile(&[]).await;
    assert_eq!((again.code, nothing.len()), (Some(0), 0), "repeated, it changes nothing: {again:?}");
}

#[tokio::test]
async fn a_worker_dying_in_a_journal_write_has_sent_nothing() {
    for (point, known) in [
        ("before_journal", false),
        ("journal_half_written", false),
        ("journal_written", true),
        ("journal_synced", true),
    ] {
        let scene = Scene::start(Plan::new().both("on_ambiguous", "hold")).await;
        let world = &scene.world;
        let dying = world
            .worker_as(|command| {
                command.env("BURSAR_CRASH_AT", point);
            })
            .await;
        world.submit_new(&[transfer("T")]).await;
        eventually(SOON, &format!("the worker to die at {point}"), async || (!dying.is_running()).then_some(())).await;
        assert_eq!(world.books_agree().await.requests, 0, "{point}: no byte has left");

        let (finished, differences) = scene.reconcile(&[]).await;
        assert_eq!(
            (finished.code, differences.len()),
            (Some(0), 0),
            "{point}: Redis has forgotten nothing: {finished:?}"
        );
        scene.flush().await;
        let (finished, differences) = scene.reconcile(&[]).await;
        assert_eq!(differences.len(), usize::from(known), "{point}: {finished:?}");
        assert!(!finished.stderr.contains("damaged") && !finished.stderr.contains("checksum"), "{point}: {finished:?}");
    }
}

/// A worker whose disk takes an intent and never says so, and which dies after it has given the job back for that, before it
/// can note in the journal that nothing was sent.
async fn dies_before_it_notes_that_nothing_was_sent(scene: &Scene) {
    let world = &scene.world;
    let dying = world
        .worker_as(|command| {
            command.env("BURSAR_HANG_AT", "journal_written").env("BURSAR_CRASH_AT", "before_send_skipped");
        })
        .await;
    world.submit_new(&[transfer("T")]).await;
    eventually(SOON, "the worker to die", async || (!dying.is_running()).then_some(())).await;
    let job = world.job("T").await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!(0)), "{job}");
    assert!(dying.stderr().contains("its intent could not be written to the journal"), "{}", dying.stderr());
}

/// Takes back the job that the journals know of a send that was never made.
async fn taken_for_a_send(scene: &Scene) -> Value {
    let (finished, differences) = scene.reconcile(&[]).await;
    let [difference] = &differences[..] else { panic!("{finished:?}") };
    assert_eq!((&difference["found"], &difference["was"]), (&json!("behind"), &json!("queued")), "{finished:?}");
    let (again, nothing) = scene.reconcile(&[]).await;
    assert_eq!((again.code, nothing.len()), (Some(0), 0), "{again:?}");
    difference["state"].clone()
}

#[tokio::test]
async fn a_release_without_a_note_is_queried_or_reviewed_under_hold() {
    for (query_key, simulate) in [("trade_no", vec![]), ("platform_no", vec!["--query-by-key"])] {
        let plan = Plan::new().both("on_ambiguous", "hold").both("poll_deadline", "3s");
        let plan = plan.set("accounts.main.query_key", query_key);
        let scene = Scene::start(plan.simulate(&["--ignore-keys"]).simulate(&simulate)).await;
        let world = &scene.world;
        dies_before_it_notes_that_nothing_was_sent(&scene).await;
        assert_ne!(taken_for_a_send(&scene).await, "queued", "{query_key}");
        let _worker = world.worker().await;
        let job = world.until("T", "needs_review").await;
        assert_eq!(job["queries"].as_u64() > Some(0), query_key == "platform_no", "{job}");
        assert!(world.at_gateway("T").await.is_none(), "{query_key}: nothing was sent, and nothing is");
    }
}

#[tokio::test]
async fn a_release_without_a_note_is_possibly_sent_under_resend() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "resend")).await;
    let world = &scene.world;
    dies_before_it_notes_that_nothing_was_sent(&scene).await;
    assert_eq!(taken_for_a_send(&scene).await, "in_doubt");
    let _worker = world.worker().await;
    let job = world.until("T", "succeeded").await;
    assert_eq!(job["attempts"], 2, "the one that was not made counts as made: {job}");
    let record = world.books_agree().await.keys["T"].clone();
    assert_eq!((record.executions, record.requests), (1, 1));
}

#[tokio::test]
async fn a_release_without_a_note_continues_without_a_reconcile() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    dies_before_it_notes_that_nothing_was_sent(&scene).await;
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    let record = world.books_agree().await.keys["T"].clone();
    assert_eq!((record.executions, record.requests), (1, 1));
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(0), 0), "{finished:?}");
}

#[tokio::test]
async fn a_damaged_line_is_reported_and_the_others_are_used() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold")).await;
    let world = &scene.world;
    let worker = world.worker().await;
    for key in ["T1", "T2"] {
        world.submit_new(&[transfer(key)]).await;
        world.until(key, "succeeded").await;
    }
    worker.kill();
    let [file] = &scene.files()[..] else { panic!("one journal") };
    let mut text = std::fs::read(file).unwrap();
    let second_line = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    text[second_line + 20] ^= 1;
    std::fs::write(file, text).unwrap();
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), 0), "{finished:?}");
    assert!(finished.stderr.contains(&format!("{}:2: the checksum", file.display())), "{finished:?}");
    scene.flush().await;
    let (_, differences) = scene.reconcile(&[]).await;
    assert_eq!(differences.len(), 1, "readable entries are restored: {differences:?}");
    let missing = world.run(&["reconcile", "--journal", "/nonexistent.journal"]).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    let empty = tempfile::tempdir().unwrap();
    let empty = world.run(&["reconcile", "--journal", &empty.path().display().to_string()]).await;
    assert_eq!(empty.code, Some(2), "{empty:?}");
}

#[tokio::test]
async fn an_intact_redis_agrees_with_the_journals() {
    let plan = Plan::new().both("resend_max", 10).simulate(&["--latency", "20ms", "--faults", "mild"]);
    let scene = Scene::start(plan).await;
    let world = &scene.world;
    let mut workers = vec![world.worker().await, world.worker().await];
    world.submit_new(&jobs::transfers("LOAD", 80)).await;
    for _ in 0..3 {
        let ended = || async { world.list().await.iter().filter(|job| job["state"] == "succeeded").count() };
        let before = ended().await;
        eventually(SOON, "some progress", async || {
            let now = ended().await;
            if now > before || now > 70 { Ok(()) } else { Err(now) }
        })
        .await;
        workers.remove(0).kill();
        let (finished, differences) = scene.reconcile(&[]).await;
        assert_eq!((finished.code, differences.len()), (Some(0), 0), "in the middle of the work: {finished:?}");
        workers.push(world.worker().await);
    }
    world.settled().await;
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(0), 0), "{finished:?}");
    assert!(finished.stderr.contains("80 jobs in 5 journals"), "a file for each worker: {finished:?}");
    world.books_agree().await;
}
