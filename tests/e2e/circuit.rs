//! One merchant's trouble is not everybody's: jobs whose own answers teach nothing, beside jobs that are well.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::jobs;
use crate::plan::Plan;
use crate::world::World;

/// How long healthy jobs may take beside others, whatever becomes of those.
const HEALTHY_WITHIN: Duration = Duration::from_secs(15);

/// 40 transfers of one merchant whose every send meets `fault`, then 80 of others, with two workers of few places; how long the
/// 80 took.
async fn healthy_beside(fault: &str) -> (World, Duration, String) {
    let world = Plan::new().start().await;
    let sick = jobs::transfers("SICK", 40);
    let rules: Vec<Value> =
        sick.iter().map(|job| json!({"key": jobs::key(job), "on": "send", "fault": fault})).collect();
    world.faults(Value::Array(rules)).await;
    world.submit_new(&sick).await;
    world.submit_new(&jobs::transfers("WELL", 80)).await;
    let workers = [world.worker().await, world.worker().await];
    let begun = Instant::now();
    let is_well = |job: &Value| job["platform_no"].as_str().is_some_and(|key| key.starts_with("WELL"));
    world.until_all("the healthy ones to end", |job| !is_well(job) || job["state"] == "succeeded").await;
    let took = begun.elapsed();
    let logs = workers.map(|worker| worker.stderr()).join("\n");
    (world, took, logs)
}

#[tokio::test]
async fn signed_responses_with_a_code_that_no_list_has_hold_up_nobody_else() {
    let (world, took, logs) = healthy_beside("unknown-refusal").await;
    assert!(took < HEALTHY_WITHIN, "{took:?}");
    assert!(!logs.contains("resting"), "the gateway answers: {logs}");
    world.books_agree().await;
}

#[tokio::test]
async fn responses_of_one_merchant_that_cannot_be_read_hold_up_others_for_seconds_at_most() {
    let (world, took, logs) = healthy_beside("bad-gateway-before").await;
    assert!(took < HEALTHY_WITHIN, "{took:?}: {logs}");
    world.books_agree().await;
}
