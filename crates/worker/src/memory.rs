//! What this worker remembers of each queue, and of Redis's clock. A Redis that knows less has lost writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::{Call, Millis};
use bursar_store::{Claimed, Known, RECEIPT_KEPT, RedisClock, Renewed};
use tokio::time::Instant;

use crate::queues::{QueueNumber, Queues};

/// How long a worker relies on Redis having its last receipt: well within the time for which Redis keeps it.
const RECEIPT_TRUSTED: Duration = RECEIPT_KEPT.saturating_sub(Duration::from_secs(600));

/// How far Redis's clock may be from where this machine's monotonic clock puts it before that is a step: two clocks drift by
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
    queues: Vec<QueueMemory>,
    clock: Option<RedisClock>,
}

#[derive(Clone, Copy)]
struct QueueMemory {
    known: Known,
    receipt_at: Instant,
}

impl Memory {
    pub(crate) fn of(queues: usize) -> Arc<Self> {
        let nothing = QueueMemory { known: Known::default(), receipt_at: Instant::now() };
        Arc::new(Self { inner: Mutex::new(Inner { queues: vec![nothing; queues], clock: None }) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock; if something did, what is remembered is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Redis must know of this queue, as far as this worker can tell.
    pub(crate) fn known(&self, queue: QueueNumber) -> Known {
        let memory = self.lock().queues[queue.index()];
        let receipt = if memory.receipt_at.elapsed() < RECEIPT_TRUSTED { memory.known.receipt } else { 0 };
        Known { receipt, ..memory.known }
    }

    /// Where Redis's clock is by now; `None` before the first reply.
    pub(crate) fn clock(&self) -> Option<Millis> {
        self.lock().clock.map(|clock| clock.now())
    }

    /// Takes note of what a claim call, the `number`th, has shown. The fence of one that gave no sends is not remembered: nobody has waited
    /// until it is kept, and to lose it in a failover is to lose nothing.
    pub(crate) fn claimed(&self, queue: QueueNumber, number: u64, claimed: &Claimed) {
        let mut inner = self.lock();
        let memory = &mut inner.queues[queue.index()];
        if claimed.lost_writes {
            memory.lost_writes(claimed.fence, claimed.era);
        } else if claimed.jobs.iter().any(|job| job.call == Call::Send) {
            memory.saw(claimed.fence, claimed.era);
            (memory.known.receipt, memory.receipt_at) = (number, Instant::now());
        }
    }

    /// Takes note of what a renewal has shown. A fence that it merely saw is not remembered, for the same reason.
    pub(crate) fn renewed(&self, queue: QueueNumber, renewed: &Renewed) {
        if renewed.lost_writes {
            let mut inner = self.lock();
            inner.queues[queue.index()].lost_writes(renewed.fence, renewed.era);
        }
    }

    /// The queues of which anything is remembered.
    pub(crate) fn remembered(&self, queues: &Queues) -> Vec<QueueNumber> {
        let inner = self.lock();
        let is_known = |number: &QueueNumber| inner.queues[number.index()].known != Known::default();
        queues.numbers().filter(is_known).collect()
    }

    /// Takes note of the time in a reply to what was asked at `asked`; a step when it is not where it should be.
    pub(crate) fn observe_clock(&self, now: Millis, asked: Instant) -> Option<ClockStep> {
        let before = self.lock().clock.replace(RedisClock::new(now))?;
        let expected = before.now();
        let tolerance = STEP + asked.elapsed();
        match (now.since(expected), expected.since(now)) {
            (ahead, _) if ahead > tolerance => Some(ClockStep::Forward(ahead)),
            (_, behind) if behind > tolerance => Some(ClockStep::Back(behind)),
            _ => None,
        }
    }
}

impl QueueMemory {
    /// Replies are not read in the order in which they were made: an older one teaches nothing.
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
    async fn a_step_of_the_clock_is_told_from_time_that_passes() {
        let memory = Memory::of(0);
        let at = |seconds: u64| Millis(1_800_000_000_000 + seconds * 1_000);
        assert_eq!(memory.observe_clock(at(0), Instant::now()), None, "there is nothing to compare with");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(memory.observe_clock(at(100), Instant::now()), None);
        let step = memory.observe_clock(at(3_700), Instant::now());
        assert_eq!(step, Some(ClockStep::Forward(Duration::from_secs(3_600))));
        assert_eq!(memory.observe_clock(at(3_701), Instant::now()), None, "a step is told once");
        let step = memory.observe_clock(at(101), Instant::now());
        assert_eq!(step, Some(ClockStep::Back(Duration::from_secs(3_600))));
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(memory.observe_clock(at(101), asked), None, "a slow reply was written while it was waited for");
    }
}
