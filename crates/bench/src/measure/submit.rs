//! Jobs accepted a second: validated, recorded and acknowledged.

use bursar_producer::{NewJob, Producer};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use crate::jobs::{all_new, job, producer};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::{Run, repeat};
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};

/// Submitters at once.
const AT_ONCE: u32 = 64;

/// Jobs in a batch.
const BATCH: u32 = 100;

#[derive(Clone, Copy)]
enum How {
    One,
    AtOnce,
    Batches,
}

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let ways = [
        (How::One, "submit.one", "submit, one at a time", 5_000),
        (How::AtOnce, "submit.at_once", "submit, 64 at once", 20_000),
        (How::Batches, "submit.batch", "submit, batches of 100", 20_000),
    ];
    for (how, name, says, count) in ways {
        report.measuring(says);
        let count = options.jobs_or(count);
        let runs = repeat(options.runs, async || once(redis, how, count).await).await?;
        report.add(Figure::of_runs(name, says, "jobs/s", &runs, |run| run.measured))?;
        if matches!(how, How::Batches) {
            let each = |total: f64| total / f64::from(count);
            let micros = |run: &Run<f64>, of: fn(&Usage) -> f64| each(of(&run.usage));
            report.add(Figure::of_runs("submit.batch_producer_cpu", "  producer CPU", "µs/job", &runs, |run| {
                micros(run, |usage| usage.own.as_secs_f64() * 1e6)
            }))?;
            report.add(Figure::of_runs("submit.batch_redis_cpu", "  Redis CPU", "µs/job", &runs, |run| {
                micros(run, |usage| usage.redis.as_secs_f64() * 1e6)
            }))?;
        }
    }
    Ok(())
}

async fn once(redis: &mut Observed, how: How, count: u32) -> anyhow::Result<(f64, Usage)> {
    let producer = producer(&redis.fresh_store().await?);
    producer.submit(&job(count)).await?; // the script is known from here on
    let span = Span::begin(redis, None).await?;
    let began = Instant::now();
    match how {
        // From a task, as services submit: from the main thread each reply would have to wake it.
        How::One => tokio::spawn(every(producer, 0, 1, count)).await??,
        How::AtOnce => {
            let tasks = (0..AT_ONCE).map(|first| tokio::spawn(every(producer.clone(), first, AT_ONCE, count)));
            try_join_all(tasks).await?.into_iter().collect::<anyhow::Result<()>>()?;
        }
        How::Batches => {
            for from in (0..count).step_by(BATCH as usize) {
                let jobs: Vec<NewJob> = (from..(from + BATCH).min(count)).map(job).collect();
                all_new(&producer.submit_many(&jobs).await?)?;
            }
        }
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    Ok((rate, span.end(redis).await?))
}

async fn every(producer: Producer, first: u32, step: u32, count: u32) -> anyhow::Result<()> {
    for number in (first..count).step_by(step as usize) {
        all_new(&[producer.submit(&job(number)).await?])?;
    }
    Ok(())
}
