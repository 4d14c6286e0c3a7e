//! Commits, grouped by arrival: while one group is on its way to Redis, the next one gathers. Never by a timer.
//!
//! A call's place is free once its commit is in the queue, so a worker holds at most its concurrency, the queue and the
//! group under way: a Redis that stalls fills the queue, and then the calls wait for it with their places.

use std::sync::Arc;

use bursar_store::{Commit, Committed, MAX_CLAIM, Store, crash_point};
use bursar_telemetry::Doing;
use tokio::sync::{mpsc, oneshot};

use crate::lanes::{LaneNumber, Lanes};
use crate::redis_backoff::RedisBackoff;
use crate::redis_health::RedisHealth;

/// Where handlers put their commits.
#[derive(Clone)]
pub(crate) struct Commits {
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    lane: LaneNumber,
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
    /// Has the end of a claim recorded; returns once it is in the queue. `None` only when the worker is being torn down.
    pub(crate) async fn put(&self, lane: LaneNumber, commit: Commit) -> Option<Queued> {
        let (done, committed) = oneshot::channel();
        self.queue.send(Waiting { lane, commit, done }).await.ok()?;
        Some(Queued(committed))
    }
}

/// Starts the loop. It ends when the last [`Commits`] is dropped and everything in the queue has been committed.
pub(crate) fn start(store: Store, lanes: Arc<Lanes>, redis_health: RedisHealth) -> Commits {
    let (queue, waiting) = mpsc::channel(MAX_CLAIM);
    tokio::spawn(run(store, lanes, redis_health, waiting));
    Commits { queue }
}

async fn run(store: Store, lanes: Arc<Lanes>, redis_health: RedisHealth, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(MAX_CLAIM);
    while waiting.recv_many(&mut group, MAX_CLAIM).await > 0 {
        group.sort_by_key(|waiting| waiting.lane);
        while let Some(first) = group.first() {
            let lane = first.lane;
            let of_lane = group.iter().take_while(|waiting| waiting.lane == lane).count();
            commit_group(&store, &lanes, &redis_health, lane, group.drain(..of_lane).collect()).await;
        }
    }
}

/// Tries until Redis has them: nothing in flight is forgotten, and repeating is harmless under the fences.
async fn commit_group(store: &Store, lanes: &Lanes, redis_health: &RedisHealth, lane: LaneNumber, group: Vec<Waiting>) {
    let (commits, replies): (Vec<Commit>, Vec<_>) =
        group.into_iter().map(|waiting| (waiting.commit, waiting.done)).unzip();
    crash_point("before_commit");
    let mut backoff = RedisBackoff::new(Doing::Committing, redis_health.clone());
    let committed = loop {
        match store.commit(&lanes.get(lane).lane, &commits).await {
            Ok(committed) => break committed,
            Err(error) => backoff.wait(&error).await,
        }
    };
    crash_point("after_commit");
    backoff.over();
    for (reply, committed) in replies.into_iter().zip(committed) {
        // A handler that is gone (its worker was torn down) needs no answer.
        reply.send(committed).ok();
    }
}
