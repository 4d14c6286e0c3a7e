//! `/metrics` of an idle worker with many accounts: its response time, its size, and its `redis_up`.

use std::time::Duration;

use tokio::time::Instant;

use crate::child::Process;
use crate::observed::Observed;
use crate::options::Options;
use crate::product::Product;
use crate::quiet::repeat_long;
use crate::report::{Figure, Report, whole};
use crate::span::{Span, Usage};

const ACCOUNTS: u32 = 1_000;

/// The time between two scrapes: longer than the second for which a worker caches values read from Redis.
const APART: Duration = Duration::from_millis(1_500);

/// One scrape.
struct Scrape {
    took: Duration,
    bytes: usize,
    series: usize,
    /// True if the page says that Redis answers.
    redis_up: bool,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    for accounts in options.accounts_or(&[ACCOUNTS]) {
        let shown = whole(accounts);
        report.measuring(&format!("/metrics, accounts: {shown}"));
        redis.fresh_store().await?;
        let (simulator, ready) = Process::start(&["simulator"]).await?;
        let product = Product::with_accounts(accounts, redis, &serde_json::from_str(&ready)?)?;
        let worker = product.worker().await?;
        let runs = repeat_long(options.runs, async || scrape(redis, &product, worker.pid).await).await?;
        worker.stop().await?;
        simulator.stop().await?;
        let name = |figure: &str| format!("scrape.{accounts}.{figure}");
        let says = format!("/metrics of an idle worker, accounts: {shown}");
        report.add(Figure::of_runs(name("time"), says, "s", &runs, |run| run.measured.took.as_secs_f64()))?;
        report.add(Figure::of_runs(name("size"), "  its size", "MB", &runs, |run| run.measured.bytes as f64 / 1e6))?;
        report.add(Figure::of_runs(name("series"), "  its series", "", &runs, |run| run.measured.series as f64))?;
        report.add(Figure::of_runs(
            name("redis_up"),
            "  it says that Redis is there (1) or not (0)",
            "",
            &runs,
            |run| f64::from(u8::from(run.measured.redis_up)),
        ))?;
    }
    Ok(())
}

async fn scrape(redis: &mut Observed, product: &Product, worker: u32) -> anyhow::Result<(Scrape, Usage)> {
    tokio::time::sleep(APART).await;
    let span = Span::begin(redis, [worker]).await?;
    let requested_at = Instant::now();
    let text = product.page("metrics").await?;
    let took = requested_at.elapsed();
    let usage = span.end(redis).await?;
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let redis_up = text.lines().any(|line| line == "bursar_redis_up 1");
    Ok((Scrape { took, bytes: text.len(), series, redis_up }, usage))
}
