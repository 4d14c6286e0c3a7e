//! Leases: the claimed jobs, and the loop that renews them, which depends on nothing but Redis.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bursar_store::{ClaimedJob, LeasedClaim, Renewal, StoreError};
use bursar_telemetry::{Lost, RedisOperation};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::queues::QueueNumber;
use crate::redis_backoff::RedisBackoff;
use crate::shared::Shared;

/// A lease is renewed this many times before it would end.
pub(crate) const RENEWALS_PER_LEASE: u32 = 3;

/// Queues that are renewed at once.
const AT_ONCE: usize = 64;

type Claims = HashSet<(QueueNumber, LeasedClaim)>;

/// All claims of this worker whose leases are to be renewed.
#[derive(Default)]
pub(crate) struct Leases {
    leased: Mutex<Claims>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, Claims> {
        // Nothing panics while it holds this lock. Should something panic, the set is still valid.
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a lease renewed until the returned guard is dropped.
    pub(crate) fn hold(self: &Arc<Self>, queue: QueueNumber, job: &ClaimedJob) -> Lease {
        let claim = (queue, LeasedClaim { key: job.key.to_string(), fence: job.fence, token: job.token.clone() });
        self.lock().insert(claim.clone());
        Lease { leases: Arc::clone(self), claim }
    }

    /// The number of these claims that are still in progress.
    fn count_leased(&self, queue: QueueNumber, claims: &[LeasedClaim], keys: &[String]) -> usize {
        let leased = self.lock();
        let lost = claims.iter().filter(|claim| keys.contains(&claim.key));
        lost.filter(|claim| leased.contains(&(queue, LeasedClaim::clone(claim)))).count()
    }

    fn by_queue(&self) -> BTreeMap<QueueNumber, Vec<LeasedClaim>> {
        let mut by_queue: BTreeMap<QueueNumber, Vec<LeasedClaim>> = BTreeMap::new();
        for (queue, claim) in self.lock().iter() {
            by_queue.entry(*queue).or_default().push(claim.clone());
        }
        by_queue
    }
}

/// One lease. When it is dropped, also by a panic, it is no longer renewed.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    claim: (QueueNumber, LeasedClaim),
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.claim);
    }
}

/// Renews all leases until `stopped`, three times in the life of a lease. After any error of Redis it also reports at
/// once this worker's knowledge of every queue: the worker may be the only one that knows of lost writes, and may have
/// no free slot to claim with.
pub(crate) struct Renewer(pub(crate) Shared);

impl Renewer {
    pub(crate) async fn run(self, stopped: CancellationToken) {
        let mut ticks = tokio::time::interval(self.0.settings.lease / RENEWALS_PER_LEASE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut troubled = self.0.redis_health.watch();
        let mut backoff = RedisBackoff::new(RedisOperation::Renewing, self.0.redis_health.clone());
        let mut spoken_at = Instant::now();
        loop {
            let woken = async {
                tokio::select! {
                    _ = ticks.tick() => {}
                    // The sender lives in `self`, so this is no error.
                    _ = troubled.changed() => {}
                }
            };
            if stopped.run_until_cancelled(woken).await.is_none() {
                return;
            }
            // An error of Redis during a round causes another round.
            while !stopped.is_cancelled() {
                let (began, speaks) = (Instant::now(), spoken_at <= self.0.redis_health.last());
                match self.round(speaks).await {
                    Ok(()) => {
                        backoff.over();
                        if speaks {
                            spoken_at = began;
                        }
                        break;
                    }
                    // No send begins so late that it would depend on a renewal which fails meanwhile.
                    Err(error) => drop(stopped.run_until_cancelled(backoff.wait(&error)).await),
                }
            }
        }
    }

    /// Every queue with a lease; if it `speaks`, every queue of which the worker knows anything.
    async fn round(&self, speaks: bool) -> Result<(), StoreError> {
        let Shared { leases, memory, .. } = &self.0;
        let mut leased = leases.by_queue();
        if speaks {
            for number in memory.remembered() {
                leased.entry(number).or_default();
            }
        }
        // All at once, because sends wait only for a moment.
        let renewals: Vec<_> = leased.iter().map(|(number, leased)| self.renew(*number, leased)).collect();
        stream::iter(renewals).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn renew(&self, number: QueueNumber, leased: &[LeasedClaim]) -> Result<(), StoreError> {
        let Shared { store, settings, queues, leases, memory, .. } = &self.0;
        let served = queues.get(number);
        let queue = &served.queue;
        let renewal = Renewal {
            worker: &settings.name,
            lease: settings.lease,
            known: memory.known(number),
            on_ambiguous: served.policy.on_ambiguous,
            clock: memory.clock(),
        };
        let requested_at = Instant::now();
        let renewed = store.renew(queue, &renewal, leased).await?;
        memory.renewed(number, &renewed);
        self.0.observe_clock(renewed.now, requested_at);
        if renewed.lost_writes {
            self.0.journal_check.suspect();
            served.log_lost_writes();
        }
        // Committed meanwhile, taken over, or lost: the late commit will be refused, and used as evidence.
        served.metrics().lost(Lost::Lease, leases.count_leased(number, leased, &renewed.gone));
        tracing::trace!(%queue, renewed = leased.len(), gone = renewed.gone.len(), "leases renewed");
        Ok(())
    }
}
