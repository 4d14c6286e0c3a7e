//! Two builds of neighbouring record versions on one Redis, under load: the older one leaves what the newer one wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_test_support::eventually;
use serde_json::Value;

use crate::jobs::{self, transfers};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// A version after every build's own.
const NEWER: u32 = 99;

/// An older worker leaves a newer record for half a minute before it looks again; a busy machine takes as long once more.
const LEFT_AND_TAKEN: Duration = Duration::from_secs(90);

/// The states of the jobs whose keys begin so, with their number. Each key counts once: both builds claim and release these jobs
/// while the list is read, and a list that is read while jobs move may have one twice.
async fn states(world: &World, prefix: &str) -> BTreeMap<String, usize> {
    let mut state_of = BTreeMap::new();
    for job in world.list().await {
        let key = jobs::key(&job).to_owned();
        if key.starts_with(prefix) {
            state_of.insert(key, job["state"].as_str().unwrap_or_default().to_owned());
        }
    }
    let mut states = BTreeMap::new();
    for state in state_of.into_values() {
        *states.entry(state).or_default() += 1;
    }
    states
}

async fn until_succeeded(world: &World, prefix: &str, count: usize) {
    eventually(LEFT_AND_TAKEN, &format!("all of {prefix} to succeed"), async || {
        let states = states(world, prefix).await;
        if states == BTreeMap::from([("succeeded".to_owned(), count)]) { Ok(()) } else { Err(states) }
    })
    .await;
}

async fn until_received(world: &World, prefix: &str, at_least: usize) {
    eventually(SOON, &format!("{at_least} of {prefix} at the gateway"), async || {
        let received = world.ledger().await.keys.keys().filter(|key| key.starts_with(prefix)).count();
        if received >= at_least { Ok(()) } else { Err(received) }
    })
    .await;
}

#[tokio::test]
async fn builds_of_two_record_versions_work_side_by_side() {
    let world = Plan::new().simulate(&["--latency", "50ms"]).set("worker.concurrency", 4).start().await;
    let older = world.worker().await;
    world.submit_new(&transfers("BEFORE", 60)).await;
    until_received(&world, "BEFORE", 10).await;

    // Up: the newer build works on what the older one accepted and began, and its own jobs are left to it.
    world.upgraded_to(NEWER);
    let newer = world.worker().await;
    world.submit_new(&transfers("UP", 60)).await;
    until_received(&world, "UP", 10).await;

    // Down: the newer build is taken away in the middle of its work.
    newer.kill();
    world.submit_new(&transfers("LEFT", 20)).await;
    world.upgraded_to(None);
    world.submit_new(&transfers("DOWN", 40)).await;
    until_succeeded(&world, "DOWN", 40).await;
    let left = states(&world, "LEFT").await;
    assert_eq!(left, BTreeMap::from([("unreadable".to_owned(), 20)]), "the older build calls them what they are to it");
    let quarantined = world.ok(&["quarantine", "list", "--json"]).await;
    assert_eq!(quarantined, "", "nothing is wrong with them");
    let again = world.submit(&transfers("LEFT", 1)).await;
    assert!(again[0].starts_with("unreadable LEFT-001: ") && again[0].contains("newer build"), "{again:?}");
    assert!(older.is_running(), "{}", older.stderr());
    assert!(!world.ledger().await.keys.keys().any(|key| key.starts_with("LEFT")), "no worker has sent them");

    // Up again, and the older build goes.
    world.upgraded_to(NEWER);
    let _newer = world.worker().await;
    older.terminate();
    older.finished(SOON).await;
    for (prefix, count) in [("BEFORE", 60), ("UP", 60), ("LEFT", 20), ("DOWN", 40)] {
        until_succeeded(&world, prefix, count).await;
    }
    let ledger = world.books_agree().await;
    let twice: Vec<&String> =
        ledger.keys.iter().filter(|(_, record)| record.executions != 1).map(|(key, _)| key).collect();
    assert_eq!(twice, Vec::<&String>::new(), "paid twice");
    let _: Vec<Value> = world.settled().await;
}
