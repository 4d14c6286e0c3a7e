//! Heartbeats of workers: each worker process writes a small record every few seconds, so that anyone can see who works.

use std::time::Duration;

use bursar_domain::{Millis, WorkerErrorView, WorkerStatus, WorkerView};
use redis::Pipeline;
use serde::{Deserialize, Serialize};

use crate::jobs::whole_millis;
use crate::{Store, StoreError};

/// The interval between a worker's heartbeats: two commands of Redis each.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// A worker whose last heartbeat is older is gone.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(20);

/// A worker that is gone is shown for this time.
const GONE_SHOWN: Duration = Duration::from_secs(10 * 60);

/// Queues that a heartbeat names.
pub const QUEUES_NAMED: usize = 100;

/// The longest text of an error in a heartbeat, in characters.
const ERROR_CHARS: usize = 300;

/// One worker's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The name of its machine.
    pub host: String,
    /// Its process ID there.
    pub pid: u32,
    /// Its version of Bursar.
    pub version: String,
    /// When it began.
    pub started_at: Millis,
    /// When it wrote this record.
    pub at: Millis,
    /// The first [`QUEUES_NAMED`] queues that it serves.
    pub queues: Vec<String>,
    /// The number of all queues that it serves.
    pub queue_count: usize,
    /// Jobs in progress.
    pub calls_in_flight: u64,
    /// Jobs in progress at most.
    pub concurrency: u64,
    /// True if it may send.
    pub sends_allowed: bool,
    /// True if it was asked to end.
    pub draining: bool,
    /// When it last claimed a job.
    pub last_claim_at: Option<Millis>,
    /// Its last call without a response.
    pub last_error: Option<CallError>,
}

/// A call without a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// When it was.
    pub at: Millis,
    /// The queue of the job.
    pub queue: String,
    /// The gateway's host.
    pub host: String,
    /// The error in words, without numbers of accounts.
    pub error: String,
}

/// The workers under this prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// Each by its name, in the order of their names.
    pub heartbeats: Vec<(String, Heartbeat)>,
    /// The time of this reading, in Redis time.
    pub now: Millis,
}

impl Heartbeat {
    /// The worker's status at that time.
    #[must_use]
    pub fn status(&self, now: Millis) -> WorkerStatus {
        if now.since(self.at) > ALIVE_WITHIN {
            WorkerStatus::Gone
        } else if self.draining {
            WorkerStatus::Draining
        } else {
            WorkerStatus::Alive
        }
    }

    /// The worker as outsiders read it.
    #[must_use]
    pub fn view(&self, name: &str, now: Millis) -> WorkerView {
        let error = |error: &CallError| WorkerErrorView {
            at: error.at.rfc3339(),
            queue: error.queue.clone(),
            host: error.host.clone(),
            error: error.error.clone(),
        };
        WorkerView {
            name: name.to_owned(),
            host: self.host.clone(),
            pid: self.pid,
            version: self.version.clone(),
            status: self.status(now),
            started_at: self.started_at.rfc3339(),
            seen_at: self.at.rfc3339(),
            queues: self.queues.clone(),
            queue_count: self.queue_count,
            calls_in_flight: self.calls_in_flight,
            concurrency: self.concurrency,
            sends_allowed: self.sends_allowed,
            last_claim_at: self.last_claim_at.map(Millis::rfc3339),
            last_error: self.last_error.as_ref().map(error),
        }
    }
}

impl CallError {
    /// A call about a job of this queue without a response. Numbers of accounts in the text are masked.
    #[must_use]
    pub fn new(at: Millis, queue: &impl std::fmt::Display, host: &str, error: &str) -> Self {
        let error = bursar_domain::without_accounts(error).chars().take(ERROR_CHARS).collect();
        Self { at, queue: queue.to_string(), host: host.to_owned(), error }
    }
}

impl Workers {
    /// The number of workers with each status.
    #[must_use]
    pub fn count(&self, status: WorkerStatus) -> usize {
        self.heartbeats.iter().filter(|(_, beat)| beat.status(self.now) == status).count()
    }

    /// Every worker as outsiders read it.
    #[must_use]
    pub fn views(&self) -> Vec<WorkerView> {
        self.heartbeats.iter().map(|(name, beat)| beat.view(name, self.now)).collect()
    }
}

impl Store {
    /// Writes a worker's heartbeat.
    ///
    /// # Errors
    /// [`StoreError`]: the next one makes up for it.
    pub async fn heartbeat(&self, name: &str, beat: &Heartbeat) -> Result<(), StoreError> {
        let text = serde_json::to_string(beat).unwrap_or_default(); // texts and numbers: writing them cannot fail
        let workers = self.keys.workers();
        let mut pipeline = Pipeline::new();
        pipeline.hset(&workers, name, text).ignore();
        pipeline.cmd("PEXPIRE").arg(&workers).arg(whole_millis(GONE_SHOWN)).ignore();
        self.query("HSET", &pipeline).await
    }

    /// Removes a worker that has drained.
    ///
    /// # Errors
    /// [`StoreError`]: the worker is shown as gone for a while.
    pub async fn remove_worker(&self, name: &str) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.hdel(self.keys.workers(), name).ignore();
        self.query("HDEL", &pipeline).await
    }

    /// The workers that are alive, and those that are gone since a few minutes. Older records are removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn workers(&self) -> Result<Workers, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.hgetall(self.keys.workers()).cmd("TIME");
        let (found, time): (Vec<(String, String)>, (u64, u64)) = self.query("HGETALL", &pipeline).await?;
        let now = Millis(time.0 * 1_000 + time.1 / 1_000);
        let mut workers = Workers { heartbeats: Vec::with_capacity(found.len()), now };
        let mut old = Pipeline::new();
        for (name, text) in found {
            match serde_json::from_str::<Heartbeat>(&text) {
                Ok(beat) if now.since(beat.at) <= GONE_SHOWN => workers.heartbeats.push((name, beat)),
                Ok(_) => drop(old.hdel(self.keys.workers(), name).ignore()),
                Err(_) => {} // a newer build's; it expires
            }
        }
        if !old.is_empty() {
            let removed: Result<(), StoreError> = self.query("HDEL", &old).await;
            // A server may be allowed to read only: the records expire.
            removed.or_else(|error| if error.is_repeatable() { Err(error) } else { Ok(()) })?;
        }
        workers.heartbeats.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_gone_when_its_heartbeats_stop() {
        let beat = Heartbeat { at: Millis(100_000), ..Heartbeat::default() };
        let at = |after: Duration| Millis(100_000).plus(after);
        assert_eq!(beat.status(at(ALIVE_WITHIN)), WorkerStatus::Alive);
        assert_eq!(beat.status(at(ALIVE_WITHIN + Duration::from_millis(1))), WorkerStatus::Gone);
        let draining = Heartbeat { draining: true, ..beat };
        assert_eq!(draining.status(at(Duration::ZERO)), WorkerStatus::Draining);
        assert_eq!(draining.status(at(ALIVE_WITHIN * 2)), WorkerStatus::Gone);
    }

    #[test]
    fn an_error_has_no_account_and_an_end() {
        let error = CallError::new(Millis(1), &"main/transfer", "gateway.example", &"6222020200112233445 ".repeat(100));
        assert!(!error.error.contains("6222020200112233445"), "{}", error.error);
        assert!(error.error.chars().count() <= ERROR_CHARS);
    }
}
