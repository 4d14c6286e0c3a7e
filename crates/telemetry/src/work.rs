//! What a worker counts.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bursar_domain::{AccountName, Answer, Call, Queue, State, Unsendable};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

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

/// What Redis was needed for when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
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

impl Doing {
    const ALL: [Self; 5] = [Self::Claiming, Self::Committing, Self::Renewing, Self::Listening, Self::Taking];

    /// Completes the sentence "Redis is in trouble while …".
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

/// A claim that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its commit came too late.
    Commit,
    /// Its lease could not be renewed.
    Lease,
    /// It was given back unsent.
    GivenBack,
}

/// All that one worker process counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Arc<Families>,
    troubles: [Counter; Doing::ALL.len()],
    in_flight: Gauge,
    concurrency: Gauge,
    fit_for_money: Gauge,
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
    guard: Option<&'static str>,
}

#[derive(Debug)]
struct Families {
    call_duration: Histograms,
    answers: Counters,
    pickup_delay: Histograms,
    time_to_end: Histograms,
    commits: Counters,
    stale_commits: Counters,
    given_back: Counters,
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

/// How long ago the worker last tried, told when it is asked.
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
            given_back: register(to, names::GIVEN_BACK, Counters::default()),
            lost_leases: register(to, names::LOST_LEASES, Counters::default()),
            circuit_turns: register(to, names::CIRCUIT_TURNS, Counters::default()),
            circuit_open: register(to, names::CIRCUIT_OPEN, Gauges::default()),
            other_gateway: register(to, names::OTHER_GATEWAY, Gauges::default()),
            lost_writes: register(to, names::LOST_WRITES, Counters::default()),
            skipped: register(to, names::SENDS_SKIPPED, Counters::default()),
            mismatches: register(to, names::MISMATCHES, Counters::default()),
            preflight: register(to, names::PREFLIGHT, Gauges::default()),
            balance_failures: register(to, names::BALANCE_FAILURES, Counters::default()),
        };
        let troubles = register(to, names::REDIS_TROUBLES, Counters::default());
        let build = register(to, names::BUILD_INFO, Gauges::default());
        build.get_or_create(&labels(names::BUILD_INFO, [env!("CARGO_PKG_VERSION")])).set(1);
        let pulse = Arc::new(Pulse::default());
        to.register(names::LAST_TRY.name, names::LAST_TRY.help.trim_end_matches('.'), LastTry(Arc::clone(&pulse)));
        Self {
            troubles: Doing::ALL
                .map(|doing| troubles.get_or_create_owned(&labels(names::REDIS_TROUBLES, [doing.as_str()]))),
            in_flight: register(to, names::IN_FLIGHT, Gauge::default()),
            concurrency: register(to, names::CONCURRENCY, Gauge::default()),
            fit_for_money: register(to, names::FIT_FOR_MONEY, Gauge::default()),
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
        QueueMetrics {
            queue: queue.to_string(),
            families: Arc::clone(&self.families),
            found: OnceLock::new(),
            left_alone: Arc::clone(&self.left_alone),
        }
    }

    /// What is counted of asking for one balance.
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
    pub fn trouble(&self, doing: Doing) {
        self.troubles[doing as usize].inc();
    }

    /// How many jobs this process may work on at once.
    pub fn concurrency(&self, slots: usize) {
        self.concurrency.set(i64::try_from(slots).unwrap_or(i64::MAX));
    }

    /// A job is worked on until the guard is dropped.
    #[must_use]
    pub fn working(&self) -> Working {
        self.in_flight.inc();
        Working(self.in_flight.clone())
    }

    /// What the preflight allows.
    pub fn fit_for_money(&self, fit: bool) {
        self.change(|fitness| fitness.preflight = fit);
    }

    /// Whether a queue is left alone because its jobs are for another gateway.
    pub(crate) fn leaves_a_queue_alone(&self) -> bool {
        self.left_alone.load(Ordering::Relaxed) > 0
    }

    /// Nothing is sent because this check refuses, beside those of the preflight; `None` once it no longer does.
    pub fn guarded(&self, check: Option<&'static str>) {
        if let Some(was) = self.change(|fitness| std::mem::replace(&mut fitness.guard, check)) {
            self.families.preflight.remove(&labels(names::PREFLIGHT, [was, REFUSE]));
        }
        if let Some(check) = check {
            self.families.preflight.get_or_create(&labels(names::PREFLIGHT, [check, REFUSE])).set(1);
        }
    }

    fn change<T>(&self, how: impl FnOnce(&mut Fitness) -> T) -> T {
        let mut fitness = self.fitness();
        let result = how(&mut fitness);
        self.fit_for_money.set(i64::from(fitness.preflight && fitness.guard.is_none()));
        result
    }

    fn fitness(&self) -> MutexGuard<'_, Fitness> {
        // Nothing panics while it holds the lock; if something did, both sides still say what they said.
        self.fitness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells if sends are allowed.
    pub(crate) fn is_fit_for_money(&self) -> bool {
        self.fit_for_money.get() == 1
    }

    /// The check beside the preflight's that keeps it from sending.
    pub(crate) fn guard(&self) -> Option<&'static str> {
        self.fitness().guard
    }

    /// What the preflight found, in place of what it found before: checks that are not fine, with how bad they are.
    pub fn preflight<'a>(&self, findings: impl Iterator<Item = (&'a str, &'a str)>) {
        self.families.preflight.clear();
        for (check, severity) in findings.chain(self.guard().map(|check| (check, REFUSE))) {
            self.families.preflight.get_or_create(&labels(names::PREFLIGHT, [check, severity])).set(1);
        }
    }

    /// What Prometheus reads.
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
    /// It was asked for and not told.
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

