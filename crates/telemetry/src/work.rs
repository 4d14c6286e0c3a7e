//! The metrics of a worker.

mod queue;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bursar_domain::{AccountName, Queue};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use queue::{Lost, QueueMetrics};

use crate::Pulse;
use crate::families::{Counters, Gauges, Histograms, Series, histograms, labels, register};
use crate::names;

/// Calls to a gateway: from a healthy one's milliseconds to the longest timeouts.
const CALL_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Waits for a worker: a millisecond when all is well, minutes when there are too few.
const PICKUP_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// Whole lives of jobs: from a transfer that is done at once to one that arrives after a holiday.
const LIFE_SECONDS: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 432_000.0];

/// The circuit breaker of a queue opened.
const CIRCUIT_OPENED: &str = "opened";
/// The circuit breaker of a queue closed.
const CIRCUIT_CLOSED: &str = "closed";
/// The changes of a circuit breaker.
pub(crate) const CIRCUIT_CHANGES: [&str; 2] = [CIRCUIT_OPENED, CIRCUIT_CLOSED];

/// The operation during which Redis failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisOperation {
    /// A claim, or giving one back.
    Claiming,
    /// A commit.
    Committing,
    /// A renewal of leases.
    Renewing,
    /// The wake channel.
    Listening,
    /// Taking jobs in from a queue of apalis-redis.
    Taking,
}

impl RedisOperation {
    pub(crate) const ALL: [Self; 5] = [Self::Claiming, Self::Committing, Self::Renewing, Self::Listening, Self::Taking];

    /// Completes the sentence "Redis failed while …".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claiming => "claiming",
            Self::Committing => "committing",
            Self::Renewing => "renewing leases",
            Self::Listening => "listening for wake messages",
            Self::Taking => "taking jobs from a queue of apalis-redis",
        }
    }
}

/// All that one worker process counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Arc<Families>,
    redis_errors: [Counter; RedisOperation::ALL.len()],
    in_flight: Gauge,
    concurrency: Gauge,
    sends_allowed: Gauge,
    fitness: Mutex<Fitness>,
    pulse: Arc<Pulse>,
    /// Queues that are left alone.
    left_alone: Arc<AtomicI64>,
}

/// The two sides that may keep a worker from sending.
#[derive(Debug, Default)]
struct Fitness {
    preflight: bool,
    /// The check by which the comparison with the journals refuses, while it does.
    send_block: Option<&'static str>,
}

#[derive(Debug)]
struct Families {
    call_duration: Histograms,
    answers: Counters,
    pickup_delay: Histograms,
    time_to_end: Histograms,
    commits: Counters,
    stale_commits: Counters,
    released: Counters,
    lost_leases: Counters,
    circuit_turns: Counters,
    circuit_open: Gauges,
    other_gateway: Gauges,
    lost_writes: Counters,
    skipped: Counters,
    mismatches: Counters,
    preflight: Gauges,
    balance_failures: Counters,
}

/// The age of the worker's last attempt, computed at each scrape.
#[derive(Debug)]
struct LastTry(Arc<Pulse>);

impl EncodeMetric for LastTry {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_gauge(&self.0.age().as_secs_f64())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let to = &mut registry;
        let families = Families {
            call_duration: register(to, names::CALL_DURATION, histograms(CALL_SECONDS)),
            answers: register(to, names::ANSWERS, Counters::default()),
            pickup_delay: register(to, names::PICKUP_DELAY, histograms(PICKUP_SECONDS)),
            time_to_end: register(to, names::TIME_TO_END, histograms(LIFE_SECONDS)),
            commits: register(to, names::COMMITS, Counters::default()),
            stale_commits: register(to, names::STALE_COMMITS, Counters::default()),
            released: register(to, names::CLAIMS_RELEASED, Counters::default()),
            lost_leases: register(to, names::LOST_LEASES, Counters::default()),
            circuit_turns: register(to, names::CIRCUIT_TRANSITIONS, Counters::default()),
            circuit_open: register(to, names::CIRCUIT_OPEN, Gauges::default()),
            other_gateway: register(to, names::OTHER_GATEWAY, Gauges::default()),
            lost_writes: register(to, names::LOST_WRITES, Counters::default()),
            skipped: register(to, names::SENDS_SKIPPED, Counters::default()),
            mismatches: register(to, names::MISMATCHES, Counters::default()),
            preflight: register(to, names::PREFLIGHT, Gauges::default()),
            balance_failures: register(to, names::BALANCE_FAILURES, Counters::default()),
        };
        let redis_errors = register(to, names::REDIS_ERRORS, Counters::default());
        let build = register(to, names::BUILD_INFO, Gauges::default());
        build.get_or_create(&labels(names::BUILD_INFO, [env!("CARGO_PKG_VERSION")])).set(1);
        let pulse = Arc::new(Pulse::default());
        to.register(names::LAST_TRY.name, names::LAST_TRY.help.trim_end_matches('.'), LastTry(Arc::clone(&pulse)));
        Self {
            redis_errors: RedisOperation::ALL
                .map(|doing| redis_errors.get_or_create_owned(&labels(names::REDIS_ERRORS, [doing.as_str()]))),
            in_flight: register(to, names::IN_FLIGHT, Gauge::default()),
            concurrency: register(to, names::CONCURRENCY, Gauge::default()),
            sends_allowed: register(to, names::SENDS_ALLOWED, Gauge::default()),
            fitness: Mutex::default(),
            families: Arc::new(families),
            pulse,
            left_alone: Arc::default(),
            registry,
        }
    }
}

