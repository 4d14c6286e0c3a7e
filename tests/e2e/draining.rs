//! SIGTERM: what is in flight ends, what is queued stays queued, and the exit code is 0.

use std::time::{Duration, Instant};

use bursar_test_support::Process;
use serde_json::json;

use crate::jobs::{self, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

#[tokio::test]
async fn a_draining_worker_finishes_its_calls_and_exits_0() {
    let plan = Plan::new().set("worker.concurrency", 2).both("call_timeout", "5s");
    let world = plan.simulate(&["--latency", "700ms"]).start().await;
    let worker = world.worker().await;
    world.submit_new(&jobs::transfers("DRAIN", 8)).await;
    world.until_received("DRAIN-001", 1).await;
    worker.terminate();
    let finished = worker.finished(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");

    let jobs = world.list().await;
    let ledger = world.books_agree().await;
    let sent = jobs.iter().filter(|job| job["state"] == "succeeded").count();
    assert_eq!(sent, ledger.keys.len(), "whatever was sent was finished: {jobs:?}");
    assert!((1..=2).contains(&sent), "nothing new was claimed: {jobs:?}");
    let queued: Vec<_> = jobs.iter().filter(|job| job["state"] == "queued").collect();
    assert_eq!(queued.len(), 8 - sent, "{jobs:?}");
    assert!(queued.iter().all(|job| job["attempts"] == 0), "{queued:?}");

    let _next = world.worker().await;
    world.settled().await;
    let ledger = world.books_agree().await;
    assert_eq!((ledger.executed, ledger.requests), (8, 8));
}

/// A world with one transfer that was executed and whose answer does not come.
async fn one_silent(drain: &str) -> World {
    let world = Plan::new().set("worker.drain", drain).set("accounts.main.call_timeout", "8s").start().await;
    world.faults(json!({"key": "SILENT", "on": "send", "fault": "hang-after", "ms": 7_000})).await;
    world
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_in_doubt() {
    let world = one_silent("300ms").await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("SILENT")]).await;
    world.until_received("SILENT", 1).await;
    worker.terminate();
    let began = Instant::now();
    let finished = worker.finished(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "it waited {:?} for a drain of 300 ms", began.elapsed());
    let job = world.job("SILENT").await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("in_doubt"), &json!(1)), "{job}");

    let _next = world.worker().await;
    world.until("SILENT", "succeeded").await;
    assert_eq!(world.books_agree().await.keys["SILENT"].executions, 1);
}

/// A worker in the middle of a payment that takes two seconds.
async fn one_slow() -> (World, Process) {
    let plan = Plan::new().both("call_timeout", "8s").set("worker.lease", "9s").set("worker.drain", "30s");
    let world = plan.simulate(&["--latency", "2s"]).start().await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("SLOW")]).await;
    world.until_received("SLOW", 1).await;
    (world, worker)
}

/// By an init and a process group, say: two ways on which one request arrives.
#[tokio::test]
async fn a_second_sigterm_soon_after_the_first_cuts_no_payment() {
    let (world, worker) = one_slow().await;
    worker.terminate();
    worker.wait_line(SOON, "word that it drains", |line| line.contains("draining")).await;
    worker.terminate();
    let finished = worker.finished(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(world.job("SLOW").await["state"], "succeeded", "{finished:?}");
    world.books_agree().await;
}

/// A closed terminal, or a log rotation that knows no better.
#[tokio::test]
async fn sighup_cuts_no_payment_however_often_it_comes() {
    let (world, worker) = one_slow().await;
    for _ in 0..3 {
        worker.hang_up();
        worker.wait_line(SOON, "word of a reload", |line| line.contains("read the configuration again")).await;
    }
    assert!(worker.is_running());
    world.until("SLOW", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_second_sigterm_after_five_seconds_ends_the_worker() {
    let world = one_silent("30s").await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("SILENT")]).await;
    world.until_received("SILENT", 1).await;
    worker.terminate();
    worker.wait_line(SOON, "word that it drains", |line| line.contains("draining")).await;
    tokio::time::sleep(Duration::from_millis(5_100)).await; // the rule is the time itself
    assert!(worker.is_running(), "it waits for the call in flight");
    worker.terminate();
    let began = Instant::now();
    let finished = worker.finished(SOON).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(finished.stderr.contains("second request to end"), "{}", finished.stderr);
    assert_eq!(world.job("SILENT").await["state"], "in_doubt");

    let _next = world.worker().await;
    world.until("SILENT", "succeeded").await;
    assert_eq!(world.books_agree().await.keys["SILENT"].executions, 1);
}

#[tokio::test]
async fn an_idle_worker_drains_at_once() {
    let world = Plan::new().set("worker.drain", "30s").start().await;
    let worker = world.worker().await;
    worker.terminate();
    let began = Instant::now();
    assert_eq!(worker.finished(SOON).await.code, Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    world.books_agree().await;
}
