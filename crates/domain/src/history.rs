//! All that happened to a job, or to a notification: typed events with one serde form in Redis, exports, the API, the CLI and the
//! dashboard. What a newer build wrote is kept and shown.

mod quarantine;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use quarantine::{Quarantine, QuarantineOutcome};

use crate::{Answer, Call, Fen, Millis, Operation, Reading, Reason, State};

/// One event. Its serde form is `{"event": "…", "at": …, …}`: the variant's name in snake case, the time in ms, its fields. Fields
/// that this build does not know stay in `more`; an event that it does not know is [`HistoryEvent::Other`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HistoryEvent {
    /// A send is about to begin.
    SendIntent(ClaimEvent),
    /// A response, or its absence.
    Response(Response),
    /// The claimed send was not made: the policy refused it, or its intent could not be recorded.
    SendSkipped(ClaimEvent),
    /// The claim ended without a call.
    ClaimReleased(ClaimEvent),
    /// The worker was lost while a send was out.
    WorkerLost(ClaimEvent),
    /// A deadline ended the job while nothing was sent.
    DeadlinePassed(DeadlinePassed),
    /// An operator's action.
    OperatorAction(OperatorAction),
    /// The job was handed on from another queue: its account was renamed.
    Adopted(Adopted),
    /// The job was restored: a journal knew a send that Redis had forgotten.
    RestoredFromJournal(RestoredFromJournal),
    /// The job was put before a person: a journal knows a send with its business key by another key.
    BusinessKeyConflict(BusinessKeyConflict),
    /// A notification names the job.
    Notification(NotificationNamed),
    /// An attempt to deliver a webhook.
    Delivery(Delivery),
    /// An operator took the job out of quarantine.
    Quarantine(Quarantine),
    /// A line that is no event.
    Unreadable(Unreadable),
    /// An event that this build does not know, as it is recorded.
    #[serde(untagged)]
    Other(OtherEvent),
}

/// Fields that this build does not know: kept and shown.
type More = Map<String, Value>;

/// An event of one claim that has nothing else to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimEvent {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// The claim's fence.
    pub fence: u64,
    /// The worker; empty where the line does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker: String,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// A response to a call, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The claim's fence.
    pub fence: u64,
    /// The call.
    pub call: Call,
    /// The worker; empty where the line does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker: String,
    /// When it was read.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// How long the call took.
    #[serde(default)]
    pub ms: u64,
    /// What was read.
    #[serde(flatten)]
    pub read: ResponseEvidence,
    /// Whether its claim had ended when it arrived: it is evidence and decided nothing by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// The evidence of a response: how it was understood, and the gateway's own words. Its texts are bounded by whoever reads responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseEvidence {
    /// How it was understood.
    pub outcome: Answer,
    /// The gateway's number for the job, if the response names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade_no: Option<String>,
    /// The gateway's status as it wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The gateway's code and sub-code: `40004/isv.name-error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The gateway's message, or ours about why nothing could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The gateway's id of the request, for a call to its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The HTTP status, if a response arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// The amount that the response names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Fen>,
}

impl From<&Reading> for ResponseEvidence {
    fn from(reading: &Reading) -> Self {
        Self {
            outcome: reading.answer,
            trade_no: reading.trade_no.clone(),
            status: reading.status.clone(),
            code: reading.code.clone(),
            message: reading.message.clone(),
            request_id: reading.request_id.clone(),
            http: reading.http,
            amount: reading.amount,
        }
    }
}

/// A deadline that ended a job while nothing was sent: its queue was paused, or the circuit breaker open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlinePassed {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// The kinds of an operator's actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Query the gateway now.
    Query,
    /// Send the identical bytes.
    Send,
    /// Close a job as what it is known to be.
    Resolve,
    /// Cancel a job that was never sent.
    Cancel,
    /// Pause a queue.
    Pause,
    /// Resume a queue.
    Resume,
    /// Hand on the jobs of a renamed account.
    Adopt,
    /// Confirm that a queue's jobs are for another gateway now.
    ConfirmGateway,
}

impl From<Operation> for ActionKind {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Ask => Self::Query,
            Operation::Send => Self::Send,
            Operation::Resolve(_) => Self::Resolve,
            Operation::Cancel => Self::Cancel,
        }
    }
}

