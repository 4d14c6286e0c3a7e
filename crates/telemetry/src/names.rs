//! Every metric's name, type, labels and help text, in one place. `deploy/METRICS.md` is this table for operators; a
//! test keeps the two equal.
//!
//! Names are an interface: dashboards and alerts of others rely on them. One is added freely, and renamed never.

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

/// Every label with the values that it takes: all are bounded by the configuration or by our own enums.
pub const LABELS: [(&str, &str); 17] = [
    ("queue", "`account/kind` of each configured queue, or of one that was"),
    ("origin", "whose events: `account/kind` of each configured queue, `account/notify` of each account"),
    ("account", "each account with `balance_every`"),
    ("sub_type", "which of the account's balances: `collecting`, `paying`"),
    ("part", "`available`, `frozen`, `retained`, `total`"),
    ("import_queue", "each queue of `import.queues`"),
    ("call", "`send`, `query`"),
    (
        "answer",
        "how an answer was understood: `not_executed`, `misconfigured`, `rejected`, `accepted`, `succeeded`, `failed`, `refunded`, `no_response`, `not_found`, `mismatch`",
    ),
    ("state", "`queued`, `in_doubt`, `pending`, `needs_review`, `succeeded`, `failed`, `refunded`, `cancelled`"),
    ("set", "where jobs wait: `to_send`, `to_query`, `review`, `done`"),
    ("to", "`opened`, `closed`"),
    ("reason", "why a send was not made: `content_changed`, `above_max_amount`"),
    (
        "operation",
        "what a worker was doing: `claiming`, `committing`, `renewing leases`, `listening for wake messages`, `taking jobs from a queue of apalis-redis`",
    ),
    (
        "outcome",
        "the outcome of one attempt to deliver: `delivered`, `gone` (410: no more about this job), `busy` (429, 503), `refused` (another 4xx), `failing` (another 5xx), `unexpected_status` (any other status; redirects are not followed), `silent` (no answer in time), `unreachable` (no connection), `broken` (it ended before an answer), `not_allowed` (an address that must not be told), `invalid` (it could not be sent as it is)",
    ),
    ("check", "the checks of `bursar doctor` that look at Redis"),
    ("severity", "`warn`, `refuse`"),
    ("version", "this build's version"),
];

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
    BUILD_INFO = "bursar_build_info", Gauge, Worker, ["version"], "Always 1: which build this process runs.";
    CALL_DURATION = "bursar_call_duration_seconds", Histogram, Worker, ["queue", "call", "answer"], "How long calls to the gateway took, in seconds.";
    ANSWERS = "bursar_answers_total", Counter, Worker, ["queue", "call", "answer"], "Calls to the gateway, by how the answer was understood.";
    PICKUP_DELAY = "bursar_pickup_delay_seconds", Histogram, Worker, ["queue", "call"], "From a job's due time to its claim, in seconds.";
    TIME_TO_END = "bursar_time_to_end_seconds", Histogram, Worker, ["queue", "state"], "From a job's submission to its end, in seconds, by the state in which it ended.";
    COMMITS = "bursar_commits_total", Counter, Worker, ["queue", "state"], "Claims that ended with a commit, by the state that was committed.";
    STALE_COMMITS = "bursar_stale_commits_total", Counter, Worker, ["queue"], "Commits that came too late: the job had moved on under another fence. The answer is in its log.";
    CLAIMS_RELEASED = "bursar_claims_released_total", Counter, Worker, ["queue"], "Claims given back unsent: the worker drained, was too slow to begin, or had lost the claim's reply.";
    LOST_LEASES = "bursar_lost_leases_total", Counter, Worker, ["queue"], "Leases that could not be renewed because another worker had taken the job meanwhile.";
    IN_FLIGHT = "bursar_calls_in_flight", Gauge, Worker, [], "Jobs that this process is working on now.";
    CONCURRENCY = "bursar_concurrency", Gauge, Worker, [], "Jobs that it may work on at once (`worker.concurrency`).";
    CIRCUIT_TRANSITIONS = "bursar_circuit_transitions_total", Counter, Worker, ["queue", "to"], "How often a queue's circuit opened (most sends came to nothing: rest, then one probe) and closed.";
    CIRCUIT_OPEN = "bursar_circuit_open", Gauge, Worker, ["queue"], "1 while this process rests its sends because most of them came to nothing, else 0.";
    REDIS_ERRORS = "bursar_redis_errors_total", Counter, Worker, ["operation"], "Tries that failed because of Redis, by what the worker was doing.";
    LOST_WRITES = "bursar_lost_writes_total", Counter, Worker, ["queue"], "How often this worker found that Redis had lost writes of a queue.";
    SENDS_SKIPPED = "bursar_sends_skipped_total", Counter, Worker, ["queue", "reason"], "Sends that were not made because what Redis holds of the job must not be sent: it is not the accepted content, or above `max_amount`.";
    MISMATCHES = "bursar_mismatches_total", Counter, Worker, ["queue"], "Responses that were known by a trade number or a request's id that another response had: replayed, or another job's.";
    SENDS_ALLOWED = "bursar_sends_allowed", Gauge, Worker, [], "1 when the preflight, and the journals where there are any, allow this worker to send, 0 when they do not.";
    PREFLIGHT = "bursar_preflight_findings", Gauge, Worker, ["check", "severity"], "1 for each check of the preflight that is not fine, by how bad it is.";
    OTHER_GATEWAY = "bursar_other_gateway", Gauge, Worker, ["queue"], "1 while this worker leaves a queue alone because the queue's jobs are for another gateway than the one that it is configured for, else 0.";
    LAST_TRY = "bursar_last_claim_attempt_age_seconds", Gauge, Worker, [], "Since this worker last claimed or tried to, in seconds.";
    BALANCE_FAILURES = "bursar_account_balance_failures_total", Counter, Worker, ["account", "sub_type"], "Questions for a balance that came to nothing: no answer, a refusal, or no room within the queue's rate.";
    WEBHOOK_ATTEMPTS = "bursar_webhook_attempts_total", Counter, Server, ["origin", "outcome"], "Attempts to tell producers, by what they came to.";
    WEBHOOK_DURATION = "bursar_webhook_duration_seconds", Histogram, Server, ["origin", "outcome"], "How long attempts to tell took, in seconds.";
    WEBHOOK_DELAY = "bursar_webhook_delay_seconds", Histogram, Server, ["origin"], "From an event to its being told, in seconds; what is never told is not in it.";
    WEBHOOKS_GIVEN_UP = "bursar_webhooks_given_up_total", Counter, Server, ["origin"], "Events that were tried for as long as `webhooks.retry_for` has it, and are told to nobody.";
    REDIS_UP = "bursar_redis_up", Gauge, Redis, [], "1 when Redis answers, 0 when it does not: then the metrics below are missing.";
    REDIS_READ_COMPLETE = "bursar_redis_read_complete", Gauge, Redis, [], "1 when everything below was read within 3 s, 0 when some of it is missing because it was not.";
    JOBS = "bursar_jobs", Gauge, Redis, ["queue", "set"], "Jobs by where they wait; a claimed job waits in `to_query`.";
    IN_DOUBT = "bursar_jobs_in_doubt", Gauge, Redis, ["queue"], "Jobs of which nobody knows yet whether they were executed, and that no worker is calling about, among those that are due first in each set: 1000, or fewer (20 at least) where more than 10 queues have jobs that wait. Missing where none waits.";
    DUE_AGE = "bursar_due_age_seconds", Gauge, Redis, ["queue", "call"], "For how long the job that waits longest has been due, in seconds; 0 when none is.";
    PAUSED = "bursar_queue_paused", Gauge, Redis, ["queue"], "1 while the queue's sends are paused, else 0.";
    ORPHANS = "bursar_orphans", Gauge, Redis, ["queue"], "Keys in quarantine: due keys without a readable record, jobs with which worker after worker was lost, webhooks that cannot be delivered (`bursar quarantine list`).";
    UNSERVED = "bursar_unserved_jobs", Gauge, Redis, ["queue"], "Open jobs of a queue that neither this process's configuration nor any worker within the last minute names: nobody follows them. Missing where there are none.";
    WEBHOOKS_WAITING = "bursar_webhooks_waiting", Gauge, Redis, ["origin"], "Jobs, or notifications, with something that is still to be told.";
    WEBHOOK_DUE_AGE = "bursar_webhook_due_age_seconds", Gauge, Redis, ["origin"], "For how long what waits longest for an attempt to tell it has been due, in seconds; 0 when nothing is.";
    WEBHOOK_TRIED_AGE = "bursar_webhook_tried_age_seconds", Gauge, Redis, ["origin"], "For how long the event that has been tried longest in vain has been tried, in seconds, among those that are due first: 1000, or fewer (25 at least) where more than 20 origins have something to tell; 0 when none was.";
    BALANCE = "bursar_account_balance_fen", Gauge, Redis, ["account", "sub_type", "part"], "An account's balance as the gateway told it last, in fen; a part that it left out is missing.";
    BALANCE_AGE = "bursar_account_balance_age_seconds", Gauge, Redis, ["account", "sub_type"], "Since the gateway last told this balance, in seconds; as long as it never did, since it was first asked.";
    BALANCE_EVERY = "bursar_account_balance_every_seconds", Gauge, Redis, ["account"], "How often the balance is asked for (`balance_every`), in seconds.";
    BALANCE_LOW = "bursar_account_balance_low_fen", Gauge, Redis, ["account"], "Below so much an available balance is low (`balance_low`), in fen; missing where the configuration says nothing.";
    IMPORT_WAITING = "bursar_import_waiting", Gauge, Redis, ["import_queue"], "Tasks of apalis-redis that wait to become jobs.";
    IMPORT_DEAD_LETTERS = "bursar_import_dead_letters", Gauge, Redis, ["import_queue"], "Tasks of apalis-redis that were no job: dead letters, for a person.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> String {
        let mut text = String::from(
            "# Metrics\n\nEvery metric that Bursar gives, at `/metrics` of `bursar serve` and `bursar up`, and of workers with `worker.listen`. \
             This page is made from\n`crates/telemetry/src/names.rs`; a test keeps the two the same.\n\n\
             What a worker or a server knows itself is to be added up over them. What is read from Redis is the same from every process: take the\n\
             largest (`max by (queue) (bursar_jobs)`). It is at most a second old, and all of it missing while `bursar_redis_up` is 0.\n\n\
             What never happened has no line, so that a thousand idle accounts cost nothing. A counter, a histogram or a gauge of a queue appears\n\
             with its first event; what is read from Redis of a queue has lines while the queue holds a job (an ended one counts) or is paused,\n\
             what is read of an origin while it has something to tell. `increase` does not count what a line begins with: write\n\
             `(NAME unless NAME offset 15m) or increase(NAME[15m])`, as [alerts.yml](alerts.yml) does. Where a missing line means 0, and not that\n\
             nobody looked, `… or 0 * max(bursar_redis_read_complete == 1)` says so, as the dashboard does.\n\n\
             | metric | type | from | labels | says |\n|---|---|---|---|---|\n",
        );
        for metric in ALL {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let from = match metric.source {
                Source::Worker => "each worker",
                Source::Server => "each server",
                Source::Redis => "Redis",
            };
            let labels = labels.join(", ");
            text +=
                &format!("| `{}` | {} | {from} | {labels} | {} |\n", metric.name, metric.kind.as_str(), metric.help);
        }
        text += "\n| label | values |\n|---|---|\n";
        for (label, values) in LABELS {
            text += &format!("| `{label}` | {values} |\n");
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
            assert_eq!(ALL.iter().filter(|other| other.name == *name).count(), 1, "{name} stands twice");
        }
    }

    #[test]
    fn every_label_is_bounded_and_used() {
        for metric in ALL {
            for label in metric.labels {
                assert!(LABELS.iter().any(|(known, _)| known == label), "{label} of {}", metric.name);
            }
        }
        for (label, _) in LABELS {
            assert!(ALL.iter().any(|metric| metric.labels.contains(&label)), "{label}");
        }
    }
}
