//! The cost of each script inside Redis, for each of its jobs: microseconds and commands.

use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::Run;
use crate::report::{Figure, Report};
use crate::span::Span;
use crate::steps::{BATCH, Cost, End, Steps};

/// Calls of each step.
const CALLS: u32 = 60;

/// Jobs reduced in one call, as the worker does it.
const PURGED: u32 = 200;

pub(crate) async fn measure(_: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("the scripts, inside Redis");
    let span = Span::begin(redis, None).await?;
    let costs = every_script(redis).await?;
    let usage = span.end(redis).await?;
    for (name, says, cost) in &costs {
        let runs = [Run { measured: cost.micros(), usage: usage.clone() }];
        let says = format!("{says} ({} commands)", crate::report::shown(cost.commands()));
        report.add(Figure::of_runs(*name, says, "µs/job in Redis", &runs, |run| run.measured))?;
    }
    let longest = costs.iter().find(|(name, ..)| *name == "script.purge").map(|(.., cost)| cost.longest_millis(PURGED));
    let runs = [Run { measured: longest.unwrap_or(f64::NAN), usage }];
    report.add(Figure::of_runs("script.purge_longest", "longest call of purge, 200 jobs", "ms", &runs, |run| {
        run.measured
    }))?;
    Ok(())
}

async fn every_script(redis: &mut Observed) -> anyhow::Result<Vec<(&'static str, &'static str, Cost)>> {
    let mut steps = Steps::on(redis).await?;
    let mut costs: [Cost; 9] = Default::default();
    let [submit, claim, release, renew, commit, query, unchanged, idle, purge] = &mut costs;
    for call in 0..CALLS {
        steps.submit(submit, call * BATCH).await?;
    }
    let mut rest = Cost::default();
    for _ in 0..CALLS {
        let claimed = steps.claim(claim).await?;
        steps.renew(renew, &claimed).await?;
        steps.release(release, &claimed).await?;
    }
    // Half of the jobs end with their send, half are queried first.
    for call in 0..CALLS {
        let claimed = steps.claim(&mut rest).await?;
        if call % 2 == 0 {
            steps.commit(commit, &claimed, End::Succeeded).await?;
        } else {
            steps.commit(&mut rest, &claimed, End::PendingDueNow).await?;
            let asking = steps.claim(query).await?;
            steps.commit(unchanged, &asking, End::UnchangedDueNow).await?;
            let asking = steps.claim(query).await?;
            steps.commit(&mut rest, &asking, End::QuerySucceeded).await?;
        }
    }
    for _ in 0..CALLS {
        steps.claim_nothing(idle).await?;
    }
    while steps.purge(purge, PURGED).await? == PURGED {}
    let names = [
        ("script.submit", "submit"),
        ("script.claim_send", "claim to send"),
        ("script.release", "release, unsent"),
        ("script.renew", "renew"),
        ("script.commit_end", "commit, ended"),
        ("script.claim_query", "claim to query"),
        ("script.commit_unchanged", "commit, queried and unchanged"),
        ("script.claim_nothing", "a claim that finds nothing"),
        ("script.purge", "purge"),
    ];
    Ok(names.into_iter().zip(costs).map(|((name, says), cost)| (name, says, cost)).collect())
}