impl ActionKind {
    /// The word for it on record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Send => "send",
            Self::Resolve => "resolve",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Adopt => "adopt",
            Self::ConfirmGateway => "confirm_gateway",
        }
    }
}

/// An operator's action on one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAction {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// The action.
    pub action: ActionKind,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The operator's name.
    pub operator: String,
    /// The operator's reason.
    pub comment: String,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// `resolve by li at 2026-01-01T00:00:00.000Z: seen on the statement`.
impl fmt::Display for OperatorAction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} by {} at {}: {}", self.action.as_str(), self.operator, self.at.rfc3339(), self.comment)
    }
}

/// A job that was handed on from the queue of an account that has another name now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// The queue before: `main/transfer`.
    pub queue: String,
    /// The operator's name.
    pub operator: String,
    /// The operator's reason.
    pub comment: String,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// A job whose send Redis had forgotten and a journal knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredFromJournal {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// The operator's name.
    pub operator: String,
    /// The state that Redis had; absent where it had no such job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<State>,
    /// The sends that the journals know.
    pub sends: u32,
    /// The last response that the journals know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseEvidence>,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// A job whose business key was sent by another key, as a journal knows: Redis had forgotten that one when it accepted this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessKeyConflict {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// The operator's name.
    pub operator: String,
    /// The other key.
    pub key: String,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// A notification that names the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationNamed {
    /// When it was linked.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// Its number within the account.
    pub number: u64,
    /// Its method.
    pub method: String,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// An attempt to deliver a webhook, or its end without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// The event's number among those of its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The state that the event tells of; of a dropped one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The message's `webhook-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// The receiver's host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The receiver's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// Why there is no HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DeliveryError>,
    /// How long the attempt took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The time until which the receiver asked to wait, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// Whether its lease had ended: another attempt may have been made.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

impl Delivery {
    /// One of which nothing but the outcome is known.
    #[must_use]
    pub fn of(outcome: DeliveryOutcome) -> Self {
        Self {
            at: Millis::default(),
            outcome,
            sequence: None,
            state: None,
            webhook_id: None,
            host: None,
            http: None,
            error: None,
            ms: None,
            retry_after: None,
            late: false,
            more: More::new(),
        }
    }
}

/// What became of an attempt to deliver a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Delivered,
    /// It will be tried again.
    Failed,
    /// It was tried for long enough.
    GivenUp,
    /// The receiver wants no more about this job.
    Gone,
    /// It was never tried: too many events of this job waited.
    Dropped,
}

impl DeliveryOutcome {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Delivered, Self::Failed, Self::GivenUp, Self::Gone, Self::Dropped];
}

/// Why a delivery got no HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryError {
    /// The address is not public, and the configuration does not allow it.
    #[error("the address is not public, and callbacks.allow does not name it")]
    AddressNotAllowed,
    /// The receiver did not answer in time.
    #[error("the receiver did not answer in time")]
    TimedOut,
    /// No connection could be made.
    #[error("cannot connect to the receiver")]
    CannotConnect,
    /// The connection broke before the receiver answered.
    #[error("the connection broke before the receiver answered")]
    ConnectionBroken,
    /// The message could not be signed.
    #[error("the message cannot be signed")]
    CannotSign,
    /// The URL cannot be read.
    #[error("the callback URL cannot be read")]
    UnreadableUrl,
    /// This build cannot read the event.
    #[error("this build cannot read the event")]
    UnreadableEvent,
}

impl DeliveryError {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::AddressNotAllowed,
        Self::TimedOut,
        Self::CannotConnect,
        Self::ConnectionBroken,
        Self::CannotSign,
        Self::UnreadableUrl,
        Self::UnreadableEvent,
    ];
}

/// A line of a history that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The line.
    pub line: String,
}

/// An event of a newer build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherEvent {
    /// Its name.
    pub event: String,
    /// When.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub at: Millis,
    /// Its fields.
    #[serde(flatten)]
    pub more: More,
}

