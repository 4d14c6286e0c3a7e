//! A job as outsiders read it: the same object in the CLI, the API and the library.

use crate::{Millis, State};

/// One job. Times are RFC 3339 in UTC; what is not known yet is `null`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct JobView {
    /// The account's name.
    pub account: String,
    /// The kind's word.
    pub kind: String,
    /// The key.
    pub platform_no: String,
    /// Where it stands.
    pub state: State,
    /// The gateway's own number, the newest it named.
    pub trade_no: Option<String>,
    /// The gateway's status as it wrote it.
    pub gateway_status: Option<String>,
    /// How often it was sent, in intent: each was on record before its first byte left.
    pub attempts: u32,
    /// How often the gateway was asked about it.
    pub asks: u32,
    /// When it was accepted.
    pub created_at: Option<String>,
    /// When anything about it last changed.
    pub updated_at: Option<String>,
    /// When it will be looked at next; while a worker holds it, when its lease ends.
    pub due_at: Option<String>,
    /// Why it stands where it stands, in a few words.
    pub reason: Option<String>,
}

impl JobView {
    /// A time of the record as the view shows it.
    #[must_use]
    pub fn time(at: Option<Millis>) -> Option<String> {
        at.map(Millis::rfc3339)
    }
}

/// A lane at a glance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LaneView {
    /// `main/transfer`.
    pub lane: String,
    /// The account's name.
    pub account: String,
    /// The kind's word.
    pub kind: String,
    /// Jobs that wait to be sent.
    pub to_send: u64,
    /// Jobs that wait to be asked about, or are held by a worker.
    pub to_ask: u64,
    /// Jobs that wait for a person.
    pub review: u64,
    /// Jobs that ended and are not yet reduced to tombstones.
    pub done: u64,
    /// Jobs with something that their producer is still to be told.
    pub to_tell: u64,
    /// Keys put aside because no record could be read.
    pub orphans: u64,
    /// The earliest due time.
    pub next_due: Option<String>,
    /// Who paused it and why, if it is paused.
    pub paused: Option<String>,
    /// Workers whose circuit is open here: the gateway is down or loses most answers, and they send a probe now and then.
    pub circuits_open: usize,
}

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AttemptView {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What happened: `intent` (a send, before its first byte), `answer`, `released` or `withheld` (an intent that was
    /// certainly not followed by a send), `lost` (a worker died with a send out), `operation`, `put_back` (from
    /// a journal, after Redis had forgotten a send), `rival` (a journal knows a send about the same thing by another key), `callback` (an attempt to tell the producer), `notification` (one that
    /// named the job); `unreadable` for a line that is.
    pub event: String,
    /// The line's further fields as they were recorded.
    #[serde(flatten)]
    pub detail: serde_json::Map<String, serde_json::Value>,
}

/// What an operator did last to a job, by its log, for whoever comes second: `cancel by li at 2026-01-01T00:00:00.000Z: why`.
#[must_use]
pub fn last_act(log: &[AttemptView]) -> Option<(&AttemptView, String)> {
    let last = log.iter().rev().find(|line| line.event == "operation")?;
    let word = |name| last.detail.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    Some((last, format!("{} by {} at {}: {}", word("do"), word("who"), last.at, word("why"))))
}
