//! Whether a worker is well: its claimer's pulse.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A worker that has not claimed or tried for so long is not well. Its claimer looks at every queue each 5 s at most, and
/// while Redis is away it tries twice a second.
const STILL: Duration = Duration::from_secs(30);

/// Why a worker is not well, or not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwell {
    /// Its claimer stands.
    #[error("has not claimed or tried for {} s", .0.as_secs())]
    Still(Duration),
    /// It was told to end.
    #[error("drains: nothing new is claimed")]
    Draining,
    /// Redis does not answer.
    #[error("Redis does not answer")]
    NoRedis,
    /// The preflight allows no sends.
    #[error("no money is sent on this Redis: `bursar doctor` tells why")]
    NotForMoney,
    /// A journal knows of sends that Redis has forgotten, or Redis is not the one that it is said to be.
    #[error("sends nothing: {0} refuses; `bursar doctor` tells why, and queries go on")]
    Guarded(&'static str),
    /// A queue's jobs are for another gateway than the configuration's.
    #[error("leaves a queue alone whose jobs are for another gateway: `bursar doctor` tells which")]
    OtherGateway,
}

/// When a worker last claimed, or tried.
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

    /// How long a call may take at most.
    pub fn slowest_call(&self, timeout: Duration) {
        self.slowest_call.fetch_max(millis(timeout), Ordering::Relaxed);
    }

    /// The worker was told to end.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How long ago it last tried.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.tried.load(Ordering::Relaxed)))
    }

    /// Whether it lives.
    ///
    /// # Errors
    /// [`Unwell::Still`].
    pub fn well(&self) -> Result<(), Unwell> {
        let slowest = Duration::from_millis(self.slowest_call.load(Ordering::Relaxed));
        let allowed = if self.full.load(Ordering::Relaxed) { STILL + slowest } else { STILL };
        let age = self.age();
        // One that drains claims nothing any more; its end has a time limit of its own.
        if age > allowed && !self.is_draining() { Err(Unwell::Still(age)) } else { Ok(()) }
    }

    /// Whether it was told to end.
    pub(crate) fn is_draining(&self) -> bool {
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
