//! The result of one run.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Workload;

/// The figures of a run, in the order in which tables show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    JobsPerSecond,
    MedianMillis,
    NinetyNineMillis,
    LongestMillis,
    WorkerMicros,
    RedisMicros,
    StubMicros,
    Commands,
    CommandsPerSecond,
    WorkerPercent,
    RedisPercent,
    WireBytes,
    QueuedBytes,
    PeakMegabytes,
    SubmitOne,
    SubmitAtOnce,
    SubmitBulk,
    Errors,
}

impl Figure {
    /// Its name in JSON, with its unit.
    const fn name(self) -> &'static str {
        match self {
            Self::JobsPerSecond => "jobs_per_s",
            Self::MedianMillis => "p50_ms",
            Self::NinetyNineMillis => "p99_ms",
            Self::LongestMillis => "max_ms",
            Self::WorkerMicros => "worker_us_per_job",
            Self::RedisMicros => "redis_us_per_job",
            Self::StubMicros => "stub_us_per_job",
            Self::Commands => "redis_commands_per_job",
            Self::CommandsPerSecond => "redis_commands_per_s",
            Self::WorkerPercent => "worker_percent_of_a_core",
            Self::RedisPercent => "redis_percent_of_a_core",
            Self::WireBytes => "redis_wire_bytes_per_job",
            Self::QueuedBytes => "bytes_per_queued_job",
            Self::PeakMegabytes => "worker_peak_mb",
            Self::SubmitOne => "submit_one_at_a_time_per_s",
            Self::SubmitAtOnce => "submit_64_at_once_per_s",
            Self::SubmitBulk => "submit_bulk_per_s",
            Self::Errors => "errors",
        }
    }
}

/// One run.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) workload: Workload,
    pub(super) peer: String,
    pub(super) number: u32,
    pub(super) jobs: u32,
    pub(super) in_flight: u64,
    pub(super) figures: BTreeMap<Figure, f64>,
    /// Cores that were busy with something else.
    pub(super) other_cores: f64,
    pub(super) failed: Option<String>,
}

impl Outcome {
    pub(super) fn add(&mut self, figure: Figure, value: f64) {
        self.figures.insert(figure, value);
    }

    pub(super) fn json(&self) -> Value {
        let figures: Map<String, Value> =
            self.figures.iter().map(|(figure, value)| (figure.name().to_owned(), json!(value))).collect();
        json!({"workload": self.workload.name(), "peer": self.peer, "run": self.number, "jobs": self.jobs,
            "in_flight": self.in_flight, "figures": figures, "other_cores": self.other_cores, "failed": self.failed})
    }
}
