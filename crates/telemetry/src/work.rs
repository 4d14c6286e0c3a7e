//! What a worker counts.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bursar_domain::{AccountName, Answer, Call, Lane, State, Unsendable};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::Pulse;
use crate::families::{Counters, Gauges, Histograms, histograms, labels, register};
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
    families: Families,
    troubles: [Counter; Doing::ALL.len()],
    in_flight: Gauge,
    concurrency: Gauge,
    fit_for_money: Gauge,
    fitness: Mutex<Fitness>,
    pulse: Arc<Pulse>,
    /// Lanes that are left alone.
    left_alone: Arc<AtomicI64>,
}

/// The two sides that may keep a worker from sending.
#[derive(Debug, Default)]
struct Fitness {
    preflight: bool,
    /// The check by which the comparison with the journals refuses, while it does.
    guard: Option<&'static str>,
}

#[derive(Clone, Debug)]
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
            families,
            pulse,
            left_alone: Arc::default(),
            registry,
        }
    }
}

impl Metrics {
    /// One lane's numbers, all there from the start: a counter that appears with its first event hides it.
    #[must_use]
    pub fn lane(&self, lane: &Lane) -> LaneMetrics {
        let (lane, of) = (lane.to_string(), &self.families);
        let counter = |family: &Counters, metric| family.get_or_create_owned(&labels(metric, [&lane]));
        let turn = |turn| of.circuit_turns.get_or_create_owned(&labels(names::CIRCUIT_TURNS, [&lane, turn]));
        LaneMetrics {
            answers: CALLS.map(|call| {
                Answer::ALL.map(|answer| {
                    let values = [lane.as_str(), call.as_str(), answer.as_str()];
                    of.answers.get_or_create_owned(&labels(names::ANSWERS, values))
                })
            }),
            durations: Default::default(),
            pickup: CALLS
                .map(|call| of.pickup_delay.get_or_create_owned(&labels(names::PICKUP_DELAY, [&lane, call.as_str()]))),
            ends: Default::default(),
            commits: State::ALL
                .map(|state| of.commits.get_or_create_owned(&labels(names::COMMITS, [&lane, state.as_str()]))),
            stale_commits: counter(&of.stale_commits, names::STALE_COMMITS),
            given_back: counter(&of.given_back, names::GIVEN_BACK),
            lost_leases: counter(&of.lost_leases, names::LOST_LEASES),
            lost_writes: counter(&of.lost_writes, names::LOST_WRITES),
            skipped: Unsendable::ALL
                .map(|why| of.skipped.get_or_create_owned(&labels(names::SENDS_SKIPPED, [&lane, why.label()]))),
            mismatches: counter(&of.mismatches, names::MISMATCHES),
            opened: turn("opened"),
            closed: turn("closed"),
            circuit_open: of.circuit_open.get_or_create_owned(&labels(names::CIRCUIT_OPEN, [&lane])),
            other_gateway: of.other_gateway.get_or_create_owned(&labels(names::OTHER_GATEWAY, [&lane])),
            left_alone: Arc::clone(&self.left_alone),
            families: of.clone(),
            lane,
        }
    }

