//! The metrics of one queue.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bursar_domain::{Call, Outcome, Queue, State, Unsendable};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::{CIRCUIT_CLOSED, CIRCUIT_OPENED, Families};
use crate::families::Series;
use crate::names;

/// A claim that led to no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its commit came too late.
    Commit,
    /// Its lease could not be renewed.
    Lease,
    /// The claim was released unsent.
    Released,
}

/// The metrics of one queue. A series gets its line on the page with its first event.
#[derive(Debug)]
pub struct QueueMetrics {
    queue: String,
    families: Arc<Families>,
    /// Nothing as long as the queue is idle.
    found: OnceLock<Box<Found>>,
    /// Queues of this worker that are left alone.
    left_alone: Arc<AtomicI64>,
}

/// Each series of a queue that had an event.
#[derive(Debug, Default)]
struct Found {
    answers: [[Series<Counter>; Outcome::ALL.len()]; Call::ALL.len()],
    durations: [[Series<Histogram>; Outcome::ALL.len()]; Call::ALL.len()],
    pickup: [Series<Histogram>; Call::ALL.len()],
    ends: [Series<Histogram>; State::ALL.len()],
    commits: [Series<Counter>; State::ALL.len()],
    stale_commits: Series<Counter>,
    released: Series<Counter>,
    lost_leases: Series<Counter>,
    lost_writes: Series<Counter>,
    skipped: [Series<Counter>; Unsendable::ALL.len()],
    mismatches: Series<Counter>,
    opened: Series<Counter>,
    closed: Series<Counter>,
    circuit_open: Series<Gauge>,
    other_gateway: Series<Gauge>,
}

impl QueueMetrics {
    pub(super) fn new(queue: &Queue, families: &Arc<Families>, left_alone: &Arc<AtomicI64>) -> Self {
        Self {
            queue: queue.to_string(),
            families: Arc::clone(families),
            found: OnceLock::new(),
            left_alone: Arc::clone(left_alone),
        }
    }

    fn found(&self) -> &Found {
        self.found.get_or_init(Box::default)
    }

    /// A call was answered, or was not.
    pub fn answered(&self, call: Call, answer: Outcome, took: Duration) {
        let (of, found) = (&self.families, self.found());
        let values = [self.queue.as_str(), call.as_str(), answer.as_str()];
        found.answers[call as usize][answer as usize].of(&of.answers, names::ANSWERS, values).inc();
        let duration =
            found.durations[call as usize][answer as usize].of(&of.call_duration, names::CALL_DURATION, values);
        duration.observe(took.as_secs_f64());
    }

    /// A job was claimed so long after it was due.
    pub fn claimed(&self, call: Call, late: Duration) {
        let (family, values) = (&self.families.pickup_delay, [self.queue.as_str(), call.as_str()]);
        self.found().pickup[call as usize].of(family, names::PICKUP_DELAY, values).observe(late.as_secs_f64());
    }

    /// A claim ended with this state.
    pub fn committed(&self, state: State) {
        let values = [self.queue.as_str(), state.as_str()];
        self.found().commits[state as usize].of(&self.families.commits, names::COMMITS, values).inc();
    }

    /// A job ended so long after it was submitted.
    pub fn ended(&self, state: State, after: Duration) {
        let (family, values) = (&self.families.time_to_end, [self.queue.as_str(), state.as_str()]);
        self.found().ends[state as usize].of(family, names::TIME_TO_END, values).observe(after.as_secs_f64());
    }

    /// Counts claims that led to no call.
    pub fn lost(&self, what: Lost, count: usize) {
        if count == 0 {
            return;
        }
        let (of, found) = (&self.families, self.found());
        let (series, family, metric) = match what {
            Lost::Commit => (&found.stale_commits, &of.stale_commits, names::STALE_COMMITS),
            Lost::Lease => (&found.lost_leases, &of.lost_leases, names::LOST_LEASES),
            Lost::Released => (&found.released, &of.released, names::CLAIMS_RELEASED),
        };
        series.of(family, metric, [&self.queue]).inc_by(u64::try_from(count).unwrap_or_default());
    }

    /// Redis was found to have lost writes.
    pub fn lost_writes(&self) {
        self.found().lost_writes.of(&self.families.lost_writes, names::LOST_WRITES, [&self.queue]).inc();
    }

    /// Counts a send that was skipped because the record in Redis must not be sent.
    pub fn skipped(&self, why: Unsendable) {
        let values = [self.queue.as_str(), why.label()];
        self.found().skipped[why as usize].of(&self.families.skipped, names::SENDS_SKIPPED, values).inc();
    }

    /// A response was known by a number that another one has.
    pub fn mismatch(&self) {
        self.found().mismatches.of(&self.families.mismatches, names::MISMATCHES, [&self.queue]).inc();
    }

    /// The queue's jobs are for another gateway than this worker's, or are not.
    pub fn other_gateway(&self, other: bool) {
        let ever = self.found.get().and_then(|found| found.other_gateway.made()).is_some();
        if !other && !ever {
            return; // the usual case, at each visit of a queue
        }
        let gauge = self.found().other_gateway.of(&self.families.other_gateway, names::OTHER_GATEWAY, [&self.queue]);
        let other = i64::from(other);
        self.left_alone.fetch_add(other - gauge.set(other), Ordering::Relaxed);
    }

    /// The circuit opened, or a probe failed and it rests for longer.
    pub fn circuit_opened(&self) {
        if self.circuit_open().set(1) == 0 {
            self.turned(&self.found().opened, CIRCUIT_OPENED);
        }
    }

    /// The circuit closed.
    pub fn circuit_closed(&self) {
        self.circuit_open().set(0);
        self.turned(&self.found().closed, CIRCUIT_CLOSED);
    }

    fn circuit_open(&self) -> &Gauge {
        self.found().circuit_open.of(&self.families.circuit_open, names::CIRCUIT_OPEN, [&self.queue])
    }

    fn turned(&self, series: &Series<Counter>, turn: &str) {
        series.of(&self.families.circuit_turns, names::CIRCUIT_TRANSITIONS, [&self.queue, turn]).inc();
    }
}
