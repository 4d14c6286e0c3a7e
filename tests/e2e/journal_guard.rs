//! Redis comes back empty or with older data, workers are started again at once and producers repeat everything, before any
//! person acts: the journals prevent a second payment.

use bursar_simulator::{KeyRecord, Kind, Ledger};
use bursar_test_support::{Process, eventually};
use serde_json::Value;

use crate::jobs::{self, transfer};
use crate::journal::{Scene, mixed};
use crate::metrics::listener;
use crate::plan::Plan;
use crate::world::{SOON, World};

/// Submits jobs once more, as a producer does that got no reply; returns the outcomes.
async fn repeat(world: &World, jobs: &[Value]) -> Vec<String> {
    let lines: Vec<String> = jobs.iter().map(Value::to_string).collect();
    let file = world.file(lines.join("\n"));
    let finished = world.run(&["submit", &file.display().to_string()]).await;
    finished.stdout.lines().map(str::to_owned).collect()
}

/// Waits until the worker says that its journal knows more than Redis, and sees it so from outside. Nothing was sent meanwhile.
async fn sends_nothing(world: &World, worker: &Process, page: &str) {
    worker.wait_line(SOON, "word that nothing is sent", |line| line.contains("nothing is sent: ")).await;
    eventually(SOON, "the worker not to be ready", async || {
        let answer = reqwest::get(format!("{page}/readyz")).await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        if status == 503 && text.contains("journal.ahead") { Ok(()) } else { Err(format!("{status} {text}")) }
    })
    .await;
    let metrics = reqwest::get(format!("{page}/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\nbursar_sends_allowed 0\n"), "{metrics}");
    assert!(metrics.contains(r#"bursar_preflight_findings{check="journal.ahead",severity="refuse"} 1"#), "{metrics}");
    let doctor = world.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("REFUSE  journal.ahead"), "{doctor:?}");
}

/// A worker that may send again: ready, and `doctor` finds nothing of the journals' to say.
async fn sends_again(world: &World, page: &str) {
    eventually(SOON, "the worker to be ready", async || {
        let answer = reqwest::get(format!("{page}/readyz")).await.map_err(|error| error.to_string())?;
        if answer.status() == 200 { Ok(()) } else { Err(answer.text().await.unwrap()) }
    })
    .await;
    let doctor = world.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("fine    journal.ahead"), "{doctor:?}");
}

/// No money moved twice. A bill, which moves none, may have been uploaded again.
fn paid_once(ledger: &Ledger) {
    let moving: Vec<&KeyRecord> = ledger.keys.values().filter(|record| record.kind != Kind::BillUpload).collect();
    assert!(moving.len() >= 28, "{ledger:?}");
    assert!(moving.iter().all(|record| (record.executions, record.requests) == (1, 1)), "{moving:?}");
}

/// Starts a worker; where it serves its page.
async fn paged_worker(world: &World) -> (Process, String) {
    world.set("worker.listen", toml::Value::from("127.0.0.1:0"));
    let worker = world.worker().await;
    let page = format!("http://{}", listener(&worker).await);
    (worker, page)
}

#[tokio::test]
async fn nothing_is_repeated_on_an_empty_redis_after_restarts() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    let jobs = mixed();
    let worker = world.worker().await;
    world.submit_new(&jobs).await;
    world.settled().await;
    worker.kill();
    scene.flush().await;

    // The orchestrator starts the worker, the outbox repeats its jobs, and no person is near.
    let (worker, page) = paged_worker(world).await;
    let outcomes = repeat(world, &jobs).await;
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("new ")), "Redis knows of nothing: {outcomes:?}");
    sends_nothing(world, &worker, &page).await;
    let queues = world.ok(&["queues"]).await;
    assert_eq!(
        queues.matches("run `bursar reconcile --journal`").count(),
        3,
        "for workers that keep no journal: {queues}"
    );
    assert!(world.list().await.iter().all(|job| job["state"] == "queued"));
    for act in ["cancel", "send"] {
        let said = world.refused(&[act, "T-001", "--reason", "it was never sent"]).await;
        assert!(said.contains("a journal has sends that Redis has lost"), "{said}");
    }

    let (finished, differences) = scene.reconcile(&["--dry-run"]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), jobs.len()), "{finished:?}");
    sends_nothing(world, &worker, &page).await;
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), jobs.len()), "{finished:?}");
    worker.wait_line(SOON, "word that it goes on", |line| line.contains("sends go on")).await;
    sends_again(world, &page).await;
    for job in world.settled().await {
        assert_eq!(job["state"], if job["kind"] == "split" { "needs_review" } else { "succeeded" }, "{job}");
    }
    world.submit_new(&[transfer("NEXT")]).await;
    world.until("NEXT", "succeeded").await;
    paid_once(&world.books_agree().await);
}

