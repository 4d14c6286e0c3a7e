//! The first page of a search over many finished jobs: the time that its caller waits.

use std::time::Instant;

use bursar_domain::{Fen, JobFilter, Millis, State};

use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::Run;
use crate::report::{Figure, Report, median};
use crate::span::Span;
use crate::steps::{BATCH, Cost, End, Steps};

/// Finished jobs.
const JOBS: u32 = 1_000_000;

/// Jobs on a page.
const PAGE: usize = 100;

/// Searches of each filter.
const SEARCHES: usize = 20;

pub(crate) async fn measure(options: &Options, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("find: the first page over 10⁶ finished jobs");
    let count = options.jobs_or(JOBS);
    let mut server = Observed::private(options.fsync.into()).await?;
    let store = filled(&mut server, count).await?;
    let queues = [jobs::queue()?];
    for (name, says, filter) in filters() {
        let span = Span::begin(&mut server, None).await?;
        let (mut millis, mut found) = (Vec::with_capacity(SEARCHES), 0);
        for _ in 0..SEARCHES {
            let began = Instant::now();
            found = store.find(&queues, &filter, None, PAGE).await?.jobs.len();
            millis.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let runs = [Run { measured: median(millis), usage: span.end(&mut server).await? }];
        let says = format!("first page over {count} finished jobs, {says}: {found} jobs");
        report.add(Figure::of_runs(name, says, "ms", &runs, |run| run.measured))?;
    }
    Ok(())
}

/// A store with so many jobs that have succeeded.
async fn filled(server: &mut Observed, count: u32) -> anyhow::Result<bursar_store::Store> {
    let mut steps = Steps::on(server).await?;
    for batch in 0..count.div_ceil(BATCH) {
        steps.submit(&mut Cost::default(), batch * BATCH).await?;
        let claimed = steps.claim(&mut Cost::default()).await?;
        steps.commit(&mut Cost::default(), &claimed, End::Succeeded).await?;
    }
    Ok(steps.store)
}

/// The filters: names of figures, what they say, and the filters themselves. The last ones find nothing, which is the longest search.
fn filters() -> Vec<(&'static str, &'static str, JobFilter)> {
    let any = JobFilter::default;
    let text = |text: &str| Some(text.to_owned());
    vec![
        ("find.all", "all", any()),
        ("find.state", "by state", JobFilter { state: Some(State::Succeeded), ..any() }),
        ("find.time", "since 1970", JobFilter { since: Some(Millis(1)), ..any() }),
        ("find.amount", "by amount", JobFilter { min_amount: Fen::new(50_000), ..any() }),
        ("find.prefix", "by the beginning of a key", JobFilter { prefix: text("P20260314-0000"), ..any() }),
        ("find.trade_no", "by a transaction that no job has", JobFilter { trade_no: text("none"), ..any() }),
        ("find.order_id", "by an order that no job has", JobFilter { order_id: text("none"), ..any() }),
        ("find.payer", "by a payer that no job has", JobFilter { payer: text("none"), ..any() }),
        ("find.failed", "by a state that no job has", JobFilter { state: Some(State::Failed), ..any() }),
    ]
}
