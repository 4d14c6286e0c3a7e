//! The cost of an idle worker: a separate process with a real gateway client.

use std::time::Duration;

use crate::child::Process;
use crate::cpu;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};

/// The measured time.
const WATCH: Duration = Duration::from_secs(10);

/// The time to settle before it: first claims, first renewals.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("a worker with nothing to do");
    // Two runs of ten seconds are as precise as five.
    let runs = repeat(options.runs.min(2), async || once(redis, 1, SETTLE).await).await?;
    let seconds = |usage: &Usage| usage.wall.as_secs_f64();
    report.add(Figure::of_runs("idle.commands", "idle worker, Redis commands", "/s", &runs, |run| {
        run.usage.command_count() as f64 / seconds(&run.usage)
    }))?;
    report.add(Figure::of_runs("idle.cpu", "  CPU", "% of a core", &runs, |run| {
        run.usage.child.as_secs_f64() * 100.0 / seconds(&run.usage)
    }))?;
    report.add(Figure::of_runs("idle.resident", "  resident memory", "MB", &runs, |run| {
        run.measured as f64 / f64::from(1 << 20)
    }))?;
    Ok(())
}

/// The resident memory of a worker for this number of accounts, and the usage of the worker and Redis, once it has
/// settled.
pub(super) async fn once(redis: &mut Observed, accounts: u32, settle: Duration) -> anyhow::Result<(u64, Usage)> {
    redis.fresh_store().await?;
    let (simulator, ready) = Process::start(&["simulator"]).await?;
    let accounts = accounts.to_string();
    let whose = ["--simulator", &ready, "--accounts", &accounts];
    let arguments = [["worker", "--url", redis.url(), "--prefix", redis.prefix()].as_slice(), &whose].concat();
    let (worker, _) = Process::start(&arguments).await?;
    tokio::time::sleep(settle).await;
    let span = Span::begin(redis, Some(worker.pid())).await?;
    tokio::time::sleep(WATCH).await;
    let usage = span.end(redis).await?;
    let resident_bytes = cpu::resident_bytes(worker.pid());
    worker.stop().await?;
    simulator.stop().await?;
    Ok((resident_bytes, usage))
}