#[tokio::test]
async fn nothing_is_repeated_on_a_redis_from_a_backup() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    let worker = world.worker().await;
    world.submit_new(&[transfer("EARLIER")]).await;
    world.until("EARLIER", "succeeded").await;
    worker.kill();
    let jobs = mixed();
    world.submit_new(&jobs).await;
    scene.remember();
    let worker = world.worker().await;
    world.settled().await;
    worker.kill();
    scene.restore();

    let (worker, page) = paged_worker(world).await;
    sends_nothing(world, &worker, &page).await;
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), jobs.len()), "EARLIER is known: {finished:?}");
    sends_again(world, &page).await;
    world.settled().await;
    paid_once(&world.books_agree().await);
}

#[tokio::test]
async fn nothing_is_repeated_under_a_new_account_name() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    let worker = world.worker().await;
    world.submit_new(&[transfer("K")]).await;
    world.until("K", "succeeded").await;
    worker.kill();
    scene.flush().await;
    let named = world.setting("accounts.main").unwrap();
    world.set("accounts.main", None);
    world.set("accounts.pay", named.clone());
    let (worker, page) = paged_worker(world).await;
    let renamed = jobs::having(transfer("K"), "account", "pay".into());
    assert_eq!(repeat(world, &[renamed]).await, ["new K"]);
    sends_nothing(world, &worker, &page).await;

    let (finished, _) = scene.reconcile(&[]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("main/transfer, which the configuration does not have"), "{finished:?}");
    sends_nothing(world, &worker, &page).await;
    assert_eq!(world.at_gateway("K").await.unwrap().requests, 1);
    world.set("accounts.main", named);
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), 1), "{finished:?}");
    world.set("accounts.main", None);
    sends_again(world, &page).await;
    let queues = world.ok(&["queues"]).await;
    assert!(queues.contains("bursar adopt main pay"), "the new name waits for a person: {queues}");
    world.ok(&["adopt", "main", "pay", "--reason", "it has another name"]).await;
    world.until("K", "succeeded").await;
    world.ok(&["resume", "pay/transfer", "--reason", "adopted"]).await;
    let next = jobs::having(transfer("NEXT"), "account", "pay".into());
    world.submit_new(&[next]).await;
    world.until("NEXT", "succeeded").await;
    assert_eq!(world.at_gateway("K").await.unwrap().requests, 1);
}

#[tokio::test]
async fn a_crash_loop_pushes_no_journal_out_that_knows_of_a_payment() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold").simulate(&["--ignore-keys"])).await;
    let world = &scene.world;
    world.set("journal.files", toml::Value::from(1));
    world.submit_new(&[transfer("K")]).await;
    scene.remember();
    let worker = world.worker().await;
    world.until("K", "succeeded").await;
    worker.kill();
    for _ in 0..5 {
        world.worker().await.kill();
    }
    scene.restore();
    let (finished, differences) = scene.reconcile(&[]).await;
    assert_eq!((finished.code, differences.len()), (Some(1), 1), "{finished:?}");
    let _worker = world.worker().await;
    world.until("K", "succeeded").await;
    assert_eq!(world.books_agree().await.keys["K"].requests, 1);
}

