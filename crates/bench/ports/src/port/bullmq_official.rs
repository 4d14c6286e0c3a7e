//! The port of BullMQ by BullMQ's authors, with BullMQ's scripts: the nearest rival, for it has the same language.

use std::sync::Arc;

use anyhow::{Context, Result};
use bullmq::options::RedisConnectionOptions;
use bullmq::types::{BackoffStrategy, RemoveOnFinish};
use bullmq::worker::CancellationToken;
use bullmq::{BulkJob, Error, JobOptions, QueueOptions, Worker, WorkerOptions};
use serde_json::Value;

use crate::handler::Handler;
use crate::job::Job;
use crate::producer::{Queue, enqueue, produce};
use crate::role::{Role, Work};

const QUEUE: &str = "bench";
/// As in the program for Node's BullMQ.
const ATTEMPTS: u32 = 3;
const BACKOFF_MS: u64 = 1_000;
const FAILED_KEPT: usize = 1_000;

pub(crate) async fn play(url: &str, role: &Role) -> Result<()> {
    let redis = RedisConnectionOptions::new().url(url);
    match role {
        Role::Enqueue(arguments) => enqueue(&Producer::connect(redis).await?, arguments).await,
        Role::Produce(arguments) => produce(&Producer::connect(redis).await?, arguments).await,
        Role::Work(arguments) => work(redis, arguments).await,
    }
}

#[derive(Clone)]
struct Producer(Arc<bullmq::Queue>);

impl Producer {
    async fn connect(redis: RedisConnectionOptions) -> Result<Self> {
        let mut options = QueueOptions::new().connection(redis);
        options.default_job_options = JobOptions {
            attempts: Some(ATTEMPTS),
            backoff: Some(BackoffStrategy::Exponential(BACKOFF_MS)),
            remove_on_complete: Some(RemoveOnFinish::Bool(true)),
            remove_on_fail: Some(RemoveOnFinish::Count(FAILED_KEPT)),
            ..JobOptions::default()
        };
        Ok(Self(Arc::new(bullmq::Queue::with_options(QUEUE, options).await?)))
    }
}

impl Queue for Producer {
    async fn submit(&self, jobs: Vec<Job>) -> Result<()> {
        let mut described = jobs.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
        // As a program would call it: one job is added by `add`, several by `add_bulk`.
        if described.len() == 1 {
            let job = described.pop().context("a job")?;
            self.0.add("pay", job).await?;
        } else {
            self.0.add_bulk(described.into_iter().map(|job| BulkJob::new("pay", job)).collect()).await?;
        }
        Ok(())
    }
}

async fn work(redis: RedisConnectionOptions, work: &Work) -> Result<()> {
    let handler = Arc::new(Handler::new(work)?);
    let handling = handler.clone();
    let process = move |job: bullmq::Job, _: CancellationToken| {
        let handler = handling.clone();
        async move {
            let job: Job = serde_json::from_value(job.data().clone()).map_err(Error::from)?;
            let handled = handler.handle(&job).await;
            handled.map(|()| Value::Null).map_err(|error| Error::ProcessingError(error.to_string()))
        }
    };
    let mut options = WorkerOptions::default();
    (options.connection, options.concurrency) = (redis, work.conc);
    let worker = async {
        let worker = Worker::with_options(QUEUE, process, options).await?;
        // As a program would that watches its worker: events are read, not left to pile up. It goes on until the driver ends
        // this process.
        tokio::spawn(async move { while worker.next_event().await.is_some() {} });
        Ok(())
    };
    handler.serve(worker).await
}
