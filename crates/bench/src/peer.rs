//! Bursar as a peer of the side-by-side benchmark: one process that submits, one that works, by the driver's contract.
//! Redis is where `REDIS_URL` says, the gateway stub where `STUB_URL` says, its keys in `KEYS`.

mod driver;
mod meter;
pub(crate) mod role;
mod stub;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use bursar_producer::NewJob;
use bursar_store::{Settings, Store};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::Instant;

use crate::jobs::{all_new, job, key, named, producer};
use crate::workers::{Worker, all_ended};
use driver::{done, finish, ready};
use meter::Meter;
use role::{Enqueue, Mode, Produce, Role, Work, Workload};
use tally::Tally;

/// The time for the last commits after the last job has been handled.
const LAST_COMMITS: Duration = Duration::from_secs(5);

/// Plays the role to its end.
pub(crate) async fn play(role: Role) -> anyhow::Result<()> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:7105/0".into());
    let store = Store::connect(&Settings { url, prefix: "bursar".into() }).await?;
    match role {
        Role::Enqueue(arguments) => enqueue(store, &arguments).await,
        Role::Produce(arguments) => produce(store, &arguments).await,
        Role::Work(arguments) => work(store, &arguments).await,
    }
}

async fn enqueue(store: Store, arguments: &Enqueue) -> anyhow::Result<()> {
    let (producer, count) = (producer(&store), arguments.n);
    ready()?;
    let began = Instant::now();
    match arguments.mode {
        Mode::Seq => {
            for number in 0..count {
                all_new(&[producer.submit(&job(number)).await?])?;
            }
        }
        Mode::Par => {
            let tasks = (0..arguments.inflight).map(|first| {
                let (producer, step) = (producer.clone(), arguments.inflight as usize);
                tokio::spawn(async move {
                    for number in (first..count).step_by(step) {
                        all_new(&[producer.submit(&job(number)).await?])?;
                    }
                    anyhow::Ok(())
                })
            });
            try_join_all(tasks).await?.into_iter().collect::<anyhow::Result<()>>()?;
        }
        Mode::Bulk => {
            for from in (0..count).step_by(arguments.batch as usize) {
                let jobs: Vec<NewJob> = (from..(from + arguments.batch).min(count)).map(job).collect();
                all_new(&producer.submit_many(&jobs).await?)?;
            }
        }
    }
    done(&json!({"jobs": count, "secs": began.elapsed().as_secs_f64()}))?;
    finish()
}

async fn produce(store: Store, arguments: &Produce) -> anyhow::Result<()> {
    let producer = producer(&store);
    ready()?;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..arguments.n {
        let at = Duration::from_secs_f64(f64::from(number) / f64::from(arguments.rate));
        tokio::time::sleep_until(began + at).await;
        // The moment of submission travels in the key, the one part of a job that the producer may choose freely.
        let (producer, key) = (producer.clone(), format!("{}-{}", key(number), tally::wall_micros()));
        tasks.push(tokio::spawn(async move { all_new(&[producer.submit(&named(number, &key)).await?]) }));
    }
    try_join_all(tasks).await?.into_iter().collect::<anyhow::Result<()>>()?;
    done(&json!({"jobs": arguments.n, "secs": began.elapsed().as_secs_f64()}))?;
    finish()
}

async fn work(store: Store, arguments: &Work) -> anyhow::Result<()> {
    let stub = match arguments.w {
        Workload::W1 => None,
        Workload::W2 | Workload::W3 => Some(stub::Stub::new(arguments.w, arguments.conc)?),
    };
    let meter = Arc::new(Meter::new(Tally::new(arguments.n, arguments.latency()), stub));
    ready()?;
    let _worker = Worker::start(&store, meter.clone(), arguments.conc)?;
    meter.tally().finished().await;
    // Others are not waited for until their last acknowledgement has reached Redis; ours is.
    tokio::time::timeout(LAST_COMMITS, all_ended(&store, arguments.n)).await.ok();
    done(&meter.tally().report())?;
    finish()
}
