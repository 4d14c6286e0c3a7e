//! The effect of idle servers on a worker that drains many queues. Drains with and without servers alternate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::child::Process;
use crate::gateway::Yes;
use crate::jobs::{accounts, fill_with, job_of, producer_for};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::{Run, repeat_long};
use crate::report::{Figure, Report, whole};
use crate::span::{Span, Usage};
use crate::workers::{Worker, accounts_at};

/// Accounts, each with one queue that has jobs.
const ACCOUNTS: u32 = 1_000;

/// Jobs in all queues together.
const JOBS: u32 = 4_000;

const SERVERS: usize = 3;

/// Calls in flight.
const CONCURRENCY: usize = 100;

/// No drain takes longer.
const AT_MOST: Duration = Duration::from_secs(120);

/// One pair of drains: without servers, and with them.
struct DrainPair {
    alone: Drain,
    with_servers: Drain,
}

struct Drain {
    jobs_per_second: f64,
    redis: Duration,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let count = options.jobs_or(JOBS);
    for accounts in options.accounts_or(&[ACCOUNTS]) {
        let shown = whole(accounts);
        report.measuring(&format!("three idle servers and a drain of queues: {shown}"));
        let runs = repeat_long(options.runs.min(3), async || drain_pair(redis, accounts, count).await).await?;
        let mut add = |figure: &str, says: &str, unit, read: fn(&Run<DrainPair>) -> f64| {
            report.add(Figure::of_runs(format!("servers.{accounts}.{figure}"), says, unit, &runs, read))
        };
        let says = format!("drain of queues: {shown}, no server");
        add("alone", &says, "jobs/s", |run| run.measured.alone.jobs_per_second)?;
        add("with_servers", "  with three idle servers", "jobs/s", |run| run.measured.with_servers.jobs_per_second)?;
        add("slower", "  it is slower", "×", |run| {
            run.measured.alone.jobs_per_second / run.measured.with_servers.jobs_per_second
        })?;
        add("redis", "  Redis CPU is more", "×", |run| {
            run.measured.with_servers.redis.as_secs_f64() / run.measured.alone.redis.as_secs_f64()
        })?;
    }
    Ok(())
}

async fn drain_pair(redis: &mut Observed, accounts: u32, count: u32) -> anyhow::Result<(DrainPair, Usage)> {
    let (alone, one) = drain(redis, accounts, count, 0).await?;
    let (with_servers, other) = drain(redis, accounts, count, SERVERS).await?;
    let other_cores = one.other_cores.max(other.other_cores);
    Ok((DrainPair { alone, with_servers }, Usage { other_cores, ..other }))
}

/// From the first send to the last one.
async fn drain(
    redis: &mut Observed,
    account_count: u32,
    count: u32,
    server_count: usize,
) -> anyhow::Result<(Drain, Usage)> {
    let store = redis.fresh_store().await?;
    let names = accounts(account_count);
    let of = |number: u32| &names[number as usize % names.len()];
    fill_with(&producer_for(&store, &names), 0, count, |number| job_of(of(number), number)).await?;
    let mut servers = Vec::new();
    for _ in 0..server_count {
        let accounts = account_count.to_string();
        let arguments = ["server", "--url", redis.url(), "--prefix", redis.prefix(), "--accounts", &accounts];
        servers.push(Process::start(&arguments).await?.0);
    }
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let gateway = Arc::new(Yes::reporting_to(arrived));
    let span = Span::begin(redis, servers.iter().map(Process::pid)).await?;
    let worker = Worker::start_for(&store, accounts_at(gateway, &names, 0.0)?, CONCURRENCY, None);
    let mut moments = Vec::new();
    timeout(AT_MOST, async {
        while moments.len() < count as usize {
            moments.push(arrivals.recv().await.context("the worker is gone")?.at);
        }
        anyhow::Ok(())
    })
    .await??;
    let usage = span.end(redis).await?;
    worker.stop().await?;
    for server in servers {
        server.stop().await?;
    }
    let (first, last) = moments.first().zip(moments.last()).context("no job")?;
    let jobs_per_second = f64::from(count - 1) / (*last - *first).as_secs_f64();
    Ok((Drain { jobs_per_second, redis: usage.redis }, usage))
}
