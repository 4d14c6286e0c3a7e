//! The health of a worker: its claimer's pulse.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A worker that has not tried to claim for this long is unhealthy. Its claimer visits every queue at least every 5 s,
/// and while Redis is away it tries twice a second.
const STILL: Duration = Duration::from_secs(30);

/// Why a process is not well, or not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwell {
    /// Its claimer has stopped.
    #[error("no attempt to claim for {} s", .0.as_secs())]
    Still(Duration),
    /// This listener takes no connections, although it is to serve.
    #[error("{0} takes no connections")]
    Deaf(&'static str),
    /// The worker is draining.
    #[error("draining: nothing new is claimed")]
    Draining,
    /// Redis does not answer.
    #[error("Redis does not answer")]
    NoRedis,
    /// The preflight allows no sends.
    #[error("nothing is sent on this Redis: run `bursar doctor` for the reason")]
    NotForMoney,
    /// A journal has sends that Redis lacks, or Redis is not the expected one.
    #[error("nothing is sent: {0} refuses. Run `bursar doctor` for the reason; queries go on")]
    Guarded(&'static str),
    /// A queue's jobs are for another gateway than the configuration's.
    #[error("a queue's jobs are for another gateway and it is left alone: run `bursar doctor` for its name")]
    OtherGateway,
}

/// The time of a worker's last attempt to claim.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// The last try, in ms since it began.
    tried: AtomicU64,
    /// Every slot is taken: claiming waits for a call to end, for as long as the slowest call may take.
    full: AtomicBool,
    /// That long, in ms.
    slowest_call: AtomicU64,
    draining: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        let (tried, full, slowest_call, draining) = Default::default();
        Self { began: Instant::now(), tried, full, slowest_call, draining }
    }
}

impl Pulse {
    /// The claimer claims, or tries.
    pub fn tried(&self) {
        self.full.store(false, Ordering::Relaxed);
        self.tried.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }

    /// Every slot is taken: the claimer waits for one.
    pub fn waits_for_a_slot(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// The longest time that a call may take.
    pub fn slowest_call(&self, timeout: Duration) {
        self.slowest_call.fetch_max(millis(timeout), Ordering::Relaxed);
    }

    /// Marks the worker as draining.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The age of the last attempt.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.tried.load(Ordering::Relaxed)))
    }

    /// Ok if the worker is alive.
    ///
    /// # Errors
    /// [`Unwell::Still`].
    pub fn well(&self) -> Result<(), Unwell> {
        let slowest = Duration::from_millis(self.slowest_call.load(Ordering::Relaxed));
        let allowed = if self.full.load(Ordering::Relaxed) { STILL + slowest } else { STILL };
        let age = self.age();
        // A draining worker claims nothing; its drain has its own time limit.
        if age > allowed && !self.is_draining() { Err(Unwell::Still(age)) } else { Ok(()) }
    }

    /// True if the worker is draining.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_stops_claiming_is_unhealthy_until_it_resumes() {
        let pulse = Pulse::default();
        tokio::time::advance(STILL).await;
        assert_eq!(pulse.well(), Ok(()));
        tokio::time::advance(SECOND).await;
        assert_eq!(pulse.well(), Err(Unwell::Still(STILL + SECOND)));
        pulse.tried();
        assert_eq!(pulse.well(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fully_busy_worker_may_wait_for_its_slowest_call() {
        let pulse = Pulse::default();
        pulse.slowest_call(SECOND * 60);
        pulse.slowest_call(SECOND * 5);
        pulse.waits_for_a_slot();
        tokio::time::advance(STILL + SECOND * 60).await;
        assert_eq!(pulse.well(), Ok(()));
        tokio::time::advance(SECOND).await;
        assert!(pulse.well().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_drains_need_not_claim() {
        let pulse = Pulse::default();
        pulse.draining();
        tokio::time::advance(STILL * 10).await;
        assert_eq!(pulse.well(), Ok(()));
    }
}
