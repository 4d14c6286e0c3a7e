//! Leases: which jobs are ours, until when, and the loop that keeps them ours, which depends on nothing but Redis.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::lanes::{LaneNumber, Lanes};

/// A lease is renewed this many times before it would end.
const RENEWALS_PER_LEASE: u32 = 3;

type Jobs = HashMap<(LaneNumber, String, u64), Instant>;

/// All leases of this worker, with the moment until which each certainly holds.
#[derive(Default)]
pub(crate) struct Leases {
    held: Mutex<Jobs>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lease into account that holds until `until`; it is renewed until the returned guard is dropped.
    pub(crate) fn hold(self: &Arc<Self>, lane: LaneNumber, key: &str, fence: u64, until: Instant) -> Lease {
        let name = (lane, key.to_owned(), fence);
        self.lock().insert(name.clone(), until);
        Lease { leases: Arc::clone(self), name }
    }

    fn of_lane(&self, lane: LaneNumber) -> Vec<(String, u64)> {
        let held = self.lock();
        held.keys().filter(|(of, ..)| *of == lane).map(|(_, key, fence)| (key.clone(), *fence)).collect()
    }

    fn renewed(&self, lane: LaneNumber, renewed: &[(String, u64)], lost: &[String], until: Instant) {
        let mut held = self.lock();
        for (key, fence) in renewed {
            let name = (lane, key.clone(), *fence);
            if lost.contains(key) {
                held.remove(&name);
            } else if let Some(end) = held.get_mut(&name) {
                *end = until;
            }
        }
    }
}

/// One held lease. Dropped, also by a panic, it is no longer renewed.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    name: (LaneNumber, String, u64),
}

impl Lease {
    /// How much longer the job is certainly ours; `None` when it may be another worker's by now.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = *self.leases.lock().get(&self.name)?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.name);
    }
}

/// Renews all leases, three times in the life of one, until `stopped`.
pub(crate) async fn renew(
    store: Store,
    settings: Arc<Settings>,
    lanes: Arc<Lanes>,
    leases: Arc<Leases>,
    stopped: CancellationToken,
) {
    let mut ticks = tokio::time::interval(settings.lease / RENEWALS_PER_LEASE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
        for lane in lanes.numbers() {
            let held = leases.of_lane(lane);
            if held.is_empty() {
                continue;
            }
            // Counted from before the call: Redis counts from when the call arrives there.
            let until = Instant::now() + settings.lease;
            match store.renew(&lanes.get(lane).lane, &settings.name, settings.lease, &held).await {
                Ok(lost) => {
                    for key in &lost {
                        tracing::debug!(lane = %lanes.get(lane).lane, key, "no longer held when its lease was to be renewed");
                    }
                    leases.renewed(lane, &held, &lost, until);
                }
                // The next round tries again; until then the leases run on, and no send starts past its end.
                Err(error) => tracing::warn!(error = %error.chain(), "leases could not be renewed"),
            }
        }
    }
}
