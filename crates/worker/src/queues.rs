//! The queues that this worker serves, by number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bursar_domain::{OnAmbiguous, ParsedResponse, Policy, Queue, Received};
use bursar_gateways::{BADLY_SIGNED, Gateway};
use bursar_telemetry::{Metrics, QueueMetrics};

use crate::Account;
use crate::circuit_breaker::CircuitBreaker;
use crate::heartbeat::CallHealth;

/// Every queue of every account.
pub(crate) struct Queues {
    served: Vec<ServedQueue>,
    numbers: HashMap<Queue, QueueNumber>,
}

/// A queue with the parts of its account that it needs.
pub(crate) struct ServedQueue {
    pub(crate) queue: Queue,
    pub(crate) gateway: Arc<dyn Gateway>,
    pub(crate) identity: String,
    /// The gateway's host.
    pub(crate) host: String,
    pub(crate) call_health: CallHealth,
    /// True if the queue's jobs belong to another gateway: nothing is done there.
    foreign: AtomicBool,
    /// True if the last responses were signed by another key.
    badly_signed: AtomicBool,
    pub(crate) policy: Policy,
    pub(crate) rate_per_second: f64,
    pub(crate) circuit: CircuitBreaker,
    pub(crate) metrics: QueueMetrics,
}

impl ServedQueue {
    /// Says that Redis was found to have lost writes here.
    pub(crate) fn log_lost_writes(&self) {
        let queue = &self.queue;
        self.metrics.lost_writes();
        match self.policy.on_ambiguous {
            OnAmbiguous::Resend => {
                tracing::error!(%queue, "Redis has lost writes: jobs that were queued there may have been sent, and are resent as such");
            }
            OnAmbiguous::Hold => {
                tracing::error!(%queue, "Redis has lost writes: jobs that were queued there may have been sent; the queue is paused. Check its jobs, then `bursar resume {queue}`");
            }
        }
    }

    /// True if the queue's jobs belong to another gateway.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }

    /// Logs once that responses are signed by another key than the configured one, and once that they no longer are.
    pub(crate) fn note_signature(&self, parsed: &ParsedResponse) {
        let queue = &self.queue;
        if parsed.message.as_deref().is_some_and(|message| message.contains(BADLY_SIGNED)) {
            if !self.badly_signed.swap(true, Ordering::Relaxed) {
                tracing::error!(%queue, "the response's signature does not verify: is platform_public_key_file the gateway's key?");
            }
        } else if parsed.received == Received::Response && self.badly_signed.swap(false, Ordering::Relaxed) {
            tracing::info!(%queue, "responses are signed by the platform's key again");
        }
    }

    /// Records a claim's finding; `true` if it has changed.
    pub(crate) fn note_foreign(&self, foreign: bool) -> bool {
        self.metrics.other_gateway(foreign);
        self.foreign.swap(foreign, Ordering::Relaxed) != foreign
    }
}

/// A queue's place in [`Queues`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueNumber(usize);

impl QueueNumber {
    pub(crate) fn index(self) -> usize {
        self.0
    }

    #[cfg(test)]
    pub(crate) fn of(index: usize) -> Self {
        Self(index)
    }
}

impl Queues {
    pub(crate) fn new(accounts: Vec<Account>, metrics: &Metrics) -> Self {
        let queues = accounts.into_iter().flat_map(|account| {
            let Account { name, gateway, identity, host, policy, rate_per_second, kinds } = account;
            kinds.into_iter().map(move |kind| {
                let queue = Queue { account: name.clone(), kind };
                ServedQueue {
                    metrics: metrics.queue(&queue),
                    policy: policy.for_kind(kind),
                    queue,
                    gateway: Arc::clone(&gateway),
                    identity: identity.clone(),
                    host: host.clone(),
                    call_health: CallHealth::default(),
                    foreign: AtomicBool::new(false),
                    badly_signed: AtomicBool::new(false),
                    rate_per_second,
                    circuit: CircuitBreaker::default(),
                }
            })
        });
        let served: Vec<ServedQueue> = queues.collect();
        let number = |(number, served): (usize, &ServedQueue)| (served.queue.clone(), QueueNumber(number));
        let numbers = served.iter().enumerate().map(number).collect();
        Self { served, numbers }
    }

    /// Numbers are only made by this table, so every one of them has its queue.
    pub(crate) fn get(&self, number: QueueNumber) -> &ServedQueue {
        &self.served[number.0]
    }

    pub(crate) fn count(&self) -> usize {
        self.served.len()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = QueueNumber> + use<> {
        (0..self.served.len()).map(QueueNumber)
    }

    pub(crate) fn find(&self, queue: &Queue) -> Option<QueueNumber> {
        self.numbers.get(queue).copied()
    }
}
