//! A queue's rate is one for all replicas together.

use std::collections::BTreeSet;

use bursar_test_support::eventually;

use crate::plan::Plan;
use crate::world::SOON;
use crate::{http, jobs};

const JOBS: usize = 60;

const RATE: usize = 20;

/// One call may be in the bucket at the beginning of a window.
const BURST: usize = 1;

/// Calls that left evenly may arrive bunched: a busy machine may not schedule a process for so long.
const UNSCHEDULED_MS: u64 = 500;

/// # Panics
/// When any window of `times_ms`, each of which may be wrong by `slack_ms`, has more than the rate allows.
fn assert_within_rate(mut times_ms: Vec<u64>, slack_ms: u64) {
    times_ms.sort_unstable();
    assert_eq!(times_ms.len(), JOBS);
    for (from, begin) in times_ms.iter().enumerate() {
        for (to, end) in times_ms.iter().enumerate().skip(from) {
            let window_ms = usize::try_from(end - begin + slack_ms).unwrap();
            let calls = to - from + 1;
            assert!(calls <= RATE * window_ms / 1_000 + BURST, "{calls} calls in {} ms: {times_ms:?}", end - begin);
        }
    }
}

#[tokio::test]
async fn two_workers_together_never_exceed_the_rate() {
    let world = Plan::new().set("accounts.main.rate_per_second", 20).start().await;
    let _workers = [world.worker().await, world.worker().await];
    let jobs = jobs::transfers("RATE", JOBS);
    world.submit_new(&jobs).await;
    world.settled().await;

    let ledger = world.books_agree().await;
    let arrivals = ledger.keys.values().flat_map(|record| record.request_times_ms.clone());
    assert_within_rate(arrivals.map(i64::cast_unsigned).collect(), UNSCHEDULED_MS);

    let mut senders = BTreeSet::new();
    for job in &jobs {
        let shown = world.job(jobs::key(job)).await;
        let history = shown["history"].as_array().unwrap();
        senders.extend(history.iter().filter_map(|event| event["worker"].as_str()).map(str::to_owned));
    }
    assert_eq!(senders.len(), 2, "both worked: {senders:?}");
}

/// One query may make several requests, one for each number that the gateway has named for the job.
#[tokio::test]
async fn an_query_by_several_numbers_pays_for_each_of_its_requests() {
    const QUERIED: usize = 12;
    let plan = Plan::new().set("accounts.main.rate_per_second", 10).set("accounts.main.poll", vec!["100ms"]);
    let world =
        plan.set("accounts.main.call_timeout", "2s").simulate(&["--lives", "9-1", "--life-step", "1h"]).start().await;
    let first = world.worker().await;
    world.submit_new(&jobs::transfers("MANY", QUERIED)).await;
    world.until_all("all to be accepted", |job| job["state"] == "pending").await;
    first.terminate();
    first.finished(SOON).await;

    let url = world.setting("redis.url").unwrap().as_str().unwrap().to_owned();
    let prefix = world.setting("redis.prefix").unwrap().as_str().unwrap().to_owned();
    let mut redis = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    for job in jobs::transfers("MANY", QUERIED) {
        let named = format!("{prefix}:*:job:main/transfer:{}", jobs::key(&job));
        let names: Vec<String> = redis::cmd("KEYS").arg(named).query_async(&mut redis).await.unwrap();
        let text: String = redis::cmd("GET").arg(&names[0]).query_async(&mut redis).await.unwrap();
        let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
        // Two unknown numbers are queried before the known one.
        record["trade_nos"].as_array_mut().unwrap().extend(["UNKNOWN1".into(), "UNKNOWN2".into()]);
        let _: String = redis::cmd("SET").arg(&names[0]).arg(record.to_string()).query_async(&mut redis).await.unwrap();
    }
    let _workers = [world.worker().await, world.worker().await];
    let queries = async || http::get(&world.gateway, "/_stats").await["queries"].as_u64().unwrap();
    let (before, begun) = (queries().await, std::time::Instant::now());
    eventually(SOON, "a few dozen questions", async || {
        let queried = queries().await - before;
        let slack_ms = u128::from(UNSCHEDULED_MS);
        let most = u64::try_from(10 * (begun.elapsed().as_millis() + slack_ms) / 1_000).unwrap() + BURST as u64;
        assert!(queried <= most, "{queried} requests in {:?}", begun.elapsed());
        if queried >= 36 { Ok(()) } else { Err(queried) }
    })
    .await;
    world.books_agree().await;
}
