//! A lane's rate is one for all replicas together.

use std::collections::BTreeSet;

use crate::jobs;
use crate::plan::Plan;

const RATE: usize = 20;

/// One call may stand in the bucket at the beginning of a window.
const BURST: usize = 1;

/// What left Redis evenly may arrive closer together: so late may a request be on a busy machine.
const JITTER_MS: i64 = 150;

#[tokio::test]
async fn two_workers_together_never_exceed_the_rate() {
    let world = Plan::new().set("accounts.main.rate_per_second", 20).start().await;
    let _workers = [world.worker().await, world.worker().await];
    world.submit_new(&jobs::transfers("RATE", 60)).await;
    world.settled().await;
    let ledger = world.books_agree().await;
    let mut times: Vec<i64> = ledger.keys.values().flat_map(|record| record.request_times_ms.clone()).collect();
    times.sort_unstable();
    assert_eq!(times.len(), 60);

    for (from, begin) in times.iter().enumerate() {
        for (to, end) in times.iter().enumerate().skip(from) {
            let window_ms = usize::try_from(end - begin + JITTER_MS).unwrap();
            let allowed = RATE * window_ms / 1_000 + BURST;
            assert!(to - from < allowed + 1, "{} calls in {} ms: {times:?}", to - from + 1, end - begin);
        }
    }
    let took_ms = times[59] - times[0];
    assert!(took_ms < 6_000, "20 a second are 3 s for 60 calls, it took {took_ms} ms");
    let mut senders = BTreeSet::new();
    for job in world.list().await {
        let shown = world.job(job["platform_no"].as_str().unwrap()).await;
        senders.extend(
            shown["log"].as_array().unwrap().iter().filter_map(|line| Some(line["worker"].as_str()?.to_owned())),
        );
    }
    assert_eq!(senders.len(), 2, "both worked: {senders:?}");
}