const CALLS: [Call; 2] = [Call::Send, Call::Ask];

/// One queue's numbers. What happens in it for the first time gets its line on the page then, and not before.
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
    answers: [[Series<Counter>; Answer::ALL.len()]; CALLS.len()],
    durations: [[Series<Histogram>; Answer::ALL.len()]; CALLS.len()],
    pickup: [Series<Histogram>; CALLS.len()],
    ends: [Series<Histogram>; State::ALL.len()],
    commits: [Series<Counter>; State::ALL.len()],
    stale_commits: Series<Counter>,
    given_back: Series<Counter>,
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
    fn found(&self) -> &Found {
        self.found.get_or_init(Box::default)
    }

    /// A call was answered, or was not.
    pub fn answered(&self, call: Call, answer: Answer, took: Duration) {
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

    /// So many claims came to nothing.
    pub fn lost(&self, what: Lost, count: usize) {
        if count == 0 {
            return;
        }
        let (of, found) = (&self.families, self.found());
        let (series, family, metric) = match what {
            Lost::Commit => (&found.stale_commits, &of.stale_commits, names::STALE_COMMITS),
            Lost::Lease => (&found.lost_leases, &of.lost_leases, names::LOST_LEASES),
            Lost::GivenBack => (&found.given_back, &of.given_back, names::GIVEN_BACK),
        };
        series.of(family, metric, [&self.queue]).inc_by(u64::try_from(count).unwrap_or_default());
    }

    /// Redis was found to have lost writes.
    pub fn lost_writes(&self) {
        self.found().lost_writes.of(&self.families.lost_writes, names::LOST_WRITES, [&self.queue]).inc();
    }

    /// A send was not made, for what Redis holds of the job must not be sent.
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
            return; // as it is in nearly every queue, each time that the queue is looked at
        }
        let gauge = self.found().other_gateway.of(&self.families.other_gateway, names::OTHER_GATEWAY, [&self.queue]);
        let other = i64::from(other);
        self.left_alone.fetch_add(other - gauge.set(other), Ordering::Relaxed);
    }

    /// The circuit opened, or a probe failed and it rests for longer.
    pub fn circuit_opened(&self) {
        if self.circuit_open().set(1) == 0 {
            self.turned(&self.found().opened, "opened");
        }
    }

    /// The circuit closed.
    pub fn circuit_closed(&self) {
        self.circuit_open().set(0);
        self.turned(&self.found().closed, "closed");
    }

    fn circuit_open(&self) -> &Gauge {
        self.found().circuit_open.of(&self.families.circuit_open, names::CIRCUIT_OPEN, [&self.queue])
    }

    fn turned(&self, series: &Series<Counter>, turn: &str) {
        series.of(&self.families.circuit_turns, names::CIRCUIT_TURNS, [&self.queue, turn]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enums_count_where_their_names_stand() {
        assert!(Answer::ALL.iter().enumerate().all(|(at, answer)| *answer as usize == at));
        assert!(State::ALL.iter().enumerate().all(|(at, state)| *state as usize == at));
        assert!(CALLS.iter().enumerate().all(|(at, call)| *call as usize == at));
        assert!(Unsendable::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
        assert!(Doing::ALL.iter().enumerate().all(|(at, doing)| *doing as usize == at));
    }

    #[test]
    fn what_is_counted_is_told_under_its_queue() {
        let metrics = Metrics::default();
        let queue = metrics.queue(&"main/transfer".parse().unwrap());
        queue.answered(Call::Send, Answer::Accepted, Duration::from_millis(30));
        queue.answered(Call::Send, Answer::Accepted, Duration::from_millis(30));
        queue.claimed(Call::Ask, Duration::from_millis(2));
        queue.committed(State::Pending);
        queue.ended(State::Succeeded, Duration::from_secs(70));
        queue.lost(Lost::GivenBack, 3);
        queue.circuit_opened();
        queue.circuit_opened();
        queue.skipped(Unsendable::Changed);
        queue.mismatch();
        metrics.trouble(Doing::Renewing);
        let working = metrics.working();
        metrics.preflight([("redis.aof", "refuse")].into_iter());
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        let of = "queue=\"main/transfer\"";
        for line in [
            format!("bursar_answers_total{{{of},call=\"send\",answer=\"accepted\"}} 2"),
            format!("bursar_call_duration_seconds_bucket{{{of},call=\"send\",answer=\"accepted\",le=\"0.05\"}} 2"),
            format!("bursar_pickup_delay_seconds_count{{{of},call=\"query\"}} 1"),
            format!("bursar_commits_total{{{of},state=\"pending\"}} 1"),
            format!("bursar_time_to_end_seconds_count{{{of},state=\"succeeded\"}} 1"),
            format!("bursar_given_back_total{{{of}}} 3"),
            format!("bursar_circuit_turns_total{{{of},turn=\"opened\"}} 1"),
            format!("bursar_circuit_open{{{of}}} 1"),
            format!("bursar_sends_skipped_total{{{of},reason=\"content_changed\"}} 1"),
            format!("bursar_mismatches_total{{{of}}} 1"),
            "bursar_redis_troubles_total{doing=\"renewing leases\"} 1".to_owned(),
            "bursar_calls_in_flight 1".to_owned(),
            "bursar_preflight_findings{check=\"redis.aof\",severity=\"refuse\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in:\n{text}");
        }
        for missing in
            ["state=\"failed\"", "above_max_amount", "call=\"send\",answer=\"no_response\"", "bursar_lost_leases_total"]
        {
            assert!(!text.contains(missing), "{missing} never happened:\n{text}");
        }
        drop(working);
        metrics.preflight(std::iter::empty());
        text.clear();
        metrics.write(&mut text).unwrap();
        assert!(text.contains("bursar_calls_in_flight 0") && !text.contains("redis.aof"), "{text}");
    }
    #[test]
    fn every_metric_of_a_worker_has_a_line_once_it_happened() {
        let metrics = Metrics::default();
        let queue = metrics.queue(&"main/transfer".parse().unwrap());
        let second = Duration::from_secs(1);
        queue.answered(Call::Send, Answer::Accepted, second);
        queue.claimed(Call::Send, second);
        queue.committed(State::Pending);
        queue.ended(State::Succeeded, second);
        for lost in [Lost::Commit, Lost::Lease, Lost::GivenBack] {
            queue.lost(lost, 1);
        }
        queue.lost_writes();
        queue.skipped(Unsendable::Changed);
        queue.mismatch();
        queue.circuit_opened();
        queue.other_gateway(true);
        metrics.balance(&"main".parse().unwrap(), "paying").failed();
        metrics.preflight([("redis.aof", "refuse")].into_iter());
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        for metric in names::ALL.iter().filter(|metric| metric.source == names::Source::Worker) {
            let is_of = |line: &str| line.split(['{', ' ']).next().is_some_and(|name| name.starts_with(metric.name));
            assert!(text.lines().any(is_of), "{} has no line in:\n{text}", metric.name);
        }
    }

    #[test]
    fn a_queue_in_which_nothing_happened_has_no_line() {
        let metrics = Metrics::default();
        let queue = metrics.queue(&"main/transfer".parse().unwrap());
        queue.other_gateway(false);
        queue.lost(Lost::Lease, 0);
        let _balance = metrics.balance(&"main".parse().unwrap(), "paying");
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        assert!(!text.contains("main"), "{text}");
    }

    #[test]
    fn a_queue_that_is_left_alone_for_a_while_says_so_and_then_that_it_no_longer_is() {
        let metrics = Metrics::default();
        let queue = metrics.queue(&"main/transfer".parse().unwrap());
        for (other, left_alone) in [(true, true), (true, true), (false, false), (true, true), (false, false)] {
            queue.other_gateway(other);
            assert_eq!(metrics.leaves_a_queue_alone(), left_alone);
            let mut text = String::new();
            metrics.write(&mut text).unwrap();
            let line = format!("bursar_other_gateway{{queue=\"main/transfer\"}} {}", u8::from(other));
            assert!(text.lines().any(|told| told == line), "{line} is not in:\n{text}");
        }
    }
}
