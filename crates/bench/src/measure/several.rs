//! Several workers on one Redis: jobs a second in total, and the load of Redis.

use std::sync::Arc;

use bursar_store::{Settings, Store};
use tokio::time::Instant;

use crate::gateway::Yes;
use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::workers::{Worker, all_ended, begun, reaches};

/// Calls in flight of each worker.
const CONCURRENCY: usize = 100;

/// Workers, and the figures' names.
const WORKERS: [(usize, &str, &str); 3] = [
    (1, "workers.one", "workers.one_redis"),
    (2, "workers.two", "workers.two_redis"),
    (4, "workers.four", "workers.four_redis"),
];

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let count = options.jobs_or(20_000);
    for (workers, jobs_name, redis_name) in WORKERS {
        report.measuring(&format!("{workers} workers on one Redis"));
        let runs = repeat(options.runs, async || once(redis, workers, count).await).await?;
        let says = format!("no-op drain, {workers} × 100 in flight");
        report.add(Figure::of_runs(jobs_name, says, "jobs/s", &runs, |run| run.measured))?;
        report.add(Figure::of_runs(redis_name, "  Redis is busy", "% of a core", &runs, |run| {
            run.usage.redis.as_secs_f64() * 100.0 / run.usage.wall.as_secs_f64()
        }))?;
    }
    Ok(())
}

async fn once(redis: &mut Observed, workers: usize, count: u32) -> anyhow::Result<(f64, Usage)> {
    let store = redis.fresh_store().await?;
    jobs::fill(&store, count).await?;
    let gateway = Arc::new(Yes::default());
    let mut running = Vec::new();
    for _ in 0..workers {
        // A separate connection for each, as for separate processes.
        let settings = Settings { url: redis.url().to_owned(), prefix: redis.prefix().to_owned() };
        running.push(Worker::start(&Store::connect(&settings).await?, gateway.clone(), CONCURRENCY)?);
    }
    begun(&store, count).await?;
    let span = Span::begin(redis, None).await?;
    let began = Instant::now();
    reaches(count, || gateway.sends()).await?;
    all_ended(&store, count).await?;
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    let usage = span.end(redis).await?;
    for worker in running {
        worker.stop().await?;
    }
    Ok((rate, usage))
}
