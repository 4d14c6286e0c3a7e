//! Claimed jobs on their way from the claimer to apalis. Both ends can take them: apalis to run them, the claimer to
//! release them during a drain.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bursar_store::{ClaimedJob, RedisClock};
use bursar_telemetry::Span;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::lease::Lease;
use crate::queues::{QueueNumber, ServedQueue};

/// A job that this worker has claimed, with its slot among the calls in flight.
pub(crate) struct ActiveClaim {
    pub(crate) job: ClaimedJob,
    pub(crate) queue: QueueNumber,
    /// The queue's settings: those of the claim, and from the start of its work on those of that moment. A call never mixes two.
    pub(crate) served: Arc<ServedQueue>,
    /// Taken before the claim was requested: the lease cannot have begun earlier.
    pub(crate) claimed: Instant,
    pub(crate) clock: RedisClock,
    /// The attempt, where the job is traced.
    pub(crate) span: Option<Span>,
    /// Keeps the lease renewed while it is alive.
    pub(crate) _lease: Lease,
    /// The job's place among the calls in flight.
    pub(crate) slot: OwnedSemaphorePermit,
}

/// The queue from the claimer to the backend. It is never longer than the worker's concurrency, because every job in it
/// has a slot.
#[derive(Default)]
pub(crate) struct ClaimedJobs {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Boxed: apalis moves what it hands on about twenty times, and a claim is a kilobyte.
    jobs: VecDeque<Box<ActiveClaim>>,
    waiting: Option<Waker>,
}

impl ClaimedJobs {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock. Should something panic, the queue is still valid.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, jobs: impl Iterator<Item = Box<ActiveClaim>>) {
        let mut inner = self.lock();
        inner.jobs.extend(jobs);
        if let Some(waker) = inner.waiting.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<Box<ActiveClaim>> {
        let mut inner = self.lock();
        if let Some(job) = inner.jobs.pop_front() {
            return Poll::Ready(job);
        }
        inner.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    pub(crate) fn take_all(&self) -> VecDeque<Box<ActiveClaim>> {
        std::mem::take(&mut self.lock().jobs)
    }
}
