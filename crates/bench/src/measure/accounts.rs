//! The cost of many accounts: the Redis commands of an idle worker, and the time until it takes a job of any of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bursar_producer::{NewJob, Producer};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::idle;
use super::pickup::Waits;
use crate::gateway::{Arrival, Yes};
use crate::jobs::{self, ACCOUNT, all_new, job_of, key, producer_for};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat_long;
use crate::report::{Figure, Report, whole};
use crate::span::{Span, Usage};
use crate::workers::{Worker, accounts_at};

const ACCOUNTS: [u32; 3] = [1, 1_000, 10_000];

/// The jobs whose waits count: 12 seconds of them, over several visits of each queue.
const JOBS: u32 = 600;

/// The average time between two jobs. They arrive whether or not earlier ones have been taken; otherwise a busy worker
/// would get no jobs during its scans.
const APART: Duration = Duration::from_millis(20);

/// Jobs that are submitted in one call.
const AT_ONCE: usize = 100;

/// All jobs have reached the gateway by then.
const AT_MOST: Duration = Duration::from_secs(180);

/// The extra time that a worker settles for each account: it visits each of the account's two queues once, over a
/// network.
const SETTLE_EACH: Duration = Duration::from_millis(2);

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let count = options.jobs_or(JOBS);
    for accounts in options.accounts_or(&ACCOUNTS) {
        let shown = whole(accounts);
        report.measuring(&format!("a worker with nothing to do, accounts: {shown}"));
        let name = |figure: &str| format!("accounts.{accounts}.{figure}");
        let settle = idle::SETTLE + SETTLE_EACH * accounts;
        let runs = repeat_long(1, async || idle::once(redis, accounts, settle).await).await?;
        let says = format!("idle worker, accounts: {shown}, Redis commands");
        report.add(Figure::of_runs(name("commands"), says, "/s", &runs, |run| {
            run.usage.command_count() as f64 / run.usage.wall.as_secs_f64()
        }))?;
        type Read = fn(&Usage) -> Duration;
        let cores: [(&str, &str, Read); 2] =
            [("cpu", "  CPU", |usage| usage.child), ("redis", "  Redis CPU", |usage| usage.redis)];
        for (figure, says, of) in cores {
            report.add(Figure::of_runs(name(figure), says, "% of a core", &runs, |run| {
                of(&run.usage).as_secs_f64() * 100.0 / run.usage.wall.as_secs_f64()
            }))?;
        }

        let names = jobs::accounts(accounts);
        for (queues, figure, says) in [
            (Queues::Used, "pickup", "  50 jobs/s of any account, submission to the gateway"),
            (Queues::New, "first_pickup", "  the same while most are the first of their queue"),
        ] {
            report.measuring(&format!("pickup by an idle worker, accounts: {shown}"));
            let once = async || pickup(redis, &names, queues, count, settle).await;
            let runs = repeat_long(options.runs.min(2), once).await?;
            report.add(Figure::of_runs(
                name(&format!("{figure}_p50")),
                format!("{says}, p50"),
                "ms",
                &runs,
                |run| run.measured.p50,
            ))?;
            report
                .add(Figure::of_runs(name(&format!("{figure}_p99")), "    p99", "ms", &runs, |run| run.measured.p99))?;
        }
    }
    Ok(())
}

/// The history of the queues. The first send of a queue waits for a look at whether Redis still is the same server: two
/// round trips more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queues {
    Used,
    New,
}

/// The waits of jobs that arrive at a steady rate, each for one of these accounts.
async fn pickup(
    redis: &mut Observed,
    accounts: &[String],
    queues: Queues,
    count: u32,
    settle: Duration,
) -> anyhow::Result<(Waits, Usage)> {
    let store = redis.fresh_store().await?;
    let producer = Arc::new(producer_for(&store, accounts));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let worker = Worker::start_for(&store, accounts_at(Arc::new(Yes::reporting_to(arrived)), accounts, 0.0)?, 64, None);
    sleep(settle).await;
    if queues == Queues::Used {
        use_each(&producer, accounts, count, &mut arrivals).await?;
    }
    let span = Span::begin(redis, None).await?;
    let began = Instant::now();
    let submissions = (0..count).map(|number| {
        let job = job_of(fastrand::choice(accounts).map_or(ACCOUNT, String::as_str), number);
        let (producer, after) = (Arc::clone(&producer), APART * number + APART.mul_f64(fastrand::f64()));
        tokio::spawn(async move {
            sleep_until(began + after).await;
            let submitted = Instant::now();
            all_new(&[producer.submit(&job).await?])?;
            anyhow::Ok(submitted)
        })
    });
    let submitted: Vec<Instant> = try_join_all(submissions).await?.into_iter().collect::<anyhow::Result<_>>()?;
    let mut taken = BTreeMap::new();
    while taken.len() < submitted.len() {
        let arrival = timeout_at(began + AT_MOST, arrivals.recv()).await;
        let arrival = arrival.with_context(|| format!("{} of {count} jobs after {AT_MOST:?}", taken.len()))?;
        let arrival = arrival.context("the worker is gone")?;
        taken.insert(arrival.key, arrival.at);
    }
    let usage = span.end(redis).await?;
    worker.stop().await?;
    let numbered = (0..count).map(key).zip(submitted);
    let waits = numbered.filter_map(|(key, submitted)| Some((*taken.get(&key)? - submitted).as_secs_f64() * 1e3));
    Ok((Waits::of(waits.collect()), usage))
}

/// Has one job of each account done. Their numbers are behind the `measured` ones.
async fn use_each(
    producer: &Producer,
    accounts: &[String],
    measured: u32,
    arrivals: &mut mpsc::UnboundedReceiver<Arrival>,
) -> anyhow::Result<()> {
    let jobs: Vec<NewJob> = accounts.iter().zip(measured..).map(|(account, number)| job_of(account, number)).collect();
    for batch in jobs.chunks(AT_ONCE) {
        all_new(&producer.submit_many(batch).await?)?;
    }
    let deadline = Instant::now() + AT_MOST;
    for done in 0..jobs.len() {
        let arrival = timeout_at(deadline, arrivals.recv()).await;
        arrival.with_context(|| format!("{done} queues used after {AT_MOST:?}"))?.context("the worker is gone")?;
    }
    Ok(())
}
