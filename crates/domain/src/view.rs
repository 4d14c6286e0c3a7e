//! A job as outsiders read it: the same object in the CLI, the API and the library.

use crate::{Millis, Reason, State, reason};

/// One job. Times are RFC 3339 in UTC; what is not known yet is `null`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct JobView {
    /// The account's name.
    pub account: String,
    /// The kind's word.
    pub kind: String,
    /// The key.
    pub platform_no: String,
    /// The job's state.
    pub state: State,
    /// The gateway's own number, the newest it named.
    pub trade_no: Option<String>,
    /// The gateway's status as it wrote it.
    pub gateway_status: Option<String>,
    /// The number of sends, in intent: each was on record before its first byte left.
    pub attempts: u32,
    /// The number of queries about it.
    pub queries: u32,
    /// When it was accepted.
    pub created_at: Option<String>,
    /// When anything about it last changed.
    pub updated_at: Option<String>,
    /// When it will be looked at next; while a worker holds it, when its lease ends.
    pub due_at: Option<String>,
    /// Why it is where it is: `code`, `message` and the code's parameters.
    #[serde(serialize_with = "reason::view")]
    pub reason: Option<Reason>,
    /// The name of the environment that it was submitted in; left out where its submitter had none.
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

/// A queue at a glance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct QueueView {
    /// `main/transfer`.
    pub queue: String,
    /// The account's name.
    pub account: String,
    /// The kind's word.
    pub kind: String,
    /// Jobs that wait to be sent.
    pub to_send: u64,
    /// Jobs that wait to be asked about, or are held by a worker.
    pub to_query: u64,
    /// Jobs that wait for a person.
    pub review: u64,
    /// Jobs that ended and are not yet reduced to tombstones.
    pub done: u64,
    /// Jobs with a webhook delivery that is still due.
    pub to_tell: u64,
    /// Keys in quarantine because no record could be read.
    pub orphans: u64,
    /// The earliest due time.
    pub next_due: Option<String>,
    /// Why it is paused, if it is: `code`, `message` and the code's parameters.
    #[serde(serialize_with = "reason::view")]
    pub paused: Option<Reason>,
    /// Workers whose circuit is open here: the gateway is down or loses most answers, and they send a probe now and then.
    pub circuits_open: usize,
}
