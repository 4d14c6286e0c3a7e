//! A job and a queue as outsiders read them: the same objects in the CLI, the API, webhooks and the library. Their schemas are the API's.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{AccountName, ContentDetails, EndedBy, Key, Kind, Millis, Reason, ReasonView, State};

/// One job. Times are RFC 3339 in UTC; a value that is not known yet is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub struct JobView {
    /// The account's name.
    #[schemars(with = "AccountName")]
    pub account: String,
    /// The job's kind.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// The job's key.
    #[schemars(with = "Key")]
    pub platform_no: String,
    /// The job's state.
    pub state: State,
    /// The gateway's transaction id, the newest that it named.
    pub trade_no: Option<String>,
    /// The gateway's status as it wrote it.
    pub gateway_status: Option<String>,
    /// The number of sends. Each send is recorded before its first byte leaves.
    pub attempts: u32,
    /// The number of queries.
    pub queries: u32,
    /// When the job was accepted.
    #[schemars(with = "Option<Millis>")]
    pub created_at: Option<String>,
    /// When the job last changed.
    #[schemars(with = "Option<Millis>")]
    pub updated_at: Option<String>,
    /// When the job is due next. While a worker has claimed the job, it is the end of the worker's lease.
    #[schemars(with = "Option<Millis>")]
    pub due_at: Option<String>,
    /// Why the job is in this state.
    #[serde(serialize_with = "Reason::serialize_view")]
    #[schemars(with = "Option<ReasonView<'static>>")]
    pub reason: Option<Reason>,
    /// The one that ended the job: the gateway by its response, an operator, or Bursar, which will never send it. `null` while it has not ended.
    pub ended_by: Option<EndedBy>,
    /// The amount and the parties, masked.
    #[serde(flatten)]
    pub details: ContentDetails,
    /// The name of the environment that the job was submitted in. It is left out where the submitter had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl JobView {
    /// A time of the record as the view shows it.
    #[must_use]
    pub fn time(at: Option<Millis>) -> Option<String> {
        at.map(Millis::rfc3339)
    }
}

/// The numbers of a queue's jobs by where they wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueCounts {
    /// Jobs that wait to be sent.
    pub to_send: u64,
    /// Jobs that wait to be queried, or that a worker has claimed.
    pub to_query: u64,
    /// Jobs that wait for a person.
    pub review: u64,
    /// Jobs that have ended and are not yet reduced to tombstones.
    pub done: u64,
    /// Jobs with a webhook event that waits to be delivered.
    pub undelivered: u64,
}

impl QueueCounts {
    /// Every job once, by the set that it is in: a job whose webhook waits is in one of these as well.
    #[must_use]
    pub const fn by_set(self) -> [(&'static str, u64); 4] {
        [("to_send", self.to_send), ("to_query", self.to_query), ("review", self.review), ("done", self.done)]
    }
}

/// A queue at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub struct QueueView {
    /// The queue's name.
    #[schemars(example = "main/transfer")]
    pub queue: String,
    /// The account's name.
    #[schemars(with = "AccountName")]
    pub account: String,
    /// The kind of its jobs.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// Its jobs.
    #[serde(flatten)]
    pub counts: QueueCounts,
    /// Jobs and webhooks in quarantine: no record of them can be read.
    pub quarantined: u64,
    /// The earliest due time.
    #[schemars(with = "Option<Millis>")]
    pub next_due: Option<String>,
    /// Why the queue is paused; `null` where it is not.
    #[serde(serialize_with = "Reason::serialize_view")]
    #[schemars(with = "Option<ReasonView<'static>>")]
    pub paused: Option<Reason>,
    /// The number of workers whose circuit breaker is open here: the gateway is down or most responses are lost, and they send a probe now
    /// and then.
    pub circuits_open: usize,
    /// True if a worker has reported within the last minute that it serves the queue.
    pub is_served: bool,
    /// When a worker last reported that it serves the queue; `null` if none ever did.
    #[schemars(with = "Option<Millis>")]
    pub served_at: Option<String>,
    /// Since when the oldest due work is due, if that is longer than a minute. Sends of a paused queue are left out.
    #[schemars(with = "Option<Millis>")]
    pub overdue_since: Option<String>,
}
