//! What a worker asks of a claim, and a claim's identity.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bursar_domain::{Millis, OnAmbiguous};

use crate::reconnecting::{Connection, ConnectionId};
use crate::sentinel::switched_over;
use crate::{Store, StoreError};

/// Jobs in one claim: a bound on how long the script holds Redis.
pub const MAX_CLAIM: usize = 256;

/// How long a worker can still learn what a claim gave it whose reply was lost: longer than networks deliver late.
pub const RECEIPT_KEPT: Duration = Duration::from_secs(3600);

/// How long a job that a newer build wrote is left to one by who has no other idea of it.
const LEFT_TO_NEWER: Duration = Duration::from_secs(30);

/// One worker's wish for due jobs of one queue.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The worker's name, unique per process start.
    pub worker: &'a str,
    /// How long the jobs stay its own without renewal.
    pub lease: Duration,
    /// How many it can call about at once.
    pub slots: usize,
    /// Calls a second over all replicas; 0 for no limit.
    pub rate_per_second: f64,
    /// Rises with each claim of this worker in this queue, so that one whose reply was lost can be told from the one
    /// before. A claim whose number does not rise takes nothing: it is one that was delivered late or twice.
    pub number: u64,
    /// What this worker remembers of the queue.
    pub known: Known,
    /// What the account does about unanswered sends: where it holds, lost writes pause the queue.
    pub on_ambiguous: OnAmbiguous,
    /// Whether sends may be claimed.
    pub sends: Sends,
    /// Whether jobs may be taken over whose lease has ended.
    pub expired_leases: ExpiredLeases,
    /// This worker's idea of Redis's time, once it has one: receipts say nothing after a clock was set forward.
    pub clock: Option<Millis>,
    /// The worker's gateway; the first that claims in a queue makes it the queue's. Empty for whichever it is.
    pub gateway: &'a str,
    /// The group whose jobs a probe is not, if there are others: it is what makes the gateway look sick. Empty for none.
    pub sick_group: &'a str,
    /// How long jobs of a newer build are left before they come due again.
    pub newer_left_for: Duration,
    /// The id of the Redis that the worker has looked at: of a queue that has another one or none, no send is claimed. Empty for
    /// whichever it is.
    pub incarnation: &'a str,
    /// Whether the worker has looked at Redis since it was told of another one; then the queue is this one's.
    pub looked: bool,
    /// The only connection over which the claim may be made; `None` for any.
    pub over: Option<ConnectionId>,
}

impl<'a> Claim<'a> {
    /// A claim without a rate limit by a worker that remembers nothing, for an account that resends.
    #[must_use]
    pub fn new(worker: &'a str, number: u64, lease: Duration, slots: usize) -> Self {
        Self {
            worker,
            lease,
            slots,
            rate_per_second: 0.0,
            number,
            known: Known::default(),
            on_ambiguous: OnAmbiguous::Resend,
            sends: Sends::Allowed,
            expired_leases: ExpiredLeases::TakenOver,
            clock: None,
            gateway: "",
            sick_group: "",
            newer_left_for: LEFT_TO_NEWER,
            incarnation: "",
            looked: false,
            over: None,
        }
    }
}

/// What a worker remembers of a queue from one claim to the next. Should Redis know less, it has lost writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The number of the worker's last claim that gave it jobs; 0 when it does not remember one.
    pub receipt: u64,
    /// The highest fence that it saw in a claim that gave it sends.
    pub fence: u64,
    /// The era that it saw last: how often losses had been noticed by then.
    pub era: u64,
}

/// Whether a claim may take jobs to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Sends and queries.
    Allowed,
    /// One job, and if that is a send, of a job that was never sent as long as one is found: it is to show how the gateway is,
    /// which a job does not whose own answers cannot be understood.
    Probe,
    /// Queries only.
    NotYet,
}

/// What a claim does about jobs whose lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiredLeases {
    /// Takes them over.
    TakenOver,
    /// Leaves them for a moment: after an outage their worker may hold the response, and its commit comes first.
    Left,
}

/// A claim's identity. Fences are repeated once Redis has lost writes; a token never is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId {
    /// The job's key.
    pub key: String,
    /// The claim's place among the job's claims.
    pub fence: u64,
    /// Whose claim it is: the worker's name and the number of its claim call.
    pub token: String,
}

impl ClaimId {
    /// The token of what a worker's claim call took.
    #[must_use]
    pub fn token(worker: &str, number: u64) -> String {
        format!("{worker}/{number}")
    }
}

impl Store {
    /// The connection to claim over. A claim of the wrong primary would learn nothing of lost writes.
    pub(crate) fn to_claim_on(&self, over: Option<ConnectionId>) -> Result<Connection, StoreError> {
        let connection = self.connection();
        let primary = connection.primary();
        if self.claims_at.swap(primary, Ordering::SeqCst) != primary {
            return Err(StoreError::of("claim", switched_over()));
        }
        let connection = connection.only(primary);
        Ok(over.map_or(connection.clone(), |connection_id| connection.over(connection_id)))
    }
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
