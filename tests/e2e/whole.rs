//! The commands that bring everything along: `demo`, and `up --embedded`.

use bursar_test_support::{Finished, Process};
use serde_json::{Value, json};

use crate::jobs::{self, having, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World, bursar};

async fn demo(arguments: &[&str]) -> Finished {
    let finished = Process::run("the demo", bursar(&[&["demo"], arguments].concat()), SOON * 3).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished
}

#[tokio::test]
async fn the_demo_pays_every_job_once_although_a_worker_is_killed() {
    let finished = demo(&["--jobs", "60", "--faults", "mild", "--kills", "1", "--json"]).await;
    let verdict: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&verdict["jobs"], &verdict["paid_twice"]), (&json!(60), &json!(0)), "{verdict}");
    assert_eq!((&verdict["agree"], &verdict["workers_killed"]), (&json!(true), &json!(1)), "{verdict}");
    assert_eq!(finished.stderr, "", "machines are shown no progress");
}

#[tokio::test]
async fn the_demo_ends_with_a_table_and_a_sentence_for_people() {
    let finished = demo(&["--jobs", "12", "--faults", "none"]).await;
    assert!(finished.stdout.contains("gateway: done"), "{finished:?}");
    let last = finished.stdout.lines().last().unwrap();
    assert!(last.starts_with("12 jobs in ") && last.contains("Paid twice: 0."), "{last}");
}

/// `bursar up --embedded` on the world's configuration, and the way for other commands to reach its Redis.
async fn up(world: &World, data: &str) -> Process {
    let up = Process::start("bursar up", world.command(&["up", "--embedded", "--data", data]));
    let line = up.wait_line(SOON, "where its Redis is", |line| line.contains("BURSAR_REDIS__URL=")).await;
    let url = line.split("BURSAR_REDIS__URL=").nth(1).unwrap().split_whitespace().next().unwrap();
    world.set("redis.url", toml::Value::from(url));
    up.wait_line(SOON, "word that it works", |line| line.contains("working")).await;
    up
}

#[tokio::test]
async fn up_with_its_own_redis_keeps_jobs_over_a_crash() {
    let world = Plan::new().set("redis.preflight", "refuse").on_redis("redis://127.0.0.1:1").start().await;
    world.set("worker.lease", toml::Value::from("4s"));
    world.set("accounts.main.call_timeout", toml::Value::from("4s"));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();

    let first = up(&world, &data).await;
    world
        .submit_new(&[transfer("FIRST"), having(transfer("LATER"), "run_at", json!(jobs::in_days(300).rfc3339()))])
        .await;
    world.until("FIRST", "succeeded").await;
    first.terminate();
    let finished = first.finished(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(world.run(&["list"]).await.code, Some(3), "its Redis is gone with it");

    let second = up(&world, &data).await;
    assert_eq!(world.job("FIRST").await["state"], "succeeded");
    assert_eq!(world.job("LATER").await["state"], "queued");
    assert_eq!(world.submit(&[transfer("FIRST")]).await, ["existing succeeded FIRST"]);
    world.faults(json!({"key": "CRASH", "on": "send", "fault": "hang-after"})).await;
    world.submit_new(&[transfer("CRASH")]).await;
    world.until_received("CRASH", 1).await;
    second.kill();
    second.finished(SOON).await;

    let _third = up(&world, &data).await;
    let job = world.until("CRASH", "succeeded").await;
    assert_eq!(job["attempts"], 2, "{job}");
    assert_eq!(world.books_agree().await.executed, 2);
}

#[tokio::test]
async fn up_on_a_configured_redis_drains_like_a_worker() {
    let world = Plan::new().start().await;
    let up = Process::start("bursar up", world.command(&["up"]));
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    up.terminate();
    assert_eq!(up.finished(SOON).await.code, Some(0));
    world.books_agree().await;
}
