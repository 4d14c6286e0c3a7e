//! The port of BullMQ. Its scripts are rewritten, not BullMQ's: it keeps completed jobs, and has no option that removes them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bullmq_rs::{BackoffStrategy, JobOptions, QueueBuilder, RedisConnection, WorkerBuilder};

use crate::handler::Handler;
use crate::job::Job;
use crate::producer::{Queue, enqueue, produce};
use crate::role::{Role, Work};

const QUEUE: &str = "bench";
/// As in the program for Node's BullMQ.
const ATTEMPTS: u32 = 3;
const BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

pub(crate) async fn play(url: &str, role: &Role) -> Result<()> {
    let redis = RedisConnection::new(url);
    match role {
        Role::Enqueue(arguments) => enqueue(&Producer::connect(redis).await?, arguments).await,
        Role::Produce(arguments) => produce(&Producer::connect(redis).await?, arguments).await,
        Role::Work(arguments) => work(redis, arguments).await,
    }
}

#[derive(Clone)]
struct Producer(Arc<bullmq_rs::Queue<Job>>);

impl Producer {
    async fn connect(redis: RedisConnection) -> Result<Self> {
        Ok(Self(Arc::new(QueueBuilder::new(QUEUE).connection(redis).build().await?)))
    }
}

impl Queue for Producer {
    async fn submit(&self, jobs: Vec<Job>) -> Result<()> {
        let jobs = jobs.into_iter().map(|job| ("pay".to_owned(), job, Some(options()))).collect();
        Ok(self.0.add_bulk(jobs).await.map(drop)?)
    }
}

fn options() -> JobOptions {
    let backoff = BackoffStrategy::Exponential { base: BACKOFF, max: LONGEST_BACKOFF };
    JobOptions { attempts: Some(ATTEMPTS), backoff: Some(backoff), ..JobOptions::default() }
}

async fn work(redis: RedisConnection, work: &Work) -> Result<()> {
    let worker = WorkerBuilder::new(QUEUE).connection(redis).concurrency(work.conc).build::<Job>();
    let handler = Arc::new(Handler::new(work)?);
    let handling = handler.clone();
    let worker = async {
        let started = worker.start(move |job| {
            let handler = handling.clone();
            async move { Ok(handler.handle(&job.data).await?) }
        });
        // Its handle ends the worker when it is dropped; the worker is to go on until the driver ends this process.
        started.await.map(std::mem::forget).map_err(Into::into)
    };
    handler.serve(worker).await
}
