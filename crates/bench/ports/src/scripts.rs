//! The originals' scripts without the originals' clients: for each job precisely the calls that a worker with nothing to do
//! must make. Redis runs scripts one at a time, so what these calls cost Redis bounds all workers in any language. Many are
//! sent at once; with `TRAFFIC=original` they are sent as Node's client of BullMQ sends them.

pub(crate) mod asynq;
pub(crate) mod bullmq;

use std::sync::Arc;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Pipeline, Value};

use crate::driver::{done, finish, ready};
use crate::job::Job;
use crate::producer::{Queue, enqueue, produce};
use crate::role::{Role, Work, Workload};
use crate::tally::Tally;

/// Connections that share the jobs in flight: Redis works on one's calls while the next one's are written.
const CONNECTIONS: usize = 4;

/// What an original's clients call.
pub(crate) trait Original: Clone + Send + Sync + 'static {
    fn submit(&self, job: &Job) -> Result<Cmd>;
    /// Takes a job.
    fn take(&self) -> Cmd;
    /// Ends a job and takes the next; the last call's answer is the next job.
    fn end_and_take(&self, id: &str) -> Vec<Cmd>;
    /// The id of the job that was taken, if there was one.
    fn taken(&self, answer: &Value) -> Result<Option<String>>;
}

pub(crate) async fn play<O: Original>(original: O, url: &str, role: &Role) -> Result<()> {
    let client = Client::open(url)?;
    match role {
        Role::Enqueue(arguments) => enqueue(&Producer::connect(original, &client).await?, arguments).await,
        Role::Produce(arguments) => produce(&Producer::connect(original, &client).await?, arguments).await,
        Role::Work(arguments) => work(original, client, arguments).await,
    }
}

#[derive(Clone)]
struct Producer<O> {
    original: O,
    connection: MultiplexedConnection,
}

impl<O> Producer<O> {
    async fn connect(original: O, client: &Client) -> Result<Self> {
        Ok(Self { original, connection: client.get_multiplexed_async_connection().await? })
    }
}

impl<O: Original> Queue for Producer<O> {
    async fn submit(&self, jobs: Vec<Job>) -> Result<()> {
        let mut calls = Pipeline::with_capacity(jobs.len());
        for job in &jobs {
            calls.add_command(self.original.submit(job)?);
        }
        Ok(calls.query_async(&mut self.connection.clone()).await?)
    }
}

async fn work<O: Original>(original: O, client: Client, work: &Work) -> Result<()> {
    ensure!(work.w == Workload::W1, "scripts alone do nothing with a job");
    let tally = Arc::new(Tally::new(work.n, work.latency()));
    ready()?;
    let mut drains = Vec::new();
    if std::env::var("TRAFFIC").is_ok_and(|traffic| traffic == "original") {
        // Node's client has one connection, and each slot sends its next call when its last one is answered.
        let connection = client.get_multiplexed_async_connection().await?;
        drains.extend((0..work.conc).map(|_| drain(original.clone(), connection.clone(), 1, tally.clone())));
    } else {
        for _ in 0..CONNECTIONS {
            let connection = client.get_multiplexed_async_connection().await?;
            drains.push(drain(original.clone(), connection, work.conc / CONNECTIONS, tally.clone()));
        }
    }
    together(drains).await?;
    tally.finished().await;
    done(&tally.report())?;
    finish()
}

/// Works until nothing is queued, on so many jobs at once, whose calls are sent together.
async fn drain(
    original: impl Original,
    mut connection: MultiplexedConnection,
    at_once: usize,
    tally: Arc<Tally>,
) -> Result<()> {
    let mut calls = Pipeline::new();
    let mut calls_of_each = 1;
    for _ in 0..at_once {
        calls.add_command(original.take());
    }
    while !calls.is_empty() {
        let answers: Vec<Value> = calls.query_async(&mut connection).await?;
        calls.clear();
        for answer in answers.iter().skip(calls_of_each - 1).step_by(calls_of_each) {
            if let Some(id) = original.taken(answer)? {
                handle(&tally);
                for call in original.end_and_take(&id) {
                    calls.add_command(call);
                }
            }
        }
        calls_of_each = original.end_and_take("").len();
    }
    Ok(())
}

fn handle(tally: &Tally) {
    tally.begin();
    tally.end(|| None);
}

/// Each on a separate task, until all have ended.
async fn together(parts: Vec<impl Future<Output = Result<()>> + Send + 'static>) -> Result<()> {
    try_join_all(parts.into_iter().map(tokio::spawn)).await?.into_iter().collect()
}

/// Calls a script that Redis has loaded.
fn call(sha: &str, keys: &[String]) -> Cmd {
    let mut call = redis::cmd("EVALSHA");
    call.arg(sha).arg(keys.len()).arg(keys);
    call
}
