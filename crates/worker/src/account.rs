//! The settings of a worker.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountName, Kind, Policy};
use bursar_gateways::Gateway;
use bursar_journal::Journal;
use bursar_store::ConnectionId;
use bursar_telemetry::{Metrics, Traces};

use crate::archiving::Archiving;
use crate::journal_check::Expected;

/// One worker process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, unique per process start: letters, digits, `-`, `_` and `.`, at most 40 of them.
    pub name: String,
    /// The name of its machine.
    pub host: String,
    /// Calls in flight at most.
    pub concurrency: usize,
    /// The lease of a claim, without renewal.
    pub lease: Duration,
    /// The time for calls in flight to end during a drain.
    pub drain: Duration,
    /// The time for which the details of ended jobs are kept.
    pub retention: Duration,
    /// The journal that records sends outside Redis before they leave; `None` for no journal.
    pub journal: Option<Journal>,
    /// The archive of finished jobs; `None` for none.
    pub archiving: Option<Archiving>,
    /// The Redis that the worker starts on; `None` if there is nothing to compare it with.
    pub expected: Option<Expected>,
    /// The worker's metrics.
    pub metrics: Arc<Metrics>,
    /// The exporter for the attempts of traced jobs.
    pub traces: Traces,
}

/// One account that it works for.
#[derive(Clone)]
pub struct Account {
    /// The account's name.
    pub name: AccountName,
    /// The way to its gateway.
    pub gateway: Arc<dyn Gateway>,
    /// The gateway and the account there. A queue that belongs to another one is left alone.
    pub identity: String,
    /// The gateway's host and port, for the log and the list of workers.
    pub host: String,
    /// The account's policy.
    pub policy: Policy,
    /// Calls a second in each of its queues, over all replicas; 0 for no limit.
    pub rate_per_second: f64,
    /// The kinds it takes: its queues.
    pub kinds: Vec<Kind>,
}

/// The preflight's decision on sends. A worker that may not send goes on querying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendGate {
    /// Sends are allowed over every connection: Redis is durable, or the operator accepts the risk.
    Open,
    /// Sends are allowed over this connection only: the Redis behind it passed the preflight. No send is claimed over
    /// another one.
    OpenOver(ConnectionId),
    /// It may lose a payment's record.
    Closed,
}
