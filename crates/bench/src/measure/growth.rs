//! Whether a submit, a claim and a commit cost the same however many jobs are queued, wait to be asked about, or lie in
//! other lanes.

use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::Run;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::steps::{BATCH, Cost, End, Steps};

/// Jobs that wait to be asked about, beside the queued ones.
const ASKS: u32 = 100_000;

/// Calls of each step at each size.
const CALLS: u32 = 40;

/// Lanes, beside the one, each with one batch of jobs.
const LANES: u32 = 1_000;

/// Queued jobs, and the figures' names.
const SIZES: [(u32, &str, [&str; 3]); 3] = [
    (1_000, "10³ queued, 10⁵ to be asked about", ["growth.submit_1e3", "growth.claim_1e3", "growth.commit_1e3"]),
    (100_000, "10⁵ queued, 10⁵ to be asked about", ["growth.submit_1e5", "growth.claim_1e5", "growth.commit_1e5"]),
    (1_000_000, "10⁶ queued, 10⁵ to be asked about", ["growth.submit_1e6", "growth.claim_1e6", "growth.commit_1e6"]),
];

const IN_LANES: [&str; 3] = ["growth.submit_lanes", "growth.claim_lanes", "growth.commit_lanes"];

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("growth: 10⁵ jobs to be asked about, up to 10⁶ queued ones");
    let largest = options.jobs.unwrap_or(u32::MAX);
    let span = Span::begin(redis, None).await?;
    let mut steps = Steps::on(redis).await?;
    steps.fill_asks(ASKS).await?;
    let (mut made, mut costs) = (ASKS, Vec::new());
    for (size, says, names) in SIZES.into_iter().filter(|(size, ..)| *size <= largest) {
        // What the measurement before submitted it has also ended.
        let queued: u32 = steps.store.lane_status(&jobs::lane()?).await?.to_send.try_into()?;
        let missing = size.saturating_sub(queued).max(BATCH);
        jobs::fill_from(&steps.store, made, made + missing).await?;
        made += missing;
        if !steps.settled().await? {
            eprintln!("the table of keys still moves: commands cost more meanwhile");
        }
        costs.push((names, says, at_this_size(&mut steps, made).await?));
        made += CALLS * BATCH;
    }
    drop(steps);
    let usage = span.end(redis).await?;
    costs.push((IN_LANES, "10⁵ queued in 1,000 lanes", in_lanes(redis).await?));
    for (names, says, cost) in &costs {
        tell(report, names, says, cost, &usage)?;
    }
    redis.clear().await
}

/// Submits as many as it ends, so that the size stays.
async fn at_this_size(steps: &mut Steps<'_>, made: u32) -> anyhow::Result<[Cost; 3]> {
    let mut costs: [Cost; 3] = Default::default();
    let [submit, claim, commit] = &mut costs;
    for call in 0..CALLS {
        steps.submit(submit, made + call * BATCH).await?;
        let claimed = steps.claim(claim).await?;
        steps.commit(commit, &claimed, End::Succeeded).await?;
    }
    Ok(costs)
}

async fn in_lanes(redis: &mut Observed) -> anyhow::Result<[Cost; 3]> {
    let mut costs: [Cost; 3] = Default::default();
    let [submit, claim, commit] = &mut costs;
    let mut steps = Steps::on(redis).await?;
    for lane in 0..LANES {
        steps.turn_to(&format!("a{lane:03}"))?;
        steps.submit(submit, lane * BATCH).await?;
    }
    for lane in 0..LANES {
        steps.turn_to(&format!("a{lane:03}"))?;
        let claimed = steps.claim(claim).await?;
        steps.commit(commit, &claimed, End::Succeeded).await?;
    }
    Ok(costs)
}

fn tell(
    report: &mut Report<'_>,
    names: &[&'static str; 3],
    says: &str,
    costs: &[Cost; 3],
    usage: &Usage,
) -> anyhow::Result<()> {
    for ((name, step), cost) in names.iter().zip(["submit", "claim", "commit"]).zip(costs) {
        let runs = [Run { measured: cost.micros(), usage: usage.clone() }];
        report.add(Figure::of_runs(name, format!("{step}, {says}"), "µs/job in Redis", &runs, |run| run.measured))?;
    }
    Ok(())
}
