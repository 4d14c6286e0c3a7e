//! A Redis or a gateway that is not what it should be: said in the terms of the setting, with the exit code for it.

use std::time::{Duration, Instant};

use bursar_test_support::{Listen, Options, private_redis};
use serde_json::json;

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::World;

/// Everything that needs Redis.
const NEED_REDIS: [&[&str]; 16] = [
    &["submit", "/dev/null"],
    &["show", "T"],
    &["list"],
    &["queues"],
    &["notifications"],
    &["import", "list"],
    &["export"],
    &["reconcile"],
    &["query", "T", "--reason", "x"],
    &["cancel", "T", "--reason", "x"],
    &["pause", "main/transfer", "--reason", "x"],
    &["worker"],
    &["up"],
    &["serve"],
    &["doctor"],
    &["healthcheck"],
];

/// Nothing of a command is done, exit 3 says so, and the message names the setting without its password.
async fn all_say_unreachable(world: &World) {
    for arguments in NEED_REDIS {
        let began = Instant::now();
        let finished = world.run(arguments).await;
        assert_eq!(finished.code, Some(3), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains("redis.url"), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.contains("hunter2"), "{arguments:?}: {finished:?}");
        assert!(began.elapsed() < Duration::from_secs(15), "{arguments:?} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_redis_without_a_listener_is_unreachable() {
    let world = Plan::new().on_redis("redis://:hunter2@127.0.0.1:1/0").start().await;
    all_say_unreachable(&world).await;
}

#[tokio::test]
async fn something_that_is_no_redis_is_out_of_reach() {
    let world = Plan::new().start().await;
    world.set("redis.url", toml::Value::from(format!("redis://:hunter2@{}/0", world.gateway)));
    all_say_unreachable(&world).await;
}

/// A worker on this Redis does not start, and doctor says why, until the operator takes the risk.
async fn refuses_money(settings: &[(&str, &str)], check: &str) {
    let redis = private_redis(|options| {
        settings.iter().fold(Options { listen: Listen::Loopback, ..options }, |options, (name, value)| {
            options.setting(*name, *value)
        })
    });
    let world = Plan::new().set("redis.preflight", "refuse").on_redis(redis.url()).start().await;
    world.submit_new(&[transfer("T")]).await;
    let worker = world.run(&["worker"]).await;
    assert_eq!(worker.code, Some(1), "{worker:?}");
    assert!(worker.stderr.contains(check), "{worker:?}");
    assert!(worker.stderr.to_lowercase().contains("no money is sent on this redis"), "{worker:?}");
    let doctor = world.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let line = doctor.stdout.lines().find(|line| line.contains(check)).unwrap_or_else(|| panic!("{doctor:?}"));
    assert!(line.starts_with("REFUSE"), "{line}");
    assert_eq!(world.job("T").await["state"], "queued");
    assert_eq!(world.books_agree().await.requests, 0);

    world.set("redis.preflight", toml::Value::from("warn"));
    let worker = world.worker().await;
    assert!(worker.stderr().contains(check), "{}", worker.stderr());
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn no_money_is_sent_on_a_redis_that_evicts() {
    refuses_money(&[("maxmemory-policy", "allkeys-lru")], "redis.eviction").await;
}

#[tokio::test]
async fn no_money_is_sent_on_a_redis_that_forgets_at_a_restart() {
    refuses_money(&[("appendonly", "no")], "redis.appendonly").await;
}

#[tokio::test]
async fn no_money_is_sent_on_a_redis_without_own_fsync() {
    refuses_money(&[("appendfsync", "no")], "redis.appendfsync").await;
}

#[tokio::test]
async fn no_money_is_sent_under_a_lease_that_ends_before_a_call_does() {
    let redis = private_redis(|options| options);
    let plan = Plan::new().set("redis.preflight", "refuse").on_redis(redis.url());
    let world = plan.set("accounts.main.call_timeout", "3s").start().await;
    let worker = world.run(&["worker"]).await;
    assert_eq!(worker.code, Some(1), "{worker:?}");
    assert!(worker.stderr.contains("worker.lease is 2000 ms, shorter than call_timeout of account main"), "{worker:?}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_full_redis_refuses_new_jobs_and_records_responses() {
    let redis = private_redis(|options| options);
    let plan = Plan::new().on_redis(redis.url()).both("call_timeout", "5s");
    let world = plan.simulate(&["--latency", "1s"]).start().await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("BEFORE")]).await;
    world.until_received("BEFORE", 1).await;
    redis.configure("maxmemory", "1").await;
    let file = world.file(transfer("T").to_string()).display().to_string();
    let finished = world.run(&["submit", &file]).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(3), ""), "{finished:?}");
    assert!(finished.stderr.contains("submit them again"), "{finished:?}");
    let job = world.until("BEFORE", "succeeded").await;
    assert_eq!(job["attempts"], 1, "{job}");

    redis.configure("maxmemory", "0").await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn an_unreachable_gateway_is_a_warning_and_then_a_retry() {
    let world = Plan::new().start().await;
    world.stop_gateway();
    let doctor = world.run(&["doctor", "--json"]).await;
    let findings: Vec<serde_json::Value> =
        doctor.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reach: Vec<_> = findings.iter().filter(|finding| finding["check"] == "account.gateway").collect();
    assert_eq!(reach.len(), 2, "{findings:?}");
    for finding in reach {
        assert_eq!(finding["severity"], json!("warn"), "{finding}");
        assert!(finding["text"].as_str().unwrap().contains("does not accept connections"), "{finding}");
    }
    let balance = world.run(&["balance", "--node-id", "00061783"]).await;
    assert_eq!(balance.code, Some(3), "{balance:?}");
    world.start_gateway().await;
    world.books_agree().await;
}
