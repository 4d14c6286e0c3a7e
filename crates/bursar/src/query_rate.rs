//! The rate of queries outside of claims. They share the queue's rate with the workers.

use std::time::Duration;

use bursar_domain::{AccountName, Kind, Queue};
use bursar_gateways::{BoxFuture, Rate, RatePermit};
use bursar_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One in this many calls of the account's rate is ours at most. The workers' calls come from the same bucket.
const SHARE: f64 = 2.0;

/// Calls a second where the account has no limit: about one worker's share of a gateway.
const WITHOUT_LIMIT: f64 = 50.0;

pub(crate) struct QueryRate {
    rate_per_second: f64,
    interval: Duration,
    next: Mutex<Instant>,
}

impl QueryRate {
    pub(crate) fn of(rate_per_second: f64) -> Self {
        Self { rate_per_second, interval: interval(rate_per_second), next: Mutex::new(Instant::now()) }
    }

    /// Returns when one more query may be made.
    pub(crate) async fn acquire(&self, store: &Store, queue: &Queue) -> Result<(), StoreError> {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        while let Some(wait) = store.take_rate_token(queue, self.rate_per_second).await? {
            tokio::time::sleep(wait).await;
        }
        *next = Instant::now() + self.interval;
        Ok(())
    }
}

/// An account's rate for the requests of a call beyond its first, which its claim has paid for.
pub(crate) struct AccountRate {
    store: Store,
    account: AccountName,
    rate_per_second: f64,
    /// One of the waiting calls in this process tries at a time, the longest waiting first.
    first: Mutex<()>,
}

impl AccountRate {
    pub(crate) fn new(store: Store, account: AccountName, rate_per_second: f64) -> Self {
        Self { store, account, rate_per_second, first: Mutex::default() }
    }

    async fn taken(&self, kind: Kind) -> Result<(), StoreError> {
        let queue = Queue { account: self.account.clone(), kind };
        let _first = self.first.lock().await;
        while let Some(wait) = self.store.take_rate_token(&queue, self.rate_per_second).await? {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

impl Rate for AccountRate {
    fn acquire(&self, kind: Kind, by: std::time::Instant) -> BoxFuture<'_, RatePermit> {
        Box::pin(async move {
            match tokio::time::timeout_at(by.into(), self.taken(kind)).await {
                Ok(Ok(())) => RatePermit::Taken,
                // Without Redis the other processes' calls are unknown.
                Ok(Err(_)) | Err(_) => RatePermit::NotInTime,
            }
        })
    }
}

/// The shortest time between two of our queries.
#[allow(clippy::float_arithmetic, reason = "a rate in calls a second; no money is counted here")]
fn interval(rate_per_second: f64) -> Duration {
    let ours = if rate_per_second > 0.0 { rate_per_second / SHARE } else { WITHOUT_LIMIT };
    Duration::try_from_secs_f64(1.0 / ours).unwrap_or(Duration::from_secs(3_600))
}
