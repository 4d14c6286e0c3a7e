//! The response time of an honest client while a flood of idle connections arrives at a server. It is printed and never asserted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, StatusCode, header};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::child::Process;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat_long;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};

/// Connections of the flood: more than a server takes by default.
const FLOOD: usize = 4_200;

/// Those that a process without the right to more open files can have.
const FEWEST: usize = 500;

/// Requests of the honest client, over a new connection each, while the flood goes on.
const REQUESTS: usize = 1_000;

/// The connections of the flood that arrive between two requests at most.
const AT_ONCE: usize = 50;

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let says = "an honest client in a flood of 4,200 idle connections";
    report.measuring(says);
    let runs = repeat_long(options.runs, async || once(redis).await).await?;
    for (name, part, percent) in [("strangers.p50", "p50", 50), ("strangers.p99", "p99", 99)] {
        report.add(Figure::of_runs(name, format!("{says}, {part}"), "ms", &runs, |run| {
            let at = (run.measured.len() * percent / 100).min(run.measured.len() - 1);
            run.measured[at].as_secs_f64() * 1e3
        }))?;
    }
    Ok(())
}

/// The times of all requests, the shortest first.
async fn once(redis: &mut Observed) -> anyhow::Result<(Vec<Duration>, Usage)> {
    redis.fresh_store().await?;
    let (server, ready) = Process::start(&["server", "--url", redis.url(), "--prefix", redis.prefix()]).await?;
    let ready: Value = serde_json::from_str(&ready)?;
    let text = |name: &str| ready[name].as_str().map(str::to_owned).context("the server's ready line");
    let (address, bearer) = (text("listen")?, format!("Bearer {}", text("token")?));
    let flood = FLOOD.min(usize::try_from(bursar_http_server::raise_limit())?.saturating_sub(200)).max(FEWEST);
    let ended = Arc::new(AtomicBool::new(false));
    let flooding = tokio::spawn(idle(address.clone(), flood, Arc::clone(&ended)));
    let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let span = Span::begin(redis, Some(server.pid())).await?;
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let request = client.get(format!("http://{address}/v1/queues")).header(header::AUTHORIZATION, &bearer);
        let response = request.send().await?;
        anyhow::ensure!(
            response.status() == StatusCode::OK,
            "an honest client was answered with {}",
            response.status()
        );
        response.bytes().await?;
        times.push(began.elapsed());
    }
    let usage = span.end(redis).await?;
    ended.store(true, Ordering::Relaxed);
    flooding.await??;
    server.stop().await?;
    times.sort_unstable();
    Ok((times, usage))
}

/// Connects and says nothing, with this many connections, and again for those that the server has closed.
async fn idle(address: String, flood: usize, ended: Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut open = std::collections::VecDeque::with_capacity(flood);
    while !ended.load(Ordering::Relaxed) {
        for _ in 0..AT_ONCE {
            if open.len() == flood {
                open.pop_front();
            }
            open.push_back(TcpStream::connect(&address).await?);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}
