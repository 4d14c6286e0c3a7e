//! The state that a worker's loops share.

use std::sync::Arc;

use bursar_domain::Millis;
use bursar_store::Store;
use tokio::time::Instant;

use crate::Settings;
use crate::deadlines::LeftSends;
use crate::heartbeat::Activity;
use crate::journal_check::JournalCheck;
use crate::lease::Leases;
use crate::memory::{ClockStep, Memory};
use crate::queues::Queues;
use crate::redis_health::RedisHealth;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Settings>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) redis_health: RedisHealth,
    pub(crate) journal_check: Arc<JournalCheck>,
    pub(crate) left: Arc<LeftSends>,
    pub(crate) activity: Arc<Activity>,
}

impl Shared {
    pub(crate) fn new(store: Store, settings: Arc<Settings>, queues: Arc<Queues>) -> Self {
        let memory = Arc::new(Memory::default());
        let redis_health = RedisHealth::now(Arc::clone(&settings.metrics));
        let journal_check = JournalCheck::new(
            store.clone(),
            Arc::clone(&queues),
            settings.journal.clone(),
            settings.expected.clone(),
            redis_health.clone(),
            Arc::clone(&settings.metrics),
        );
        let (leases, left, activity) = (Arc::default(), Arc::default(), Arc::default());
        let journal_check = Arc::new(journal_check);
        Self { store, settings, queues, leases, memory, redis_health, journal_check, left, activity }
    }

    /// Records Redis's time in a reply, and the time of its request. All times of jobs are Redis's, so a clock that was
    /// wrong for a while leaves wrong times behind: after a step back, jobs whose due time came from the wrong clock
    /// are moved to the right one. Other workers may do the same; repeating it changes nothing.
    pub(crate) fn observe_clock(&self, now: Millis, requested_at: Instant) {
        match self.memory.observe_clock(now, requested_at) {
            None => {}
            Some(ClockStep::Forward(by)) => {
                tracing::warn!(
                    by_s = by.as_secs(),
                    "Redis's clock was set forward: jobs come due early until it is right"
                );
            }
            Some(ClockStep::Back(by)) => {
                tracing::warn!(
                    by_s = by.as_secs(),
                    "Redis's clock was set back: due times and leases are set back with it"
                );
                tokio::spawn(self.clone().set_back());
            }
        }
    }

    async fn set_back(self) {
        for (_, served) in self.queues.ever() {
            let queue = &served.queue;
            match self.store.set_clock_back(queue, self.settings.lease).await {
                Ok(0) => {}
                Ok(jobs) => tracing::info!(%queue, jobs, "due times were set back"),
                Err(error) => {
                    tracing::warn!(error = %error.chain(), %queue, "due times could not be set back: jobs may come due late");
                }
            }
        }
    }
}
