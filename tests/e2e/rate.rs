//! A lane's rate is one for all replicas together.

use std::collections::BTreeSet;

use bursar_domain::Millis;
use serde_json::Value;

use crate::jobs;
use crate::plan::Plan;

const JOBS: usize = 60;

const RATE: usize = 20;

/// One call may stand in the bucket at the beginning of a window.
const BURST: usize = 1;

/// Redis counts microseconds, its times are told in milliseconds.
const ROUNDING_MS: u64 = 1;

/// What left evenly may arrive bunched: so long may a process not be scheduled on a busy machine.
const UNSCHEDULED_MS: u64 = 500;

/// # Panics
/// When more than the rate allows stand in any window of `times_ms`, each of which may be wrong by `slack_ms`.
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

    let mut intents = Vec::new();
    for job in &jobs {
        let shown = world.job(jobs::key(job)).await;
        let log = shown["log"].as_array().unwrap();
        intents.extend(log.iter().filter(|line| line["event"] == "intent").cloned());
    }
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let times = intents.iter().map(|line| Millis::parse_rfc3339(&text(line, "at")).unwrap().0);
    assert_within_rate(times.collect(), ROUNDING_MS);
    let senders: BTreeSet<String> = intents.iter().map(|line| text(line, "worker")).collect();
    assert_eq!(senders.len(), 2, "both worked: {senders:?}");
}
