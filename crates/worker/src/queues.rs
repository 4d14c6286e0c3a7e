//! The queues that this worker serves, by number. Their accounts can be replaced while it works.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bursar_domain::{OnAmbiguous, ParsedResponse, Policy, Queue, Received};
use bursar_gateways::{BADLY_SIGNED, Gateway};
use bursar_telemetry::{Metrics, QueueMetrics};

use crate::Account;
use crate::circuit_breaker::CircuitBreaker;
use crate::heartbeat::CallHealth;

/// Every queue of every account that this worker has served since it started.
pub(crate) struct Queues {
    table: RwLock<Table>,
    metrics: Arc<Metrics>,
}

/// A number stays with its queue and its gateway for as long as the worker runs: claims, leases and what the worker knows of Redis refer to it.
#[derive(Default)]
struct Table {
    all: Vec<Arc<ServedQueue>>,
    /// The queues of the current accounts.
    served: HashMap<Queue, QueueNumber>,
    /// Every queue with every gateway that it was ever served for.
    ever: HashMap<(Queue, String), QueueNumber>,
}

/// A queue with the parts of its account that it needs. They are never changed: a changed account makes another one.
pub(crate) struct ServedQueue {
    pub(crate) queue: Queue,
    pub(crate) gateway: Arc<dyn Gateway>,
    pub(crate) identity: String,
    /// The gateway's host.
    pub(crate) host: String,
    pub(crate) policy: Policy,
    pub(crate) rate_per_second: f64,
    /// What the worker has learnt of the queue at this gateway. It outlives the account's settings.
    learnt: Arc<Learnt>,
}

/// The state of a queue that does not depend on its account's settings.
struct Learnt {
    call_health: CallHealth,
    /// True if the queue's jobs belong to another gateway: nothing is done there.
    foreign: AtomicBool,
    /// True if the last responses were signed by another key.
    badly_signed: AtomicBool,
    circuit: CircuitBreaker,
    metrics: QueueMetrics,
}

impl ServedQueue {
    /// The queue's circuit breaker.
    pub(crate) fn circuit(&self) -> &CircuitBreaker {
        &self.learnt.circuit
    }

    /// The health of its calls.
    pub(crate) fn call_health(&self) -> &CallHealth {
        &self.learnt.call_health
    }

    /// The queue's metrics.
    pub(crate) fn metrics(&self) -> &QueueMetrics {
        &self.learnt.metrics
    }

    /// Says that Redis was found to have lost writes here.
    pub(crate) fn log_lost_writes(&self) {
        let queue = &self.queue;
        self.metrics().lost_writes();
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
        self.learnt.foreign.load(Ordering::Relaxed)
    }

    /// Logs once that responses are signed by another key than the configured one, and once that they no longer are.
    pub(crate) fn note_signature(&self, parsed: &ParsedResponse) {
        let queue = &self.queue;
        if parsed.message.as_deref().is_some_and(|message| message.contains(BADLY_SIGNED)) {
            if !self.learnt.badly_signed.swap(true, Ordering::Relaxed) {
                tracing::error!(%queue, "the response's signature does not verify: is platform_public_key_file the gateway's key?");
            }
        } else if parsed.received == Received::Response && self.learnt.badly_signed.swap(false, Ordering::Relaxed) {
            tracing::info!(%queue, "responses are signed by the platform's key again");
        }
    }

    /// Records a claim's finding; `true` if it has changed.
    pub(crate) fn note_foreign(&self, foreign: bool) -> bool {
        self.metrics().other_gateway(foreign);
        self.learnt.foreign.swap(foreign, Ordering::Relaxed) != foreign
    }
}

/// A queue's place in [`Queues`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueNumber(usize);

impl QueueNumber {
    pub(crate) fn index(self) -> usize {
        self.0
    }

    pub(crate) fn of(index: usize) -> Self {
        Self(index)
    }
}

impl Queues {
    pub(crate) fn new(accounts: &[Account], metrics: &Arc<Metrics>) -> Self {
        let queues = Self { table: RwLock::default(), metrics: Arc::clone(metrics) };
        queues.replace(accounts);
        queues
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // Nothing panics while it holds this lock. Should something panic, the table is still valid.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves these accounts from now on. A queue whose gateway is the same keeps its number and what was learnt of it; with another gateway it
    /// is another entry, which no earlier claim refers to.
    pub(crate) fn replace(&self, accounts: &[Account]) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut table.served);
        for account in accounts {
            for kind in &account.kinds {
                let queue = Queue { account: account.name.clone(), kind: *kind };
                let number = table.serve(queue.clone(), account, &self.metrics);
                table.served.insert(queue, number);
            }
        }
        for (queue, number) in before {
            if table.served.get(&queue) != Some(&number) {
                // It is not left alone because of its gateway any more.
                table.all[number.0].note_foreign(false);
            }
        }
    }

    /// The queue of this number with its latest settings. Numbers are only made by this table, so every one of them has its queue.
    pub(crate) fn get(&self, number: QueueNumber) -> Arc<ServedQueue> {
        Arc::clone(&self.read().all[number.0])
    }

    /// The same if the queue is still served, for the same gateway.
    pub(crate) fn current(&self, number: QueueNumber) -> Option<Arc<ServedQueue>> {
        let table = self.read();
        let queue = &table.all[number.0];
        (table.served.get(&queue.queue) == Some(&number)).then(|| Arc::clone(queue))
    }

    /// Every queue that was ever served. What the worker knows of a queue's sends counts, even if its account was removed.
    pub(crate) fn ever(&self) -> Vec<(QueueNumber, Arc<ServedQueue>)> {
        self.read().all.iter().enumerate().map(|(number, queue)| (QueueNumber(number), Arc::clone(queue))).collect()
    }

    /// Records that the queue belongs to another gateway than the one it was claimed for; `true` if that is news.
    pub(crate) fn note_foreign(&self, number: QueueNumber) -> bool {
        let table = self.read(); // held, so that no removal comes between
        let queue = &table.all[number.0];
        table.served.get(&queue.queue) == Some(&number) && queue.note_foreign(true)
    }

    /// The queues that are served.
    pub(crate) fn served(&self) -> Vec<QueueNumber> {
        self.read().served.values().copied().collect()
    }

    pub(crate) fn find(&self, queue: &Queue) -> Option<QueueNumber> {
        self.read().served.get(queue).copied()
    }
}

