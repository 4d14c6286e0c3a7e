//! Jobs accepted a second over HTTP: a server in its own process, clients with keep-alive connections, batches of 100.

use anyhow::Context;
use futures_util::future::try_join_all;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::child::Process;
use crate::jobs::job;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};

/// Concurrent clients: a few instances of one backend.
const CLIENTS: u32 = 4;

/// Jobs in a request.
const BATCH: u32 = 100;

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let says = "submit over HTTP, batches of 100";
    report.measuring(says);
    let count = options.jobs_or(20_000);
    let runs = repeat(options.runs, async || once(redis, count).await).await?;
    report.add(Figure::of_runs("http.batch", says, "jobs/s", &runs, |run| run.measured))?;
    let micros = |seconds: f64| seconds * 1e6 / f64::from(count);
    report.add(Figure::of_runs("http.batch_server_cpu", "  server CPU", "µs/job", &runs, |run| {
        micros(run.usage.child.as_secs_f64())
    }))?;
    report.add(Figure::of_runs("http.batch_redis_cpu", "  Redis CPU", "µs/job", &runs, |run| {
        micros(run.usage.redis.as_secs_f64())
    }))?;
    report.add(Figure::of_runs("http.batch_client_cpu", "  clients' CPU", "µs/job", &runs, |run| {
        micros(run.usage.own.as_secs_f64())
    }))?;
    Ok(())
}

async fn once(redis: &mut Observed, count: u32) -> anyhow::Result<(f64, Usage)> {
    redis.fresh_store().await?;
    let (server, ready) = Process::start(&["server", "--url", redis.url(), "--prefix", redis.prefix()]).await?;
    let ready: Value = serde_json::from_str(&ready)?;
    let text = |name: &str| ready[name].as_str().map(str::to_owned).context("the server's ready line");
    let target = Target {
        client: Client::builder().build()?,
        url: format!("http://{}/v1/jobs", text("listen")?),
        bearer: format!("Bearer {}", text("token")?),
    };
    target.submit(count, count + 1).await?; // the script is known from here on
    let span = Span::begin(redis, Some(server.pid())).await?;
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|first| tokio::spawn(one_client(target.clone(), first, count)));
    try_join_all(clients).await?.into_iter().collect::<anyhow::Result<()>>()?;
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    let usage = span.end(redis).await?;
    server.stop().await?;
    Ok((rate, usage))
}

/// Every fourth batch.
async fn one_client(target: Target, first: u32, count: u32) -> anyhow::Result<()> {
    for from in (first * BATCH..count).step_by((BATCH * CLIENTS) as usize) {
        target.submit(from, (from + BATCH).min(count)).await?;
    }
    Ok(())
}

#[derive(Clone)]
struct Target {
    client: Client,
    url: String,
    bearer: String,
}

impl Target {
    /// Submits the jobs of these numbers in one request; all must be new.
    async fn submit(&self, from: u32, to: u32) -> anyhow::Result<()> {
        let body = json!({"jobs": (from..to).map(job).collect::<Vec<_>>()});
        let request = self.client.post(&self.url).header(header::AUTHORIZATION, &self.bearer);
        let response = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string()).send().await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "a batch was answered with {}", response.status());
        let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
        let new = answer["jobs"].as_array().is_some_and(|jobs| jobs.iter().all(|job| job["status"] == 201));
        anyhow::ensure!(new, "the benchmark's own job was not accepted: {answer}");
        Ok(())
    }
}
