//! One merchant's fault does not delay others: jobs whose responses prove nothing, together with healthy jobs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::jobs;
use crate::plan::Plan;
use crate::world::World;

/// The time in which healthy jobs end, whatever the others do.
const HEALTHY_WITHIN: Duration = Duration::from_secs(15);

/// 40 transfers of one merchant whose every send meets `fault`, then 80 of others, with two workers of few places; how long the
/// 80 took.
async fn healthy_among(fault: &str) -> (World, Duration, String) {
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
async fn signed_unknown_codes_delay_no_one_else() {
    let (world, took, logs) = healthy_among("unknown-refusal").await;
    assert!(took < HEALTHY_WITHIN, "{took:?}");
    assert!(!logs.contains("sends pause"), "the gateway answers: {logs}");
    world.books_agree().await;
}

#[tokio::test]
async fn one_merchants_unreadable_responses_delay_others_briefly() {
    let (world, took, logs) = healthy_among("bad-gateway-before").await;
    assert!(took < HEALTHY_WITHIN, "{took:?}: {logs}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_flood_of_unreadable_responses_stops_its_merchant_alone() {
    let (world, took, logs) = healthy_of("bob11c", "bad-gateway-before", 300).await;
    println!("the healthy ones took {took:?}");
    assert!(took < HEALTHY_WITHIN, "{took:?}: {logs}");
    assert!(logs.contains("the group pauses"), "{logs}");
    world.books_agree().await;
}
