//! The parameters of a claim, and a claim's identity.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bursar_domain::{Millis, OnAmbiguous};

use crate::reconnecting::{Connection, ConnectionId};
use crate::sentinel::switched_over;
use crate::{Store, StoreError};

/// Jobs in one claim: a bound on the time that the script blocks Redis.
pub const MAX_CLAIM: usize = 256;

/// The time for which a worker can still learn the result of a claim whose reply was lost: longer than networks deliver
/// late.
pub const RECEIPT_KEPT: Duration = Duration::from_secs(3600);

/// The default time for which a job that a newer build wrote is left to a newer worker.
const LEFT_TO_NEWER: Duration = Duration::from_secs(30);

/// One worker's wish for due jobs of one queue.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The worker's name, unique per process start.
    pub worker: &'a str,
    /// The lease of the jobs without renewal.
    pub lease: Duration,
    /// The number of jobs that it can call about concurrently.
    pub slots: usize,
    /// Calls a second over all replicas; 0 for no limit.
    pub rate_per_second: f64,
    /// Rises with each claim of this worker in this queue, so that a claim whose reply was lost differs from the one
    /// before. A claim whose number does not rise takes nothing: it was delivered late or twice.
    pub number: u64,
    /// This worker's knowledge of the queue.
    pub known: Known,
    /// The account's policy on unanswered sends: under `hold`, lost writes pause the queue.
    pub on_ambiguous: OnAmbiguous,
    /// The sends that may be claimed.
    pub sends: Sends,
    /// The treatment of jobs whose lease has ended.
    pub expired_leases: ExpiredLeases,
    /// This worker's estimate of Redis's time, once it has one: receipts prove nothing after a clock was set forward.
    pub clock: Option<Millis>,
    /// The worker's gateway; the first worker's becomes the queue's. Empty for any.
    pub gateway: &'a str,
    /// The group that makes the gateway look sick: a probe is of another group if there is one. Empty for none.
    pub sick_group: &'a str,
    /// The time for which jobs of a newer build are left alone.
    pub newer_left_for: Duration,
    /// The id of the Redis that the worker has checked: from a queue with another id or none, no send is claimed. Empty
    /// for any.
    pub incarnation: &'a str,
    /// True if the worker has checked Redis since it learned of another id; the queue then gets this one.
    pub looked: bool,
    /// The only connection over which the claim may be made; `None` for any.
    pub over: Option<ConnectionId>,
}

impl<'a> Claim<'a> {
    /// A claim without a rate limit by a worker without knowledge of the queue, for an account that resends.
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

/// A worker's knowledge of a queue between two claims. A Redis that knows less has lost writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The number of the worker's last claim that took jobs; 0 if unknown.
    pub receipt: u64,
    /// The highest fence of a claim that took sends.
    pub fence: u64,
    /// The last era that it saw: the number of losses noticed by then.
    pub era: u64,
}

/// The sends that a claim may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Sends and queries.
    Allowed,
    /// One job; if it is a send, of a job that was never sent as long as one is found. It tests the gateway, which a
    /// job does not whose own responses cannot be understood.
    Probe,
    /// Queries only.
    NotYet,
}

/// The treatment of jobs whose lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiredLeases {
    /// Takes them over.
    TakenOver,
    /// Leaves them for a moment: after an outage their worker may have the response, and its commit should come first.
    Left,
}

/// A claim's identity. Fences are repeated once Redis has lost writes; a token never is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId {
    /// The job's key.
    pub key: String,
    /// The claim's place among the job's claims.
    pub fence: u64,
    /// The claim's owner: the worker's name and the number of its claim call.
    pub token: String,
}

impl ClaimId {
    /// The token of jobs that a worker's claim call took.
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