impl HistoryEvent {
    /// Reads a recorded line; one that is no event is [`HistoryEvent::Unreadable`].
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        serde_json::from_slice(line)
            .unwrap_or_else(|_| Self::Unreadable(Unreadable { line: String::from_utf8_lossy(line).into_owned() }))
    }

    /// As it is recorded: one line of JSON. An event without a time gets it from whoever records it.
    #[must_use]
    pub fn recorded(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }

    /// As outsiders read it: the same object, its time as RFC 3339.
    #[must_use]
    pub fn view(&self) -> Value {
        let mut view = serde_json::to_value(self).unwrap_or_default(); // as above
        if let (Value::Object(fields), Some(at)) = (&mut view, self.at()) {
            fields.insert("at".to_owned(), at.rfc3339().into());
        }
        view
    }

    /// When it happened; `None` for a line that does not say.
    #[must_use]
    pub fn at(&self) -> Option<Millis> {
        let at = match self {
            Self::SendIntent(event)
            | Self::SendSkipped(event)
            | Self::ClaimReleased(event)
            | Self::WorkerLost(event) => event.at,
            Self::Response(event) => event.at,
            Self::DeadlinePassed(event) => event.at,
            Self::OperatorAction(event) => event.at,
            Self::Adopted(event) => event.at,
            Self::RestoredFromJournal(event) => event.at,
            Self::BusinessKeyConflict(event) => event.at,
            Self::Notification(event) => event.at,
            Self::Delivery(event) => event.at,
            Self::Quarantine(event) => event.at,
            Self::Other(event) => event.at,
            Self::Unreadable(_) => return None,
        };
        (!is_unset(&at)).then_some(at)
    }

    /// The word for it on record.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::SendIntent(_) => "send_intent",
            Self::Response(_) => "response",
            Self::SendSkipped(_) => "send_skipped",
            Self::ClaimReleased(_) => "claim_released",
            Self::WorkerLost(_) => "worker_lost",
            Self::DeadlinePassed(_) => "deadline_passed",
            Self::OperatorAction(_) => "operator_action",
            Self::Adopted(_) => "adopted",
            Self::RestoredFromJournal(_) => "restored_from_journal",
            Self::BusinessKeyConflict(_) => "business_key_conflict",
            Self::Notification(_) => "notification",
            Self::Delivery(_) => "delivery",
            Self::Quarantine(_) => "quarantine",
            Self::Unreadable(_) => "unreadable",
            Self::Other(other) => &other.event,
        }
    }

    /// The fence and the worker of its claim; `None` for an event of no claim.
    #[must_use]
    pub fn claim(&self) -> Option<(u64, &str)> {
        match self {
            Self::SendIntent(event)
            | Self::SendSkipped(event)
            | Self::ClaimReleased(event)
            | Self::WorkerLost(event) => Some((event.fence, &event.worker)),
            Self::Response(event) => Some((event.fence, &event.worker)),
            Self::DeadlinePassed(_)
            | Self::OperatorAction(_)
            | Self::Adopted(_)
            | Self::RestoredFromJournal(_)
            | Self::BusinessKeyConflict(_)
            | Self::Notification(_)
            | Self::Delivery(_)
            | Self::Quarantine(_)
            | Self::Unreadable(_)
            | Self::Other(_) => None,
        }
    }
}

/// The last action of an operator in a job's history.
#[must_use]
pub fn last_action(history: &[HistoryEvent]) -> Option<&OperatorAction> {
    history.iter().rev().find_map(|event| match event {
        HistoryEvent::OperatorAction(action) => Some(action),
        HistoryEvent::SendIntent(_)
        | HistoryEvent::Response(_)
        | HistoryEvent::SendSkipped(_)
        | HistoryEvent::ClaimReleased(_)
        | HistoryEvent::WorkerLost(_)
        | HistoryEvent::DeadlinePassed(_)
        | HistoryEvent::Adopted(_)
        | HistoryEvent::RestoredFromJournal(_)
        | HistoryEvent::BusinessKeyConflict(_)
        | HistoryEvent::Notification(_)
        | HistoryEvent::Delivery(_)
        | HistoryEvent::Quarantine(_)
        | HistoryEvent::Unreadable(_)
        | HistoryEvent::Other(_) => None,
    })
}

const fn is_unset(at: &Millis) -> bool {
    at.0 == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests;
