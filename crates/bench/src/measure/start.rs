//! The product's start with many accounts: the time to read the configuration, the time until a worker is ready, and its resident
//! memory then.

use std::time::Duration;

use crate::child::Process;
use crate::cpu;
use crate::observed::Observed;
use crate::options::Options;
use crate::product::Product;
use crate::quiet::repeat_long;
use crate::report::{Figure, Report, whole};
use crate::span::{Span, Usage};

const ACCOUNTS: u32 = 3_000;

/// The memory settles for so long once the worker is ready.
const SETTLE: Duration = Duration::from_secs(2);

/// One run.
struct Measured {
    read: Duration,
    ready: Duration,
    resident_bytes: u64,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    for accounts in options.accounts_or(&[ACCOUNTS]) {
        let shown = whole(accounts);
        report.measuring(&format!("the product's start, accounts: {shown}"));
        let runs = repeat_long(options.runs.min(3), async || once(redis, accounts).await).await?;
        let name = |figure: &str| format!("start.{accounts}.{figure}");
        let says = format!("accounts: {shown}, a command that reads the configuration");
        report.add(Figure::of_runs(name("read"), says, "s", &runs, |run| run.measured.read.as_secs_f64()))?;
        let says = "  a worker until it is ready";
        report.add(Figure::of_runs(name("ready"), says, "s", &runs, |run| run.measured.ready.as_secs_f64()))?;
        report.add(Figure::of_runs(name("resident"), "  its resident memory", "MB", &runs, |run| {
            run.measured.resident_bytes as f64 / f64::from(1 << 20)
        }))?;
    }
    Ok(())
}

async fn once(redis: &mut Observed, accounts: u32) -> anyhow::Result<(Measured, Usage)> {
    redis.fresh_store().await?;
    let (simulator, ready) = Process::start(&["simulator"]).await?;
    let product = Product::with_accounts(accounts, redis, &serde_json::from_str(&ready)?)?;
    let read = product.healthcheck().await?;
    let worker = product.worker().await?;
    let span = Span::begin(redis, [worker.pid]).await?;
    tokio::time::sleep(SETTLE).await;
    let resident_bytes = cpu::resident_bytes(worker.pid);
    let usage = span.end(redis).await?;
    let measured = Measured { read, ready: worker.started_in, resident_bytes };
    worker.stop().await?;
    simulator.stop().await?;
    Ok((measured, usage))
}
