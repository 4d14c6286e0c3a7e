//! Seeds in which jobs come in through apalis-redis: producers that push and get no reply, and tasks that are no jobs.

use std::time::Duration;

use apalis::prelude::TaskSink;
use apalis_redis::{Config, RedisStorage};
use bursar_producer::NewJob;
use fastrand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::plan::Batch;

/// The queue that the workers drain.
pub(crate) const QUEUE: &str = "payments";

/// Between a push that failed and its repetition.
const PAUSE: Duration = Duration::from_millis(40);

/// The import of a seed.
#[derive(Clone, Debug)]
pub(crate) struct ImportPlan {
    /// Producers that push, from the first on; the others submit.
    pub(crate) pushers: usize,
    /// Tasks that are no jobs.
    pub(crate) wrong: Vec<Wrong>,
}

/// A task that is no job.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) at: Duration,
    /// A text that only its payload has.
    pub(crate) mark: String,
    pub(crate) payload: Value,
    /// A part of the dead letter's reason.
    pub(crate) why: &'static str,
}

impl ImportPlan {
    pub(crate) fn draw(dice: &mut Rng, producers: usize) -> Self {
        let pushers = dice.usize(1..=producers);
        let wrong = (0..dice.usize(1..8)).map(|number| wrong(dice, number)).collect();
        Self { pushers, wrong }
    }
}

fn wrong(dice: &mut Rng, number: usize) -> Wrong {
    let mark = format!("wrong-{number}.");
    let job =
        |account: &str, body: Value| json!({"account": account, "kind": "transfer", "platform_no": mark, "body": body});
    let body = json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0",
    });
    let mut unpaid = body.clone();
    unpaid["total_amount"] = json!(0);
    let (payload, why) = match dice.u32(..4) {
        0 => (json!(mark), "job"),
        1 => (json!({"account": "main", "note": mark}), "kind"),
        2 => (job("main", unpaid), "body.total_amount"),
        _ => (job("unknown", body), "account"),
    };
    Wrong { at: Duration::from_millis(dice.u64(0..2_500)), mark, payload, why }
}

/// Pushes these batches, each of jobs by thing and variant, until Redis has acknowledged them. Workers send no reply.
pub(crate) fn push_jobs(url: &str, batches: &[Batch], jobs: &[Vec<NewJob>], began: Instant) -> JoinHandle<()> {
    let of = |batch: &Batch| batch.jobs.iter().map(|(thing, variant)| jobs[*thing][*variant].clone()).collect();
    let tasks = batches.iter().map(|batch| (batch.at, of(batch))).collect();
    tokio::spawn(push(url.to_owned(), tasks, began))
}

/// Pushes tasks that are no jobs.
pub(crate) fn push_wrong(url: &str, wrong: &[Wrong], began: Instant) -> JoinHandle<()> {
    let mut tasks: Vec<(Duration, Vec<Value>)> = wrong.iter().map(|one| (one.at, vec![one.payload.clone()])).collect();
    tasks.sort_by_key(|(at, _)| *at);
    tokio::spawn(push(url.to_owned(), tasks, began))
}

/// A task without an acknowledgement is pushed again: it may then be in the queue twice.
async fn push<T>(url: String, tasks: Vec<(Duration, Vec<T>)>, began: Instant)
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + Unpin + 'static,
{
    let connection = loop {
        match apalis_redis::connect(url.clone()).await {
            Ok(connection) => break connection,
            Err(_) => sleep(PAUSE).await,
        }
    };
    for (at, batch) in tasks {
        sleep_until(began + at).await;
        loop {
            // A new one each time: one that has failed may hold what it did not push.
            let mut storage = RedisStorage::new(connection.clone()).with_config(Config::default().queue(QUEUE));
            match storage.push_bulk(batch.clone()).await {
                Ok(()) => break,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}
