//! What a worker is told.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountName, Kind, Policy};
use bursar_gateways::Gateway;
use bursar_journal::Journal;
use bursar_store::ConnectionId;
use bursar_telemetry::{Metrics, Traces};

use crate::journal_check::Expected;

/// One worker process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, unique per process start: letters, digits, `-`, `_` and `.`, at most 40 of them.
    pub name: String,
    /// Calls in flight at most.
    pub concurrency: usize,
    /// How long a claim stays its own without renewal.
    pub lease: Duration,
    /// How long calls in flight may take to end once it drains.
    pub drain: Duration,
    /// How long the detail of ended jobs is kept.
    pub retention: Duration,
    /// Where sends are written down outside Redis as well, before they leave; `None` for nowhere.
    pub journal: Option<Journal>,
    /// Which Redis it begins on; `None` where nothing is compared with it.
    pub expected: Option<Expected>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Where the attempts of traced jobs are told.
    pub traces: Traces,
}

/// One account that it works for.
#[derive(Clone)]
pub struct Account {
    /// The account's name.
    pub name: AccountName,
    /// The way to its gateway.
    pub gateway: Arc<dyn Gateway>,
    /// Which gateway that is, and whose account there: a queue that has another one is left alone.
    pub identity: String,
    /// How patient to be.
    pub policy: Policy,
    /// Calls a second in each of its queues, over all replicas; 0 for no limit.
    pub rate_per_second: f64,
    /// The kinds it takes: its queues.
    pub kinds: Vec<Kind>,
}

/// Whether money may be sent, as far as the preflight knows. A worker that may not send goes on asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendGate {
    /// Redis keeps what it is told, or the operator takes the risk, over whichever connection.
    Open,
    /// Redis keeps what it is told, as far as it was looked at over this connection: no send is claimed over another one.
    OpenOver(ConnectionId),
    /// It may lose a payment's record.
    Closed,
}
