//! Every metric's name, type, labels and help text, in one place. `deploy/METRICS.md` is this table for operators; a
//! test keeps the two equal.
//!
//! Names are an interface: dashboards and alerts of others rely on them. One is added freely, and renamed never.

use bursar_domain::{Call, Outcome, QueueCounts, State, Unsendable, WorkerStatus};
use bursar_store::BalanceParts;

use crate::listeners::ConnectionLimit;
use crate::reloads::ReloadResult;
use crate::webhooks::AttemptOutcome;
use crate::work::{CIRCUIT_CHANGES, RedisOperation};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only rises, and restarts from 0 with its process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size; its series end in `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Type {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The source of a metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// One worker process's own: add them up.
    Worker,
    /// The same of one server process, `serve` or `up`.
    Server,
    /// The same of one process of any role.
    Process,
    /// Read from Redis at each scrape: the same from every process, so take the largest.
    Redis,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// The source of its value.
    pub source: Source,
    /// Its labels; [`LABELS`] lists their values.
    pub labels: &'static [&'static str],
    /// Its help text, with its unit.
    pub help: &'static str,
}

/// A label, with the values that it takes: all are bounded by the configuration or by our own enums.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// The meaning of its values; "" where they say it themselves.
    pub meaning: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a label.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// Those of the configuration or the build, which the label's meaning says.
    Configured,
    /// The words of an enum, each with an explanation or "".
    Words(fn() -> Vec<(&'static str, &'static str)>),
}

const fn configured(name: &'static str, meaning: &'static str) -> Label {
    Label { name, meaning, values: Values::Configured }
}

const fn words(name: &'static str, meaning: &'static str, words: fn() -> Vec<(&'static str, &'static str)>) -> Label {
    Label { name, meaning, values: Values::Words(words) }
}

/// Words that need no explanation.
fn plain<const N: usize>(words: [&'static str; N]) -> Vec<(&'static str, &'static str)> {
    words.map(|word| (word, "")).into()
}

/// Every label.
pub const LABELS: [Label; 21] = [
    configured("queue", "`account/kind` of each configured queue, or of one that was"),
    configured("origin", "whose events: `account/kind` of each configured queue, `account/notify` of each account"),
    configured("account", "each account with `balance_every`"),
    configured("sub_type", "which of the account's balances: `collecting`, `paying`"),
    words("part", "", || plain(BalanceParts::default().named().map(|(part, _)| part))),
    configured("import_queue", "each queue of `import.queues`"),
    words("call", "", || plain(Call::ALL.map(Call::as_str))),
    words("answer", "how an answer was understood", || plain(Outcome::ALL.map(Outcome::as_str))),
    words("state", "", || plain(State::ALL.map(State::as_str))),
    words("set", "where jobs wait", || plain(QueueCounts::default().by_set().map(|(set, _)| set))),
    words("to", "", || plain(CIRCUIT_CHANGES)),
    words("reason", "why a send was not made", || plain(Unsendable::ALL.map(Unsendable::label))),
    words("operation", "what a worker was doing", || plain(RedisOperation::ALL.map(RedisOperation::as_str))),
    words("outcome", "the outcome of one attempt to deliver", || {
        AttemptOutcome::ALL.map(|outcome| (outcome.as_str(), outcome.meaning())).into()
    }),
    configured(
        "listener",
        "the key of its address: `server.listen`, `server.public_listen`, `server.admin_listen`, `worker.listen`",
    ),
    words("limit", "a limit of connections", || {
        ConnectionLimit::ALL.map(|limit| (limit.as_str(), limit.meaning())).into()
    }),
    words("result", "of reading the configuration again", || {
        ReloadResult::ALL.map(|result| (result.as_str(), result.meaning())).into()
    }),
    configured("check", "the checks of `bursar doctor` that look at Redis"),
    configured("severity", "`warn`, `refuse`"),
    configured("version", "this build's version"),
    words("status", "the status of a worker", || plain(WorkerStatus::ALL.map(WorkerStatus::as_str))),
];

impl Label {
    /// Its meaning and values, as `deploy/METRICS.md` has them.
    #[must_use]
    pub fn described(&self) -> String {
        let words: Vec<(&str, &str)> = match self.values {
            Values::Configured => Vec::new(),
            Values::Words(words) => words(),
        };
        let words = words.into_iter().map(|(word, explanation)| match explanation {
            "" => format!("`{word}`"),
            explanation => format!("`{word}` ({explanation})"),
        });
        let words = words.collect::<Vec<_>>().join(", ");
        let parts = [self.meaning, &words];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $kind:ident, $source:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Type::$kind,
                source: Source::$source,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = "bursar_build_info", Gauge, Process, ["version"], "Always 1. The label names the build of this process.";
    CALL_DURATION = "bursar_call_duration_seconds", Histogram, Worker, ["queue", "call", "answer"], "Duration of calls to the gateway, in seconds.";
    ANSWERS = "bursar_answers_total", Counter, Worker, ["queue", "call", "answer"], "Calls to the gateway, by outcome.";
    PICKUP_DELAY = "bursar_pickup_delay_seconds", Histogram, Worker, ["queue", "call"], "Time from a job's due time to its claim, in seconds.";
    TIME_TO_END = "bursar_time_to_end_seconds", Histogram, Worker, ["queue", "state"], "Time from a job's submission to its end, in seconds, by final state.";
    COMMITS = "bursar_commits_total", Counter, Worker, ["queue", "state"], "Commits, by the committed state.";
    STALE_COMMITS = "bursar_stale_commits_total", Counter, Worker, ["queue"], "Commits that came too late: the job had moved on under another fence. The response is in its history.";
    CLAIMS_RELEASED = "bursar_claims_released_total", Counter, Worker, ["queue"], "Claims released unsent: the worker drained, was too slow to begin, or did not get the claim's reply.";
    LOST_LEASES = "bursar_lost_leases_total", Counter, Worker, ["queue"], "Leases that could not be renewed, because another worker had claimed the job.";
    IN_FLIGHT = "bursar_calls_in_flight", Gauge, Worker, [], "Jobs in progress in this process.";
    CONCURRENCY = "bursar_concurrency", Gauge, Worker, [], "Slots of this process (`worker.concurrency`).";
    CIRCUIT_TRANSITIONS = "bursar_circuit_transitions_total", Counter, Worker, ["queue", "to"], "Transitions of a queue's circuit breaker. It opens when most sends get no response.";
    CIRCUIT_OPEN = "bursar_circuit_open", Gauge, Worker, ["queue"], "1 while this process's circuit breaker of the queue is open, else 0.";
    REDIS_ERRORS = "bursar_redis_errors_total", Counter, Worker, ["operation"], "Errors of Redis, by the worker's operation.";
    LOST_WRITES = "bursar_lost_writes_total", Counter, Worker, ["queue"], "Times that this worker found lost writes of a queue.";
    SENDS_SKIPPED = "bursar_sends_skipped_total", Counter, Worker, ["queue", "reason"], "Sends that a rule refused: Redis holds another content than the accepted one, or the amount is above `max_amount`.";
    MISMATCHES = "bursar_mismatches_total", Counter, Worker, ["queue"], "Responses with a trade number or request ID that another response had: replayed, or another job's.";
    SENDS_ALLOWED = "bursar_sends_allowed", Gauge, Worker, [], "1 if the preflight and the journals allow this worker to send, else 0.";
    PREFLIGHT = "bursar_preflight_findings", Gauge, Worker, ["check", "severity"], "1 for each check of the preflight that warns or refuses.";
    OTHER_GATEWAY = "bursar_other_gateway", Gauge, Worker, ["queue"], "1 while this worker does not claim in a queue, because the queue's jobs are for another gateway, else 0.";
    LAST_TRY = "bursar_last_claim_attempt_age_seconds", Gauge, Worker, [], "Time since this worker last claimed or tried to claim, in seconds.";
    BALANCE_FAILURES = "bursar_account_balance_failures_total", Counter, Worker, ["account", "sub_type"], "Balance queries without a balance: no response, a refusal, or no room within the queue's rate.";
    WEBHOOK_ATTEMPTS = "bursar_webhook_attempts_total", Counter, Server, ["origin", "outcome"], "Attempts to deliver webhooks, by result.";
    WEBHOOK_DURATION = "bursar_webhook_duration_seconds", Histogram, Server, ["origin", "outcome"], "Duration of attempts to deliver webhooks, in seconds.";
    WEBHOOK_DELAY = "bursar_webhook_delay_seconds", Histogram, Server, ["origin"], "Time from an event to its delivery, in seconds. Undelivered events are not counted.";
    WEBHOOKS_GIVEN_UP = "bursar_webhooks_given_up_total", Counter, Server, ["origin"], "Webhooks that were tried for `webhooks.retry_for` and given up.";
    CONNECTIONS = "bursar_connections", Gauge, Process, ["listener"], "Open connections of a listener.";
    CONNECTIONS_MAX = "bursar_connections_max", Gauge, Process, ["listener"], "Connections that a listener takes at once.";
    CONNECTIONS_DISPLACED = "bursar_connections_displaced_total", Counter, Process, ["listener", "limit"], "Connections that were closed for new ones at a limit, because they were idle longest.";
    CONNECTIONS_REFUSED = "bursar_connections_refused_total", Counter, Process, ["listener", "limit"], "New connections that were closed at once: a limit was reached, and no connection was idle.";
    RELOADS = "bursar_reloads_total", Counter, Process, ["result"], "Times that this process read its configuration again while it ran.";
    REDIS_UP = "bursar_redis_up", Gauge, Redis, [], "1 if Redis answers. If 0, the metrics below are missing.";
    REDIS_READ_COMPLETE = "bursar_redis_read_complete", Gauge, Redis, [], "1 if all metrics below were read within 3 s. If 0, some are missing.";
    JOBS = "bursar_jobs", Gauge, Redis, ["queue", "set"], "Jobs by set. A claimed job is in `to_query`.";
    IN_DOUBT = "bursar_jobs_in_doubt", Gauge, Redis, ["queue"], "Jobs with an unknown outcome and without a call in progress, among the first due ones of each set: 1000, or fewer (at least 20) if more than 10 queues have waiting jobs. Missing if no job waits.";
    DUE_AGE = "bursar_due_age_seconds", Gauge, Redis, ["queue", "call"], "Age of the oldest due job, in seconds; 0 if none is due.";
    PAUSED = "bursar_queue_paused", Gauge, Redis, ["queue"], "1 while the queue's sends are paused, else 0.";
    QUARANTINED = "bursar_quarantined", Gauge, Redis, ["queue"], "Keys in quarantine: due keys without a readable record, jobs that several workers were lost with, undeliverable webhooks (`bursar quarantine list`).";
    DUE_JOBS = "bursar_due_jobs", Gauge, Redis, ["queue", "call"], "Jobs that are due now and may be called for: without claimed ones, without sends of a paused queue or of one with an open circuit. Missing if no job waits.";
    WORKERS_WANTED = "bursar_workers_wanted", Gauge, Redis, [], "Workers with `worker.concurrency` slots that the due jobs could keep busy now, within each queue's rate. For autoscaling: see docs/kubernetes.md.";
    WORKERS = "bursar_workers", Gauge, Redis, ["status"], "Worker processes by their heartbeats. `gone`: no heartbeat for 20 s and no drain; shown for 10 minutes. Missing if there are none.";
    QUEUE_SERVED = "bursar_queue_served", Gauge, Redis, ["queue"], "1 if a worker has reported within the last minute that it serves the queue, else 0.";
    UNSERVED = "bursar_unserved_jobs", Gauge, Redis, ["queue"], "Open jobs of a queue that is in no configuration of this process or of a worker within the last minute. Missing if there are none.";
    PROPOSALS_WAITING = "bursar_proposals_waiting", Gauge, Redis, ["queue"], "Proposals that wait for another operator (`bursar approvals`). Missing if there are none.";
    WEBHOOKS_WAITING = "bursar_webhooks_waiting", Gauge, Redis, ["origin"], "Jobs or notifications with an undelivered webhook.";
    WEBHOOK_DUE_AGE = "bursar_webhook_due_age_seconds", Gauge, Redis, ["origin"], "Age of the oldest due webhook delivery, in seconds; 0 if none is due.";
    WEBHOOK_TRIED_AGE = "bursar_webhook_tried_age_seconds", Gauge, Redis, ["origin"], "Age of the first attempt of the webhook that was tried longest without success, in seconds, among the first due ones: 1000, or fewer (at least 25) if more than 20 origins have undelivered webhooks; 0 if there is none.";
    BALANCE = "bursar_account_balance_fen", Gauge, Redis, ["account", "sub_type", "part"], "An account's last known balance, in fen. A part that the gateway left out is missing.";
    BALANCE_AGE = "bursar_account_balance_age_seconds", Gauge, Redis, ["account", "sub_type"], "Age of the last known balance, in seconds; if there is none, time since the first query.";
    BALANCE_EVERY = "bursar_account_balance_every_seconds", Gauge, Redis, ["account"], "Interval of the balance queries (`balance_every`), in seconds.";
    BALANCE_LOW = "bursar_account_balance_low_fen", Gauge, Redis, ["account"], "Threshold of a low available balance (`balance_low`), in fen. Missing if not configured.";
    IMPORT_WAITING = "bursar_import_waiting", Gauge, Redis, ["import_queue"], "Tasks of apalis-redis that wait for their import.";
    IMPORT_DEAD_LETTERS = "bursar_import_dead_letters", Gauge, Redis, ["import_queue"], "Tasks of apalis-redis that are no job: dead letters.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> String {
        let mut text = String::from(
            "# Metrics\n\nAll metrics of Bursar, at `/metrics` of `bursar serve` and `bursar up`, and of workers with `worker.listen`. \
             This page is generated from\n`crates/telemetry/src/names.rs`; a test compares the two.\n\n\
             Add up what each worker or server counts. Metrics read from Redis are the same from every process: take the maximum\n\
             (`max by (queue) (bursar_jobs)`). They are at most a second old, and missing while `bursar_redis_up` is 0.\n\n\
             A series appears with its first event, so that a thousand idle accounts cost nothing. Metrics of a queue that are read from Redis exist\n\
             while the queue holds a job, an ended one included, or is paused; those of an origin while it has an undelivered webhook. `increase` misses\n\
             a series' first value: write `(NAME unless NAME offset 15m) or increase(NAME[15m])`, as [alerts.yml](alerts.yml) does. Where a missing\n\
             series means 0, write `… or 0 * max(bursar_redis_read_complete == 1)`, as the dashboard does: it separates 0 from \"not read\".\n\n\
             | metric | type | from | labels | meaning |\n|---|---|---|---|---|\n",
        );
        for metric in ALL {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let from = match metric.source {
                Source::Worker => "each worker",
                Source::Server => "each server",
                Source::Process => "each process",
                Source::Redis => "Redis",
            };
            let labels = labels.join(", ");
            text +=
                &format!("| `{}` | {} | {from} | {labels} | {} |\n", metric.name, metric.kind.as_str(), metric.help);
        }
        text += "\n| label | values |\n|---|---|\n";
        for label in LABELS {
            text += &format!("| `{}` | {} |\n", label.name, label.described());
        }
        text
    }

    #[test]
    fn the_page_for_operators_is_this_table() {
        let page = include_str!("../../../deploy/METRICS.md");
        assert!(page == table(), "deploy/METRICS.md must read:\n{}", table());
    }

    #[test]
    fn names_end_in_their_unit_and_say_what_they_are() {
        for metric in ALL {
            let Metric { name, kind, help, .. } = metric;
            assert!(name.starts_with("bursar_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Type::Counter, "{name}");
            assert!(name.split('_').all(|word| word != "ms") && help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_seconds"), help.contains("in seconds"), "{name}");
            assert_eq!(ALL.iter().filter(|other| other.name == *name).count(), 1, "{name} occurs twice");
        }
    }

    #[test]
    fn every_label_is_bounded_and_used() {
        for metric in ALL {
            for label in metric.labels {
                assert!(LABELS.iter().any(|known| known.name == *label), "{label} of {}", metric.name);
            }
        }
        for Label { name, .. } in LABELS {
            assert!(ALL.iter().any(|metric| metric.labels.contains(&name)), "{name}");
        }
    }
}