    /// What is counted of asking for one balance.
    #[must_use]
    pub fn balance(&self, account: &AccountName, sub_type: &str) -> BalanceMetrics {
        let labels = labels(names::BALANCE_FAILURES, [account.as_str(), sub_type]);
        BalanceMetrics(self.families.balance_failures.get_or_create_owned(&labels))
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

    /// Whether a lane is left alone because its jobs are for another gateway.
    pub(crate) fn leaves_a_lane_alone(&self) -> bool {
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
#[derive(Clone, Debug)]
pub struct BalanceMetrics(Counter);

impl BalanceMetrics {
    /// It was asked for and not told.
    pub fn failed(&self) {
        self.0.inc();
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

/// One lane's numbers, each found once.
#[derive(Debug)]
pub struct LaneMetrics {
    lane: String,
    families: Families,
    answers: [[Counter; Answer::ALL.len()]; CALLS.len()],
    /// By call and answer: found when the first such answer comes, for a histogram is a page of lines.
    durations: [[OnceLock<Histogram>; Answer::ALL.len()]; CALLS.len()],
    pickup: [Histogram; CALLS.len()],
    /// By state: found when the first job ends so.
    ends: [OnceLock<Histogram>; State::ALL.len()],
    commits: [Counter; State::ALL.len()],
    stale_commits: Counter,
    given_back: Counter,
    lost_leases: Counter,
    lost_writes: Counter,
    skipped: [Counter; Unsendable::ALL.len()],
    mismatches: Counter,
    opened: Counter,
    closed: Counter,
    circuit_open: Gauge,
    other_gateway: Gauge,
    /// Lanes of this worker that are left alone.
    left_alone: Arc<AtomicI64>,
}

impl LaneMetrics {
    /// A call was answered, or was not.
    pub fn answered(&self, call: Call, answer: Answer, took: Duration) {
        self.answers[call as usize][answer as usize].inc();
        let duration = self.durations[call as usize][answer as usize].get_or_init(|| {
            let values = [self.lane.as_str(), call.as_str(), answer.as_str()];
            self.families.call_duration.get_or_create_owned(&labels(names::CALL_DURATION, values))
        });
        duration.observe(took.as_secs_f64());
    }

    /// A job was claimed so long after it was due.
    pub fn claimed(&self, call: Call, late: Duration) {
        self.pickup[call as usize].observe(late.as_secs_f64());
    }

    /// A claim ended with this state.
    pub fn committed(&self, state: State) {
        self.commits[state as usize].inc();
    }

    /// A job ended so long after it was submitted.
    pub fn ended(&self, state: State, after: Duration) {
        let end = self.ends[state as usize].get_or_init(|| {
            let values = [self.lane.as_str(), state.as_str()];
            self.families.time_to_end.get_or_create_owned(&labels(names::TIME_TO_END, values))
        });
        end.observe(after.as_secs_f64());
    }

    /// So many claims came to nothing.
    pub fn lost(&self, what: Lost, count: usize) {
        let counter = match what {
            Lost::Commit => &self.stale_commits,
            Lost::Lease => &self.lost_leases,
            Lost::GivenBack => &self.given_back,
        };
        counter.inc_by(u64::try_from(count).unwrap_or_default());
    }

    /// Redis was found to have lost writes.
    pub fn lost_writes(&self) {
        self.lost_writes.inc();
    }

    /// A send was not made, for what Redis holds of the job must not be sent.
    pub fn skipped(&self, why: Unsendable) {
        self.skipped[why as usize].inc();
    }

    /// A response was known by a number that another one has.
    pub fn mismatch(&self) {
        self.mismatches.inc();
    }

    /// The lane's jobs are for another gateway than this worker's, or are not.
    pub fn other_gateway(&self, other: bool) {
        let other = i64::from(other);
        self.left_alone.fetch_add(other - self.other_gateway.set(other), Ordering::Relaxed);
    }

    /// The circuit opened, or a probe failed and it rests for longer.
    pub fn circuit_opened(&self) {
        if self.circuit_open.set(1) == 0 {
            self.opened.inc();
        }
    }

    /// The circuit closed.
    pub fn circuit_closed(&self) {
        self.circuit_open.set(0);
        self.closed.inc();
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
    fn what_is_counted_is_told_under_its_lane() {
        let metrics = Metrics::default();
        let lane = metrics.lane(&"main/transfer".parse().unwrap());
        lane.answered(Call::Send, Answer::Accepted, Duration::from_millis(30));
        lane.answered(Call::Send, Answer::Accepted, Duration::from_millis(30));
        lane.claimed(Call::Ask, Duration::from_millis(2));
        lane.committed(State::Pending);
        lane.ended(State::Succeeded, Duration::from_secs(70));
        lane.lost(Lost::GivenBack, 3);
        lane.circuit_opened();
        lane.circuit_opened();
        lane.skipped(Unsendable::Changed);
        lane.mismatch();
        metrics.trouble(Doing::Renewing);
        let working = metrics.working();
        metrics.preflight([("redis.aof", "refuse")].into_iter());
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        let of = "lane=\"main/transfer\"";
        for line in [
            format!("bursar_answers_total{{{of},call=\"send\",answer=\"accepted\"}} 2"),
            format!("bursar_call_duration_seconds_bucket{{{of},call=\"send\",answer=\"accepted\",le=\"0.05\"}} 2"),
            format!("bursar_pickup_delay_seconds_count{{{of},call=\"query\"}} 1"),
            format!("bursar_commits_total{{{of},state=\"pending\"}} 1"),
            format!("bursar_commits_total{{{of},state=\"failed\"}} 0"),
            format!("bursar_time_to_end_seconds_count{{{of},state=\"succeeded\"}} 1"),
            format!("bursar_given_back_total{{{of}}} 3"),
            format!("bursar_circuit_turns_total{{{of},turn=\"opened\"}} 1"),
            format!("bursar_circuit_open{{{of}}} 1"),
            format!("bursar_sends_skipped_total{{{of},reason=\"content_changed\"}} 1"),
            format!("bursar_sends_skipped_total{{{of},reason=\"above_max_amount\"}} 0"),
            format!("bursar_mismatches_total{{{of}}} 1"),
            "bursar_redis_troubles_total{doing=\"renewing leases\"} 1".to_owned(),
            "bursar_calls_in_flight 1".to_owned(),
            "bursar_preflight_findings{check=\"redis.aof\",severity=\"refuse\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in:\n{text}");
        }
        drop(working);
        metrics.preflight(std::iter::empty());
        text.clear();
        metrics.write(&mut text).unwrap();
        assert!(text.contains("bursar_calls_in_flight 0") && !text.contains("redis.aof"), "{text}");
    }
}