impl Table {
    /// The number of this queue with these settings.
    fn serve(&mut self, queue: Queue, account: &Account, metrics: &Metrics) -> QueueNumber {
        let known = self.ever.get(&(queue.clone(), account.identity.clone())).copied();
        let learnt = match known {
            Some(number) => Arc::clone(&self.all[number.0].learnt),
            None => Arc::new(Learnt {
                call_health: CallHealth::default(),
                foreign: AtomicBool::new(false),
                badly_signed: AtomicBool::new(false),
                circuit: CircuitBreaker::default(),
                metrics: metrics.queue(&queue),
            }),
        };
        let served = Arc::new(ServedQueue {
            policy: account.policy.for_kind(queue.kind),
            gateway: Arc::clone(&account.gateway),
            identity: account.identity.clone(),
            host: account.host.clone(),
            rate_per_second: account.rate_per_second,
            queue: queue.clone(),
            learnt,
        });
        if let Some(number) = known {
            self.all[number.0] = served;
            return number;
        }
        let number = QueueNumber(self.all.len());
        self.all.push(served);
        self.ever.insert((queue, account.identity.clone()), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use bursar_domain::{Kind, Outcome};
    use bursar_gateways::{BoxFuture, GatewayRequest};

    use super::*;

    /// A gateway that nothing is sent to.
    struct Unused;

    impl Gateway for Unused {
        fn send<'a>(&'a self, _: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
            Box::pin(async { ParsedResponse::of(Outcome::NoResponse, "nothing is sent") })
        }

        fn repeat_is_answered(&self) -> bool {
            false
        }
    }

    fn account(name: &str, identity: &str, rate_per_second: f64) -> Account {
        Account {
            name: name.parse().unwrap(),
            gateway: Arc::new(Unused),
            identity: identity.to_owned(),
            host: "h".to_owned(),
            policy: Policy::default(),
            rate_per_second,
            kinds: vec![Kind::Transfer],
        }
    }

    fn number(queues: &Queues, name: &str) -> Option<QueueNumber> {
        queues.find(&Queue { account: name.parse().unwrap(), kind: Kind::Transfer })
    }

    #[test]
    fn a_queue_keeps_its_number_with_its_gateway_alone() {
        let queues = Queues::new(&[account("a", "x", 1.0), account("b", "x", 1.0)], &Arc::default());
        let (a, b) = (number(&queues, "a").unwrap(), number(&queues, "b").unwrap());
        let of_claim = queues.get(a);
        for (accounts, current_a, current_b) in [
            (vec![account("a", "x", 2.0), account("b", "x", 1.0)], true, true), // changed
            (vec![account("b", "x", 1.0)], false, true),                        // removed
            (vec![account("c", "x", 1.0), account("a", "x", 3.0)], true, false), // back, and another one removed
            (vec![account("a", "y", 3.0)], false, false),                       // at another gateway
            (vec![account("a", "x", 4.0), account("b", "x", 1.0)], true, true), // at the first one again
        ] {
            queues.replace(&accounts);
            assert_eq!((queues.current(a).is_some(), queues.current(b).is_some()), (current_a, current_b));
            let numbers: Vec<Option<QueueNumber>> =
                accounts.iter().map(|account| number(&queues, account.name.as_str())).collect();
            assert!(numbers.iter().all(Option::is_some), "every account is served");
            assert_eq!(queues.served().len(), accounts.len());
            assert_eq!(numbers.contains(&Some(a)), current_a, "a number is of one gateway");
        }
        assert_eq!(queues.get(a).rate_per_second, 4.0);
        assert_eq!(of_claim.rate_per_second, 1.0, "a claim keeps the settings that it has");
        assert!(Arc::ptr_eq(&of_claim.learnt, &queues.get(a).learnt), "the circuit breaker outlives the settings");
        assert_eq!(queues.ever().len(), 4, "a, b, c, and a at the other gateway");
    }

    #[test]
    fn a_removed_queue_is_not_left_alone_for_its_gateway() {
        let queues = Queues::new(&[account("a", "x", 1.0)], &Arc::default());
        let a = number(&queues, "a").unwrap();
        assert!(queues.note_foreign(a) && !queues.note_foreign(a), "it is news once");
        queues.replace(&[]);
        assert!(!queues.get(a).is_foreign());
        assert!(!queues.note_foreign(a), "a claim that ends after the removal changes nothing");
        assert!(!queues.get(a).is_foreign());
    }
}