impl Metrics {
    /// One queue's numbers.
    #[must_use]
    pub fn queue(&self, queue: &Queue) -> QueueMetrics {
        QueueMetrics::new(queue, &self.families, &self.left_alone)
    }

    /// The metrics of the queries for one balance.
    #[must_use]
    pub fn balance(&self, account: &AccountName, sub_type: &str) -> BalanceMetrics {
        let families = Arc::clone(&self.families);
        BalanceMetrics {
            account: account.to_string(),
            sub_type: sub_type.to_owned(),
            families,
            failures: Series::default(),
        }
    }

    /// The claimer's pulse.
    #[must_use]
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// A try that failed because of Redis.
    pub fn trouble(&self, doing: RedisOperation) {
        self.redis_errors[doing as usize].inc();
    }

    /// Sets the number of jobs that this process works on concurrently.
    pub fn concurrency(&self, slots: usize) {
        self.concurrency.set(i64::try_from(slots).unwrap_or(i64::MAX));
    }

    /// A job is worked on until the guard is dropped.
    #[must_use]
    pub fn working(&self) -> Working {
        self.in_flight.inc();
        Working(self.in_flight.clone())
    }

    /// The number of jobs that are worked on now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.in_flight.get()).unwrap_or_default()
    }

    /// Sets the result of the preflight.
    pub fn set_sends_allowed(&self, fit: bool) {
        self.change(|fitness| fitness.preflight = fit);
    }

    /// True if a queue is left alone because its jobs are for another gateway.
    pub(crate) fn leaves_a_queue_alone(&self) -> bool {
        self.left_alone.load(Ordering::Relaxed) > 0
    }

    /// Sets the check, besides those of the preflight, that stops sends; `None` once sends may go on.
    pub fn send_blocked(&self, check: Option<&'static str>) {
        if let Some(was) = self.change(|fitness| std::mem::replace(&mut fitness.send_block, check)) {
            self.families.preflight.remove(&labels(names::PREFLIGHT, [was, REFUSE]));
        }
        if let Some(check) = check {
            self.families.preflight.get_or_create(&labels(names::PREFLIGHT, [check, REFUSE])).set(1);
        }
    }

    fn change<T>(&self, how: impl FnOnce(&mut Fitness) -> T) -> T {
        let mut fitness = self.fitness();
        let result = how(&mut fitness);
        self.sends_allowed.set(i64::from(fitness.preflight && fitness.send_block.is_none()));
        result
    }

    fn fitness(&self) -> MutexGuard<'_, Fitness> {
        // Nothing panics while it holds this lock. Should something panic, both fields are still valid.
        self.fitness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if sends are allowed.
    #[must_use]
    pub fn sends_allowed(&self) -> bool {
        self.sends_allowed.get() == 1
    }

    /// The check, besides those of the preflight, that stops sends.
    pub(crate) fn send_block(&self) -> Option<&'static str> {
        self.fitness().send_block
    }

    /// Replaces the findings of the preflight: the checks that are not fine, with their severity.
    pub fn preflight<'a>(&self, findings: impl Iterator<Item = (&'a str, &'a str)>) {
        self.families.preflight.clear();
        for (check, severity) in findings.chain(self.send_block().map(|check| (check, REFUSE))) {
            self.families.preflight.get_or_create(&labels(names::PREFLIGHT, [check, severity])).set(1);
        }
    }

    /// Writes the Prometheus text.
    pub(crate) fn write(&self, text: &mut String) -> Result<(), std::fmt::Error> {
        prometheus_client::encoding::prometheus_text::encode(text, &self.registry)
    }
}

/// One balance's numbers.
#[derive(Debug)]
pub struct BalanceMetrics {
    account: String,
    sub_type: String,
    families: Arc<Families>,
    failures: Series<Counter>,
}

impl BalanceMetrics {
    /// Counts a query that returned no balance.
    pub fn failed(&self) {
        let of = &self.families.balance_failures;
        self.failures.of(of, names::BALANCE_FAILURES, [&self.account, &self.sub_type]).inc();
    }
}

/// A job that is being worked on.
#[derive(Debug)]
pub struct Working(Gauge);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The severity of a check that keeps money from being sent.
const REFUSE: &str = "refuse";

#[cfg(test)]
mod tests;
