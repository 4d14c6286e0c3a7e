//! Leases: which jobs are ours, and the loop that keeps them ours, which depends on nothing but Redis.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bursar_store::Store;
use bursar_telemetry::{Doing, Lost};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::lanes::{LaneNumber, Lanes};
use crate::trouble::Trouble;

/// A lease is renewed this many times before it would end.
pub(crate) const RENEWALS_PER_LEASE: u32 = 3;

type Claims = HashSet<(LaneNumber, String, u64)>;

/// All claims of this worker whose leases are to be renewed: lane, key and fence.
#[derive(Default)]
pub(crate) struct Leases {
    held: Mutex<Claims>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, Claims> {
        // Nothing panics while it holds the lock; if something did, the set itself is still whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a lease renewed until the returned guard is dropped.
    pub(crate) fn hold(self: &Arc<Self>, lane: LaneNumber, key: &str, fence: u64) -> Lease {
        let claim = (lane, key.to_owned(), fence);
        self.lock().insert(claim.clone());
        Lease { leases: Arc::clone(self), claim }
    }

    /// How many of these are still worked on.
    fn count_held(&self, lane: LaneNumber, claims: &[(String, u64)], keys: &[String]) -> usize {
        let held = self.lock();
        let lost = claims.iter().filter(|(key, _)| keys.contains(key));
        lost.filter(|(key, fence)| held.contains(&(lane, key.clone(), *fence))).count()
    }

    fn of_lane(&self, lane: LaneNumber) -> Vec<(String, u64)> {
        let held = self.lock();
        held.iter().filter(|(of, ..)| *of == lane).map(|(_, key, fence)| (key.clone(), *fence)).collect()
    }
}

/// One held lease. Dropped, also by a panic, it is no longer renewed.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    claim: (LaneNumber, String, u64),
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.claim);
    }
}

/// Renews all leases, three times in the life of one, until `stopped`.
pub(crate) async fn renew(
    store: Store,
    settings: Arc<Settings>,
    lanes: Arc<Lanes>,
    leases: Arc<Leases>,
    trouble: Trouble,
    stopped: CancellationToken,
) {
    let mut ticks = tokio::time::interval(settings.lease / RENEWALS_PER_LEASE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
        for number in lanes.numbers() {
            let served = lanes.get(number);
            let lane = &served.lane;
            let held = leases.of_lane(number);
            if held.is_empty() {
                continue;
            }
            match store.renew(lane, &settings.name, settings.lease, &held).await {
                // Committed meanwhile, or taken over: then the late commit will be refused, and nothing is to be done here.
                Ok(lost) => {
                    served.metrics.lost(Lost::Lease, leases.count_held(number, &held, &lost));
                    tracing::trace!(%lane, renewed = held.len(), lost = lost.len(), "leases renewed");
                }
                // The next round tries again. No send begins so late that it would need a renewal.
                Err(error) => {
                    trouble.failed(Doing::Renewing);
                    tracing::warn!(error = %error.chain(), %lane, "leases could not be renewed");
                }
            }
        }
    }
}
