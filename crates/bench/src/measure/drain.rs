//! Jobs a second from queued to finished, with a gateway that answers at once: the cost of the queue alone.

use std::sync::Arc;

use bursar_journal::Journal;
use tokio::time::Instant;

use crate::gateway::Yes;
use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::{Run, repeat};
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::workers::{Worker, all_ended, begun, reaches};

/// Calls in flight.
const CONCURRENCY: usize = 100;

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("no-op drain, 100 in flight");
    let count = options.jobs_or(20_000);
    let runs = repeat(options.runs, async || once(redis, count, None).await).await?;
    let per_job = |total: f64| total / f64::from(count);
    type Read = fn(&Run<f64>) -> f64;
    let costs: [(&str, &str, &str, Read); 4] = [
        ("drain.worker_cpu", "  worker CPU", "µs/job", |run| run.usage.own.as_secs_f64() * 1e6),
        ("drain.redis_cpu", "  Redis CPU", "µs/job", |run| run.usage.redis.as_secs_f64() * 1e6),
        ("drain.commands", "  Redis commands, those inside scripts included", "/job", |run| {
            run.usage.command_count() as f64
        }),
        ("drain.calls", "  round trips to Redis", "/job", |run| run.usage.calls() as f64),
    ];
    report.add(Figure::of_runs("drain.jobs", "no-op drain, 100 in flight", "jobs/s", &runs, |run| run.measured))?;
    for (name, says, unit, read) in costs {
        report.add(Figure::of_runs(name, says, unit, &runs, |run| per_job(read(run))))?;
    }
    Ok(())
}

/// Jobs a second from the first claim to the last recorded end, and their usage.
pub(super) async fn once(redis: &mut Observed, count: u32, journal: Option<Journal>) -> anyhow::Result<(f64, Usage)> {
    let store = redis.fresh_store().await?;
    jobs::fill(&store, count).await?;
    let gateway = Arc::new(Yes::default());
    let worker = Worker::start_with(&store, gateway.clone(), CONCURRENCY, journal)?;
    begun(&store, count).await?;
    let span = Span::begin(redis, None).await?;
    let began = Instant::now();
    reaches(count, || gateway.sends()).await?;
    all_ended(&store, count).await?;
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    let usage = span.end(redis).await?;
    worker.stop().await?;
    anyhow::ensure!(gateway.sends() == count, "{} sends for {count} jobs", gateway.sends());
    Ok((rate, usage))
}
