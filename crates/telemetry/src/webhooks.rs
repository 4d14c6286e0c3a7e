//! The metrics of webhook deliveries.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bursar_store::Origin;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::families::{Counters, Histograms, Series, histograms, register};
use crate::names;

/// Attempts: from a receiver nearby to the longest timeout.
const ATTEMPT_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// From an event to its delivery: immediate if all is well, up to a week of attempts if not.
const DELIVERY_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 604_800.0];

/// The outcome of one attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no more about the job (410).
    Gone,
    /// The receiver is busy (429, 503).
    Busy,
    /// The receiver does not want it as it is (another 4xx).
    Refused,
    /// The receiver fails over it (another 5xx).
    Failing,
    /// The receiver answered with a status of another kind; redirects are not followed.
    UnexpectedStatus,
    /// No answer came in time.
    NoAnswer,
    /// There was no connection.
    Unreachable,
    /// The connection broke before an answer came.
    Broken,
    /// The address is not allowed.
    NotAllowed,
    /// It could not be sent as it is.
    Invalid,
}

impl AttemptOutcome {
    pub(crate) const ALL: [Self; 11] = [
        Self::Delivered,
        Self::Gone,
        Self::Busy,
        Self::Refused,
        Self::Failing,
        Self::UnexpectedStatus,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Broken,
        Self::NotAllowed,
        Self::Invalid,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::UnexpectedStatus => "unexpected_status",
            Self::NoAnswer => "silent",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::NotAllowed => "not_allowed",
            Self::Invalid => "invalid",
        }
    }

    /// An explanation of the word; "" where it needs none.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Delivered => "",
            Self::Gone => "410: no more about this job",
            Self::Busy => "429, 503",
            Self::Refused => "another 4xx",
            Self::Failing => "another 5xx",
            Self::UnexpectedStatus => "any other status; redirects are not followed",
            Self::NoAnswer => "no answer in time",
            Self::Unreachable => "no connection",
            Self::Broken => "it ended before an answer",
            Self::NotAllowed => "an address that is not allowed",
            Self::Invalid => "it could not be sent as it is",
        }
    }
}

/// The webhook metrics of one server process.
#[derive(Debug)]
pub struct WebhookMetrics {
    registry: Registry,
    families: Arc<Families>,
}

#[derive(Debug)]
struct Families {
    attempts: Counters,
    durations: Histograms,
    delays: Histograms,
    given_up: Counters,
}

impl Default for WebhookMetrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let to = &mut registry;
        let families = Families {
            attempts: register(to, names::WEBHOOK_ATTEMPTS, Counters::default()),
            durations: register(to, names::WEBHOOK_DURATION, histograms(ATTEMPT_SECONDS)),
            delays: register(to, names::WEBHOOK_DELAY, histograms(DELIVERY_SECONDS)),
            given_up: register(to, names::WEBHOOKS_GIVEN_UP, Counters::default()),
        };
        Self { registry, families: Arc::new(families) }
    }
}

impl WebhookMetrics {
    /// One origin's numbers.
    #[must_use]
    pub fn origin(&self, origin: &Origin) -> OriginMetrics {
        OriginMetrics { origin: origin.to_string(), families: Arc::clone(&self.families), found: OnceLock::new() }
    }

    /// Writes the Prometheus text.
    pub(crate) fn write(&self, text: &mut String) -> Result<(), std::fmt::Error> {
        prometheus_client::encoding::prometheus_text::encode(text, &self.registry)
    }
}

/// The metrics of one origin. A series gets its line on the page with its first event.
#[derive(Debug)]
pub struct OriginMetrics {
    origin: String,
    families: Arc<Families>,
    /// Empty until the origin's first event.
    found: OnceLock<Box<Found>>,
}

/// Each series of an origin that had an event.
#[derive(Debug, Default)]
struct Found {
    attempts: [Series<Counter>; AttemptOutcome::ALL.len()],
    durations: [Series<Histogram>; AttemptOutcome::ALL.len()],
    delay: Series<Histogram>,
    given_up: Series<Counter>,
}

impl OriginMetrics {
    fn found(&self) -> &Found {
        self.found.get_or_init(Box::default)
    }

    /// Counts an attempt with its duration.
    pub fn attempted(&self, outcome: AttemptOutcome, took: Duration) {
        let (of, found, values) = (&self.families, self.found(), [self.origin.as_str(), outcome.as_str()]);
        found.attempts[outcome as usize].of(&of.attempts, names::WEBHOOK_ATTEMPTS, values).inc();
        let duration = found.durations[outcome as usize].of(&of.durations, names::WEBHOOK_DURATION, values);
        duration.observe(took.as_secs_f64());
    }

    /// Counts a delivered event with the time since it happened.
    pub fn delivered(&self, after: Duration) {
        let delay = self.found().delay.of(&self.families.delays, names::WEBHOOK_DELAY, [&self.origin]);
        delay.observe(after.as_secs_f64());
    }

    /// Counts an event that was given up: its receiver never got it.
    pub fn given_up(&self) {
        self.found().given_up.of(&self.families.given_up, names::WEBHOOKS_GIVEN_UP, [&self.origin]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_count_where_their_names_stand() {
        assert!(AttemptOutcome::ALL.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
    }

    #[test]
    fn deliveries_are_counted_by_origin() {
        let metrics = WebhookMetrics::default();
        let origin = metrics.origin(&"main/notify".parse().unwrap());
        origin.attempted(AttemptOutcome::Busy, Duration::from_millis(30));
        origin.attempted(AttemptOutcome::Delivered, Duration::from_millis(30));
        origin.delivered(Duration::from_secs(20));
        origin.given_up();
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        let of = "origin=\"main/notify\"";
        for line in [
            format!("bursar_webhook_attempts_total{{{of},outcome=\"busy\"}} 1"),
            format!("bursar_webhook_duration_seconds_bucket{{{of},outcome=\"delivered\",le=\"0.05\"}} 1"),
            format!("bursar_webhook_delay_seconds_bucket{{{of},le=\"15\"}} 0"),
            format!("bursar_webhook_delay_seconds_count{{{of}}} 1"),
            format!("bursar_webhooks_given_up_total{{{of}}} 1"),
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in:\n{text}");
        }
        for metric in names::ALL.iter().filter(|metric| metric.source == names::Source::Server) {
            assert!(text.lines().any(|line| line.starts_with(metric.name)), "{} has no line in:\n{text}", metric.name);
        }
        assert!(!text.contains("silent"), "what never happened has no line:\n{text}");
    }

    #[test]
    fn an_origin_without_events_has_no_line() {
        let metrics = WebhookMetrics::default();
        let _origin = metrics.origin(&"main/notify".parse().unwrap());
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        assert!(!text.contains("main"), "{text}");
    }
}
