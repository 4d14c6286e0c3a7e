//! A worker as outsiders read it: the same object in the CLI, the API and the dashboard.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Millis;

/// One worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Worker")]
pub struct WorkerView {
    /// Its name, unique per process start.
    pub name: String,
    /// The name of its machine.
    pub host: String,
    /// Its process ID there.
    pub pid: u32,
    /// Its version of Bursar.
    pub version: String,
    /// Alive, draining, or gone without a drain.
    pub status: WorkerStatus,
    /// When it began.
    #[schemars(with = "Millis")]
    pub started_at: String,
    /// Its last heartbeat.
    #[schemars(with = "Millis")]
    pub seen_at: String,
    /// The queues that it serves, as far as the token may see them: the first 100.
    pub queues: Vec<String>,
    /// The number of all queues that it serves.
    pub queue_count: usize,
    /// Jobs in progress.
    pub calls_in_flight: u64,
    /// Jobs in progress at most (`worker.concurrency`).
    pub concurrency: u64,
    /// False if the preflight or a journal lets it send nothing.
    pub sends_allowed: bool,
    /// When it last claimed a job; `null` before the first.
    #[schemars(with = "Option<Millis>")]
    pub last_claim_at: Option<String>,
    /// Its last call without a response, as long as it runs; `null` if all were answered.
    pub last_error: Option<WorkerErrorView>,
}

/// The status of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerStatus {
    /// Its last heartbeat is recent.
    Alive,
    /// It was asked to end: it claims nothing, and finishes its calls.
    Draining,
    /// Its heartbeats stopped without a drain: it was killed, hangs, or does not reach Redis.
    Gone,
}

impl WorkerStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Alive, Self::Draining, Self::Gone];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}

/// A call of a worker without a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WorkerError")]
pub struct WorkerErrorView {
    /// When it was.
    #[schemars(with = "Millis")]
    pub at: String,
    /// The queue of the job.
    pub queue: String,
    /// The gateway's host.
    pub host: String,
    /// The error in words.
    pub error: String,
}
