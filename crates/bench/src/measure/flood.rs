//! One payer's flood in a queue, followed by single jobs of other payers: the waits of the single jobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::gateway::{Arrival, Yes};
use crate::jobs::{accounts, all_new, fill_with, job_paid_by, producer};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat_long;
use crate::report::{Figure, Report, median, whole};
use crate::span::{Span, Usage};
use crate::workers::{Worker, accounts_at};

/// The one payer's jobs.
const FLOOD: u32 = 10_000;

/// Sends a second: the account's limit.
const RATE: f64 = 200.0;

/// The other payers, a job each.
const OTHERS: u32 = 20;

/// Between two of their jobs.
const APART: Duration = Duration::from_millis(100);

/// The whole flood at this rate, several times over.
const AT_MOST: Duration = Duration::from_secs(300);

/// One run.
struct Measured {
    /// The others' waits, in seconds.
    waits: Vec<f64>,
    /// Sends a second while they waited.
    rate: f64,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let flood = options.jobs_or(FLOOD);
    let shown = whole(flood);
    report.measuring(&format!("single jobs behind a payer's {shown}"));
    // A minute where jobs are served as they came.
    let runs = repeat_long(options.runs.min(2), async || once(redis, flood).await).await?;
    let says = format!("another payer's single job behind one's {shown} at 200/s, p50");
    report.add(Figure::of_runs("flood.p50", says, "s", &runs, |run| median(run.measured.waits.clone())))?;
    report.add(Figure::of_runs("flood.longest", "  longest", "s", &runs, |run| {
        run.measured.waits.iter().copied().fold(0.0, f64::max)
    }))?;
    report.add(Figure::of_runs("flood.rate", "  sends meanwhile", "/s", &runs, |run| run.measured.rate))?;
    Ok(())
}

async fn once(redis: &mut Observed, flood: u32) -> anyhow::Result<(Measured, Usage)> {
    let store = redis.fresh_store().await?;
    let producer = producer(&store);
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let gateway = Arc::new(Yes::reporting_to(arrived));
    fill_with(&producer, 0, flood, |number| job_paid_by("ST-flood", number)).await?;
    let worker = Worker::start_for(&store, accounts_at(gateway, &accounts(1), RATE)?, 64, None);
    let span = Span::begin(redis, None).await?;
    // The worker sends nothing for most of a second after its start; its first send says that it works.
    let first = next(&mut arrivals).await?;

    let mut submitted = BTreeMap::new();
    for other in 0..OTHERS {
        let job = job_paid_by(&format!("ST-{other:05}"), flood + other);
        submitted.insert(job.platform_no.clone(), Instant::now());
        all_new(&[producer.submit(&job).await?])?;
        tokio::time::sleep(APART).await;
    }
    let (mut waits, mut sends) = (Vec::new(), 0);
    let mut last = first.at;
    while !submitted.is_empty() {
        let Arrival { key, at } = next(&mut arrivals).await?;
        (sends, last) = (sends + 1, at);
        if let Some(submitted) = submitted.remove(&key) {
            waits.push((at - submitted).as_secs_f64());
        }
    }
    let rate = f64::from(sends) / (last - first.at).as_secs_f64();
    let usage = span.end(redis).await?;
    worker.stop().await?;
    Ok((Measured { waits, rate }, usage))
}

async fn next(arrivals: &mut mpsc::UnboundedReceiver<Arrival>) -> anyhow::Result<Arrival> {
    timeout(AT_MOST, arrivals.recv()).await?.context("the worker is gone")
}
