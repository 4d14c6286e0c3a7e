//! This worker's knowledge of each queue, and of Redis's clock. A Redis that knows less has lost writes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::{Call, Millis};
use bursar_store::{Claimed, Known, RECEIPT_KEPT, RedisClock, Renewed};
use tokio::time::Instant;

use crate::queues::QueueNumber;

/// The time for which a worker expects Redis to have its last receipt: well within the time for which Redis keeps it.
const RECEIPT_TRUSTED: Duration = RECEIPT_KEPT.saturating_sub(Duration::from_secs(600));

/// The difference between Redis's clock and this machine's monotonic clock that counts as a step. Two clocks drift by
/// milliseconds between two replies, and corrections of a second or two change no decision about a job.
const STEP: Duration = Duration::from_secs(2);

/// A step of Redis's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockStep {
    Forward(Duration),
    Back(Duration),
}

/// Shared by everything in the worker that speaks with Redis.
#[derive(Default)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By number. Shorter than the table of queues while nothing is known of the last ones.
    queues: Vec<QueueMemory>,
    clock: Option<RedisClock>,
}

#[derive(Clone, Copy)]
struct QueueMemory {
    known: Known,
    receipt_at: Instant,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock. Should something panic, the remembered values are still valid.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state that Redis must have of this queue, from this worker's point of view.
    pub(crate) fn known(&self, queue: QueueNumber) -> Known {
        let memory = *self.lock().of(queue);
        let receipt = if memory.receipt_at.elapsed() < RECEIPT_TRUSTED { memory.known.receipt } else { 0 };
        Known { receipt, ..memory.known }
    }

    /// The current time of Redis's clock; `None` before the first reply.
    pub(crate) fn clock(&self) -> Option<Millis> {
        self.lock().clock.map(|clock| clock.now())
    }

    /// Records the result of the `number`th claim call. The fence of a claim without sends is not recorded: no call
    /// waited for its durability, so losing it in a failover loses nothing.
    pub(crate) fn claimed(&self, queue: QueueNumber, number: u64, claimed: &Claimed) {
        let mut inner = self.lock();
        let memory = inner.of(queue);
        if claimed.lost_writes {
            memory.lost_writes(claimed.fence, claimed.era);
        } else if claimed.jobs.iter().any(|job| job.call == Call::Send) {
            memory.saw(claimed.fence, claimed.era);
            (memory.known.receipt, memory.receipt_at) = (number, Instant::now());
        }
    }

    /// Records the result of a renewal. A fence that it only saw is not recorded, for the same reason.
    pub(crate) fn renewed(&self, queue: QueueNumber, renewed: &Renewed) {
        if renewed.lost_writes {
            let mut inner = self.lock();
            inner.of(queue).lost_writes(renewed.fence, renewed.era);
        }
    }

    /// The queues of which anything is remembered.
    pub(crate) fn remembered(&self) -> Vec<QueueNumber> {
        let inner = self.lock();
        let known = inner.queues.iter().enumerate().filter(|(_, memory)| memory.known != Known::default());
        known.map(|(number, _)| QueueNumber::of(number)).collect()
    }

    /// Records the time in a reply to a request of `requested_at`; returns a step if the time is not the expected one.
    pub(crate) fn observe_clock(&self, now: Millis, requested_at: Instant) -> Option<ClockStep> {
        let before = self.lock().clock.replace(RedisClock::new(now))?;
        let expected = before.now();
        let tolerance = STEP + requested_at.elapsed();
        match (now.since(expected), expected.since(now)) {
            (ahead, _) if ahead > tolerance => Some(ClockStep::Forward(ahead)),
            (_, behind) if behind > tolerance => Some(ClockStep::Back(behind)),
            _ => None,
        }
    }
}

impl Inner {
    fn of(&mut self, queue: QueueNumber) -> &mut QueueMemory {
        let nothing = || QueueMemory { known: Known::default(), receipt_at: Instant::now() };
        if self.queues.len() <= queue.index() {
            self.queues.resize_with(queue.index() + 1, nothing);
        }
        &mut self.queues[queue.index()]
    }
}

impl QueueMemory {
    /// Replies may be read out of order: an older one adds no knowledge.
    fn saw(&mut self, fence: u64, era: u64) {
        if fence >= self.known.fence {
            (self.known.fence, self.known.era) = (fence, era);
        }
    }

    fn lost_writes(&mut self, fence: u64, era: u64) {
        self.saw(fence, era);
        self.known.receipt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_of_the_clock_differs_from_passing_time() {
        let memory = Memory::default();
        let at = |seconds: u64| Millis(1_800_000_000_000 + seconds * 1_000);
        assert_eq!(memory.observe_clock(at(0), Instant::now()), None, "there is nothing to compare with");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(memory.observe_clock(at(100), Instant::now()), None);
        let step = memory.observe_clock(at(3_700), Instant::now());
        assert_eq!(step, Some(ClockStep::Forward(Duration::from_secs(3_600))));
        assert_eq!(memory.observe_clock(at(3_701), Instant::now()), None, "a step is reported once");
        let step = memory.observe_clock(at(101), Instant::now());
        assert_eq!(step, Some(ClockStep::Back(Duration::from_secs(3_600))));
        let requested_at = Instant::now();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(
            memory.observe_clock(at(101), requested_at),
            None,
            "a slow reply was written while it was waited for"
        );
    }
}
