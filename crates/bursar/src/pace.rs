//! How fast the gateway is asked for what is no job of a worker: within the lane's own rate, beside workers that need it too.

use std::time::Duration;

use bursar_domain::Lane;
use bursar_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Of the account's rate at most one in so many calls is ours; the workers' come from the same bucket.
const SHARE: f64 = 2.0;

/// Where the account has no limit: about what one worker's share of a gateway is.
const WITHOUT_LIMIT: f64 = 50.0;

pub(crate) struct Pace {
    rate_per_second: f64,
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn of(rate_per_second: f64) -> Self {
        Self { rate_per_second, interval: interval(rate_per_second), next: Mutex::new(Instant::now()) }
    }

    /// Returns when one more question may be asked.
    pub(crate) async fn turn(&self, store: &Store, lane: &Lane) -> Result<(), StoreError> {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        while let Some(wait) = store.take_turn(lane, self.rate_per_second).await? {
            tokio::time::sleep(wait).await;
        }
        *next = Instant::now() + self.interval;
        Ok(())
    }
}

/// The least time between two of our questions.
#[allow(clippy::float_arithmetic, reason = "a rate in calls a second; no money is counted here")]
fn interval(rate_per_second: f64) -> Duration {
    let ours = if rate_per_second > 0.0 { rate_per_second / SHARE } else { WITHOUT_LIMIT };
    Duration::try_from_secs_f64(1.0 / ours).unwrap_or(Duration::from_secs(3_600))
}
