//! Commits, grouped by arrival: while one group is on its way to Redis, the next one gathers. No timer is involved.
//!
//! A call's slot is free once its commit is in the queue. A worker therefore has at most its concurrency, the queue and
//! the group in flight; if Redis stalls, the queue fills up and the calls wait with their slots.

use std::sync::Arc;

use bursar_store::{Commit, Committed, MAX_CLAIM, Store, crash_point};
use bursar_telemetry::RedisOperation;
use tokio::sync::{mpsc, oneshot};

use crate::queues::{QueueNumber, Queues};
use crate::redis_backoff::RedisBackoff;
use crate::redis_health::RedisHealth;

/// The handlers' end of the commit queue.
#[derive(Clone)]
pub(crate) struct Commits {
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    queue: QueueNumber,
    commit: Commit,
    done: oneshot::Sender<Committed>,
}

/// A commit in the queue.
pub(crate) struct Queued(oneshot::Receiver<Committed>);

impl Queued {
    /// Returns once Redis has it. `None` only when the worker is being torn down.
    pub(crate) async fn committed(self) -> Option<Committed> {
        self.0.await.ok()
    }
}

impl Commits {
    /// Queues the commit that ends a claim; returns once it is in the queue. `None` only during teardown.
    pub(crate) async fn put(&self, queue: QueueNumber, commit: Commit) -> Option<Queued> {
        let (done, committed) = oneshot::channel();
        self.queue.send(Waiting { queue, commit, done }).await.ok()?;
        Some(Queued(committed))
    }
}

/// Starts the loop. It ends when the last [`Commits`] is dropped and everything in the queue has been committed.
pub(crate) fn start(store: Store, queues: Arc<Queues>, redis_health: RedisHealth) -> Commits {
    let (queue, waiting) = mpsc::channel(MAX_CLAIM);
    tokio::spawn(run(store, queues, redis_health, waiting));
    Commits { queue }
}

async fn run(store: Store, queues: Arc<Queues>, redis_health: RedisHealth, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(MAX_CLAIM);
    while waiting.recv_many(&mut group, MAX_CLAIM).await > 0 {
        group.sort_by_key(|waiting| waiting.queue);
        while let Some(first) = group.first() {
            let queue = first.queue;
            let of_queue = group.iter().take_while(|waiting| waiting.queue == queue).count();
            commit_group(&store, &queues, &redis_health, queue, group.drain(..of_queue).collect()).await;
        }
    }
}

/// Tries until Redis has stored them: no call in flight is forgotten, and repeating is harmless under the fences.
async fn commit_group(
    store: &Store,
    queues: &Queues,
    redis_health: &RedisHealth,
    queue: QueueNumber,
    group: Vec<Waiting>,
) {
    let (commits, replies): (Vec<Commit>, Vec<_>) =
        group.into_iter().map(|waiting| (waiting.commit, waiting.done)).unzip();
    crash_point("before_commit");
    let mut backoff = RedisBackoff::new(RedisOperation::Committing, redis_health.clone());
    let committed = loop {
        match store.commit(&queues.get(queue).queue, &commits).await {
            Ok(committed) => break committed,
            Err(error) => backoff.wait(&error).await,
        }
    };
    crash_point("after_commit");
    backoff.over();
    for (reply, committed) in replies.into_iter().zip(committed) {
        // A handler that is gone (its worker was torn down) needs no reply.
        reply.send(committed).ok();
    }
}
