//! The wait of a job that is submitted to an idle worker: from submission to the gateway.

use std::sync::Arc;
use std::time::Duration;

use bursar_journal::Journal;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::gateway::Yes;
use crate::jobs::{job, producer};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::workers::Worker;

/// The pause between two jobs: from half of this to all of it, at random, so that nothing falls into step.
const REST: Duration = Duration::from_millis(20);

/// Jobs that come before the ones that count.
const WARM_UP: u32 = 20;

/// Half of the jobs waited no longer; one in a hundred waited longer. In milliseconds.
pub(super) struct Waits {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("pickup by an idle worker");
    let count = options.jobs_or(500);
    let runs = repeat(options.runs, async || once(redis, count, None).await).await?;
    let says = "idle pickup, submission to the gateway, p50";
    report.add(Figure::of_runs("pickup.p50", says, "ms", &runs, |run| run.measured.p50))?;
    report.add(Figure::of_runs("pickup.p99", "  p99", "ms", &runs, |run| run.measured.p99))?;
    Ok(())
}

/// The waits of `count` jobs, one after the other.
pub(super) async fn once(redis: &mut Observed, count: u32, journal: Option<Journal>) -> anyhow::Result<(Waits, Usage)> {
    let store = redis.fresh_store().await?;
    let producer = producer(&store);
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let worker = Worker::start_with(&store, Arc::new(Yes::reporting_to(arrived)), 64, journal)?;
    let span = Span::begin(redis, None).await?;
    let mut waits = Vec::new();
    for number in 0..WARM_UP + count {
        tokio::time::sleep(REST / 2 + REST.mul_f64(fastrand::f64() / 2.0)).await;
        let job = job(number);
        let submitted = Instant::now();
        producer.submit(&job).await?;
        let arrival = arrivals.recv().await;
        let arrival = arrival.ok_or_else(|| anyhow::anyhow!("the worker is gone"))?;
        if number >= WARM_UP {
            waits.push((arrival.at - submitted).as_secs_f64() * 1e3);
        }
    }
    let usage = span.end(redis).await?;
    worker.stop().await?;
    Ok((Waits::of(waits), usage))
}

impl Waits {
    pub(super) fn of(mut millis: Vec<f64>) -> Self {
        millis.sort_by(f64::total_cmp);
        let at = |hundredths: usize| millis.get(millis.len() * hundredths / 100).copied().unwrap_or(f64::NAN);
        Self { p50: at(50), p99: at(99) }
    }
}
