//! Signed jobs a second through the real gateway client, against the simulator in its own process.

use std::time::Duration;

use bursar_simulator::Ready;
use tokio::time::Instant;

use crate::child::{self, Process};
use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::{Run, repeat};
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::workers::{Worker, all_ended, begun};

/// Calls in flight.
const CONCURRENCY: usize = 256;

/// The keep-alive time of connections: longer than any of them is idle here.
const KEPT: Duration = Duration::from_secs(4);

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("signed jobs against the simulator");
    let count = options.jobs_or(4_000);
    type Read = fn(&Run<f64>) -> f64;
    type Cost = (&'static str, &'static str, Read);
    let own: Read = |run| run.usage.own.as_secs_f64();
    let of_redis: Read = |run| run.usage.redis.as_secs_f64();
    let of_child: Read = |run| run.usage.child.as_secs_f64();
    let each: [Cost; 3] = [
        ("signed.worker_cpu", "  worker CPU", own),
        ("signed.redis_cpu", "  Redis CPU", of_redis),
        ("signed.simulator_cpu", "  the simulator's CPU", of_child),
    ];
    let kept: [Cost; 3] = [
        ("signed_kept.worker_cpu", "  worker CPU", own),
        ("signed_kept.redis_cpu", "  Redis CPU", of_redis),
        ("signed_kept.simulator_cpu", "  the simulator's CPU", of_child),
    ];
    let says = "signed and verified, 20 ms gateway, 256 in flight";
    for (name, says, keep_alive, costs) in [
        ("signed.jobs", says, Duration::ZERO, each),
        ("signed_kept.jobs", "  the same over connections that are kept (keep_alive)", KEPT, kept),
    ] {
        let runs = repeat(options.runs, async || once(redis, count, keep_alive).await).await?;
        report.add(Figure::of_runs(name, says, "jobs/s", &runs, |run| run.measured))?;
        for (name, says, read) in costs {
            report.add(Figure::of_runs(name, says, "µs/job", &runs, |run| read(run) * 1e6 / f64::from(count)))?;
        }
    }
    Ok(())
}

async fn once(redis: &mut Observed, count: u32, keep_alive: Duration) -> anyhow::Result<(f64, Usage)> {
    let store = redis.fresh_store().await?;
    jobs::fill(&store, count).await?;
    // A new one each time: it remembers every key.
    let (simulator, ready) = Process::start(&["simulator"]).await?;
    let ready: Ready = serde_json::from_str(&ready)?;
    let worker = Worker::start(&store, child::yzt(&ready, keep_alive)?, CONCURRENCY)?;
    begun(&store, count).await?;
    let span = Span::begin(redis, Some(simulator.pid())).await?;
    let began = Instant::now();
    all_ended(&store, count).await?;
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    let usage = span.end(redis).await?;
    worker.stop().await?;
    simulator.stop().await?;
    Ok((rate, usage))
}
