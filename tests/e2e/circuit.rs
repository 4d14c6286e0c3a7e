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
    healthy_of("amy99a", fault, 40).await
}

/// The same where the healthy ones are this payer's, and the others are so many.
async fn healthy_of(payer: &str, fault: &str, sick: usize) -> (World, Duration, String) {
    let world = Plan::new().start().await;
    let sick = jobs::transfers("SICK", sick);
    let rules: Vec<Value> =
        sick.iter().map(|job| json!({"key": jobs::key(job), "on": "send", "fault": fault})).collect();
    world.faults(Value::Array(rules)).await;
    world.submit_new(&sick).await;
    let well = jobs::transfers("WELL", 80).into_iter();
    let well: Vec<Value> = well.map(|job| jobs::with(job, "payer_store_no", json!(payer))).collect();
    world.submit_new(&well).await;
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
    assert!(!logs.contains("sends pause"), "the gateway answers: {logs}");
    world.books_agree().await;
}

#[tokio::test]
async fn responses_of_one_merchant_that_cannot_be_read_hold_up_others_for_seconds_at_most() {
    let (world, took, logs) = healthy_beside("bad-gateway-before").await;
    assert!(took < HEALTHY_WITHIN, "{took:?}: {logs}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_flood_of_one_merchant_whose_responses_cannot_be_read_holds_up_that_merchant_alone() {
    let (world, took, logs) = healthy_of("bob11c", "bad-gateway-before", 300).await;
    println!("the healthy ones took {took:?}");
    assert!(took < HEALTHY_WITHIN, "{took:?}: {logs}");
    assert!(logs.contains("the group pauses"), "{logs}");
    world.books_agree().await;
}
