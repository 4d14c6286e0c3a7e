//! Bytes in Redis for a queued job, a finished one with its history, and a tombstone; without the queue's stream of
//! events, which is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_store::{MAX_BATCH, Store};

use crate::gateway::Yes;
use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::workers::{Worker, all_ended, reaches};

/// Jobs whose memory is measured.
const JOBS: u32 = 10_000;

/// One stage of a job's life: the growth of `used_memory`, and `MEMORY USAGE` by the keys' purpose.
struct Stage {
    bytes: f64,
    by_use: BTreeMap<String, u64>,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("memory of queued, finished and reduced jobs");
    let count = options.jobs_or(JOBS);
    // The result is the same each time, so one run is enough.
    let runs = repeat(1, async || once(redis, count).await).await?;
    let stages = [
        ("memory.queued", "memory of a queued job"),
        ("memory.finished", "memory of a finished job with its attempts"),
        ("memory.tombstone", "memory of a job whose detail has expired"),
    ];
    for (at, (name, says)) in stages.into_iter().enumerate() {
        let parts = runs.first().map(|run| parts(&run.measured[at], count)).unwrap_or_default();
        report.add(Figure::of_runs(name, format!("{says}\n  {parts}"), "bytes", &runs, |run| {
            run.measured[at].bytes / f64::from(count)
        }))?;
    }
    Ok(())
}

/// The parts of which each job has at least one byte.
fn parts(stage: &Stage, count: u32) -> String {
    let parts = stage.by_use.iter().map(|(used_for, bytes)| (used_for, bytes / u64::from(count)));
    let parts: Vec<String> =
        parts.filter(|(_, bytes)| *bytes > 0).map(|(used_for, bytes)| format!("{used_for} {bytes}")).collect();
    parts.join(", ")
}

async fn once(redis: &mut Observed, count: u32) -> anyhow::Result<([Stage; 3], Usage)> {
    let store = redis.fresh_store().await?;
    let span = Span::begin(redis, None).await?;
    let before = redis.info().await?.data_bytes();
    jobs::fill(&store, count).await?;
    let queued = stage(redis, before).await?;
    let gateway = Arc::new(Yes::default());
    let worker = Worker::start(&store, gateway.clone(), 100)?;
    reaches(count, || gateway.sends()).await?;
    all_ended(&store, count).await?;
    worker.stop().await?;
    let finished = stage(redis, before).await?;
    purge(&store, count).await?;
    let tombstones = stage(redis, before).await?;
    // Memory does not depend on other processes.
    let usage = Usage { other_cores: 0.0, ..span.end(redis).await? };
    Ok(([queued, finished, tombstones], usage))
}

async fn stage(redis: &mut Observed, before: u64) -> anyhow::Result<Stage> {
    let grown = redis.info().await?.data_bytes().saturating_sub(before);
    let mut by_use = redis.memory_by_use().await?;
    let events = by_use.remove("events").unwrap_or_default();
    Ok(Stage { bytes: grown.saturating_sub(events) as f64, by_use })
}

async fn purge(store: &Store, count: u32) -> anyhow::Result<()> {
    let queue = jobs::queue()?;
    let mut left = usize::try_from(count)?;
    while left > 0 {
        let reduced = store.purge(&queue, Duration::ZERO, MAX_BATCH).await?;
        anyhow::ensure!(reduced > 0, "{left} ended jobs could not be reduced");
        left -= reduced;
    }
    Ok(())
}
