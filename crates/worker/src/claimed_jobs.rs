//! Claimed jobs on their way from the claimer to apalis. Both ends can take them: apalis to work on them, the claimer to
//! give them back when the worker drains.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bursar_store::{ClaimedJob, RedisClock};
use bursar_telemetry::Span;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::lease::Lease;
use crate::queues::QueueNumber;

/// A job that this worker holds, with its place among the calls in flight.
pub(crate) struct ActiveClaim {
    pub(crate) job: ClaimedJob,
    pub(crate) queue: QueueNumber,
    /// Before the claim was asked for: its lease runs from no earlier moment.
    pub(crate) claimed: Instant,
    pub(crate) clock: RedisClock,
    /// The attempt, where the job is traced.
    pub(crate) span: Option<Span>,
    /// Kept for what it does while it is kept: the lease is renewed.
    pub(crate) _lease: Lease,
    /// The job's place among the calls in flight.
    pub(crate) slot: OwnedSemaphorePermit,
}

/// The queue between the two; never longer than the worker's concurrency, for every job in it holds a slot.
#[derive(Default)]
pub(crate) struct ClaimedJobs {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<ActiveClaim>,
    waiting: Option<Waker>,
}

impl ClaimedJobs {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock; if something did, the queue itself is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, jobs: impl Iterator<Item = ActiveClaim>) {
        let mut inner = self.lock();
        inner.jobs.extend(jobs);
        if let Some(waker) = inner.waiting.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<ActiveClaim> {
        let mut inner = self.lock();
        if let Some(job) = inner.jobs.pop_front() {
            return Poll::Ready(job);
        }
        inner.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    pub(crate) fn take_all(&self) -> Vec<ActiveClaim> {
        self.lock().jobs.drain(..).collect()
    }
}
