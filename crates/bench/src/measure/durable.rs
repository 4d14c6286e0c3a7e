//! The cost of an acknowledgement that waits for the disk, compared with one write and fsync on the same disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use bursar_private_redis::{Fsync, Listen, Options as RedisOptions, PrivateRedis};
use bursar_producer::Producer;
use bursar_store::{Durability, Settings, Store};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use crate::jobs::{all_new, job, producer};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::{Run, repeat};
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};

/// Producers at once, each waiting for its answer before it submits the next job.
const AT_ONCE: u32 = 64;

/// The approximate bytes of one submission in the append-only file.
const WRITE_BYTES: usize = 700;

/// Writes whose median counts.
const WRITES: usize = 200;

/// The result of one run, in microseconds.
struct Measured {
    fsync: f64,
    /// From a producer's call to its answer.
    answer: f64,
    /// The run's time, divided by its jobs.
    each: f64,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let says = "submit, durability local, 64 at once";
    report.measuring(says);
    let count = options.jobs_or(6_400);
    let runs = repeat(options.runs, async || once(redis, count).await).await?;
    let mut add = |name, says: &str, unit, read: fn(&Run<Measured>) -> f64| {
        report.add(Figure::of_runs(name, says, unit, &runs, read))
    };
    add("durable.fsync", "one write and its fsync", "µs", |run| run.measured.fsync)?;
    add("durable.each", says, "µs/job", |run| run.measured.each)?;
    add("durable.each_of_fsync", "  of an fsync", "×", |run| run.measured.each / run.measured.fsync)?;
    add("durable.answer", "  until a producer's answer", "µs", |run| run.measured.answer)?;
    add("durable.answer_of_fsync", "  of an fsync", "×", |run| run.measured.answer / run.measured.fsync)?;
    Ok(())
}

async fn once(redis: &mut Observed, count: u32) -> anyhow::Result<(Measured, Usage)> {
    let folder = tempfile::Builder::new().prefix("bursar-bench-").tempdir()?;
    let mut wanted = RedisOptions::new(folder.path().join("redis"));
    (wanted.listen, wanted.fsync) = (Listen::Loopback, Fsync::Always);
    let server = PrivateRedis::start(wanted)?;
    let settings = Settings { url: server.url().to_owned(), prefix: "bursar".into() };
    let store = Store::connect(&settings).await?.with_durability(Durability::Local).await?;
    let producer = producer(&store);
    all_new(&[producer.submit(&job(count)).await?])?; // the script is known from here on

    let span = Span::begin(redis, server.pid()).await?;
    let fsync = fsync(folder.path())?;
    let began = Instant::now();
    let tasks = (0..AT_ONCE).map(|first| tokio::spawn(answers(producer.clone(), first, count)));
    let answers: Vec<Vec<Duration>> = try_join_all(tasks).await?.into_iter().collect::<anyhow::Result<_>>()?;
    let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    let answer = median(answers.concat());
    Ok((Measured { fsync, answer, each }, span.end(redis).await?))
}

/// The response times.
async fn answers(producer: Producer, first: u32, count: u32) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::new();
    for number in (first..count).step_by(AT_ONCE as usize) {
        let requested_at = Instant::now();
        all_new(&[producer.submit(&job(number)).await?])?;
        took.push(requested_at.elapsed());
    }
    Ok(took)
}

/// One write to a growing file, forced to the disk as Redis does it.
fn fsync(folder: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("writes"))?;
    let mut took = Vec::new();
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&[b'x'; WRITE_BYTES])?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    Ok(median(took))
}

/// In microseconds.
fn median(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took.get(took.len() / 2).map_or(f64::NAN, |middle| middle.as_secs_f64() * 1e6)
}