#[tokio::test]
async fn an_empty_redis_that_must_exist_is_refused_by_every_command() {
    let scene = Scene::start(Plan::new().both("on_ambiguous", "hold")).await;
    let world = &scene.world;
    world.set("journal.dir", None);
    world.set("redis.expect", toml::Value::from("existing"));
    let file = world.file(transfer("K").to_string()).display().to_string();
    for command in [&["worker"][..], &["serve"], &["submit", &file], &["doctor"]] {
        let finished = world.run(command).await;
        assert_eq!(finished.code, Some(1), "{command:?}: {finished:?}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains("redis.expect") && said.contains("this Redis is empty"), "{command:?}: {finished:?}");
    }

    world.set("redis.expect", None);
    let worker = world.worker().await; // the first start
    worker.kill();
    world.set("redis.expect", toml::Value::from("existing"));
    assert!(world.ok(&["doctor"]).await.contains("fine    redis.expect"));
    let (worker, page) = paged_worker(world).await;
    world.submit_new(&[transfer("K")]).await;
    world.until("K", "succeeded").await;
    // It is emptied while the worker lives, and the producer, elsewhere, knows no better.
    scene.flush().await;
    worker
        .wait_line(SOON, "word that nothing is sent", |line| line.contains("nothing is sent: this Redis is empty"))
        .await;
    let ready = reqwest::get(format!("{page}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 503);
    world.set("redis.expect", None);
    let outcomes = repeat(world, &[transfer("K")]).await;
    assert_eq!(outcomes, ["new K"], "that command takes any Redis");
    let output = worker.wait_line(SOON, "the queue's word", |line| line.contains("Redis has lost writes")).await;
    assert!(output.contains("main/transfer"), "{output}");
    assert_eq!(world.at_gateway("K").await.unwrap().requests, 1);
}

#[tokio::test]
async fn doctor_reports_an_unwritable_or_open_journal() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::start(Plan::new()).await;
    let world = &scene.world;
    let doctor = async || world.run(&["doctor"]).await.stdout;
    std::fs::set_permissions(scene.journal.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let output = doctor().await;
    assert!(output.contains("fine    journal "), "{output}");
    std::fs::set_permissions(scene.journal.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let output = doctor().await;
    let warning = output.lines().find(|line| line.starts_with("warn ") && line.contains("journal.dir"));
    assert!(warning.is_some_and(|line| line.contains("mode 755") && line.contains("chmod 700")), "{output}");
    assert_eq!(scene.files().len(), 0, "it leaves nothing there");
    world.set("journal.dir", toml::Value::from("/proc"));
    let output = doctor().await;
    assert!(output.contains("REFUSE  journal ") && output.contains("nothing can be written to /proc"), "{output}");
}

/// An account that holds, at a gateway that executes whatever it receives, with some work under way.
async fn in_the_middle_of_the_work() -> (Scene, [Process; 2], Vec<Value>) {
    let plan = Plan::new().both("on_ambiguous", "hold").set("worker.concurrency", 4);
    let scene = Scene::start(plan.simulate(&["--ignore-keys", "--latency", "40ms"])).await;
    let jobs = jobs::transfers("LOAD", 120);
    let workers = [scene.world.worker().await, scene.world.worker().await];
    scene.world.submit_new(&jobs).await;
    eventually(SOON, "half of the work", async || {
        let executed = scene.world.ledger().await.executed;
        if executed >= 40 { Ok(()) } else { Err(executed) }
    })
    .await;
    (scene, workers, jobs)
}

/// The journals are reconciled, everything is submitted once more, queues that lost writes are resumed, and every job ends or waits
/// for a person.
async fn repeated_and_settled(scene: &Scene, jobs: &[Value]) {
    let world = &scene.world;
    let (finished, _) = scene.reconcile(&[]).await;
    assert!(finished.stderr.contains(" jobs in "), "{finished:?}");
    assert_eq!(repeat(world, jobs).await.len(), jobs.len());
    eventually(SOON * 2, "every job to end", async || {
        // Each worker that knows of the loss pauses the queue once.
        world.run(&["resume", "main/transfer", "--reason", "the journals were reconciled"]).await;
        let open = |job: &Value| !["succeeded", "needs_review"].contains(&job["state"].as_str().unwrap());
        let (listed, left) = (world.list().await, world.list().await.into_iter().filter(open).count());
        if listed.len() == jobs.len() && left == 0 { Ok(()) } else { Err((listed.len(), left)) }
    })
    .await;
    let ledger = world.books_agree().await;
    assert!(ledger.keys.values().all(|record| record.executions == 1), "{ledger:?}");
    for job in world.list().await {
        let paid = ledger.keys.contains_key(jobs::key(&job));
        assert!(paid || job["state"] == "needs_review", "unpaid, and no person is asked: {job}");
    }
}

#[tokio::test]
async fn a_redis_wiped_with_its_workers_pays_everything_once() {
    let (scene, workers, jobs) = in_the_middle_of_the_work().await;
    workers.into_iter().for_each(|worker| worker.kill());
    scene.flush().await;
    let (first, second) = (scene.world.worker().await, scene.world.worker().await);
    repeat(&scene.world, &jobs).await;
    for worker in [&first, &second] {
        worker.wait_line(SOON, "word that nothing is sent", |line| line.contains("nothing is sent: ")).await;
    }
    repeated_and_settled(&scene, &jobs).await;
}

#[tokio::test]
async fn a_redis_wiped_under_live_workers_pays_everything_once() {
    let (scene, workers, jobs) = in_the_middle_of_the_work().await;
    scene.flush().await;
    repeat(&scene.world, &jobs).await;
    for worker in &workers {
        worker.wait_line(SOON, "word that nothing is sent", |line| line.contains("nothing is sent: ")).await;
    }
    repeated_and_settled(&scene, &jobs).await;
}

#[tokio::test]
async fn readiness_reports_an_unwritable_journal() {
    let scene = Scene::start(Plan::new()).await;
    let world = &scene.world;
    world.set("journal.dir", toml::Value::from("/proc")); // a folder that is there and takes no file
    let (_worker, page) = paged_worker(world).await;
    world.submit_new(&[transfer("K")]).await;
    eventually(SOON, "the worker not to be ready", async || {
        let answer = reqwest::get(format!("{page}/readyz")).await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        if status == 503 && text.contains("journal refuses") { Ok(()) } else { Err(format!("{status} {text}")) }
    })
    .await;
    assert_eq!(world.job("K").await["state"], "queued");
}
