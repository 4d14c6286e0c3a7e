//! All that happened to a job, or to a notification: typed events with one serde form in Redis, exports, the API, the CLI and the
//! dashboard. What a newer build wrote is kept and shown.

mod action;
mod delivery;
mod proposal;
mod quarantine;
mod response;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use action::{ActionKind, OperatorAction, last_action};
pub use delivery::{Delivery, DeliveryError, DeliveryOutcome};
pub use proposal::{ProposalChange, ProposalOutcome};
pub use quarantine::{Quarantine, QuarantineOutcome, WebhookResent};
pub use response::{Response, ResponseEvidence};

use crate::{Millis, Reason, State};

/// One event. Its serde form is `{"event": "…", "at": …, …}`: the variant's name in snake case, the time in ms, its fields. Fields
/// that this build does not know stay in `more`; an event that it does not know is [`HistoryEvent::Other`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(description = "An event of a history. Events and fields may be added.")]
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
    /// The job needs review: a journal knows a send with its business key by another key.
    BusinessKeyConflict(BusinessKeyConflict),
    /// A notification names the job.
    Notification(NotificationNamed),
    /// An attempt to deliver a webhook.
    Delivery(Delivery),
    /// An operator took the job out of quarantine.
    Quarantine(Quarantine),
    /// A proposal about the job was opened, or ended without the action.
    Proposal(ProposalChange),
    /// An operator has webhooks delivered again.
    WebhookResent(WebhookResent),
    /// A line that is no event.
    Unreadable(Unreadable),
    /// An event that this build does not know, as it is recorded.
    #[serde(untagged)]
    Other(OtherEvent),
}

/// Fields that this build does not know: kept and shown.
type More = Map<String, Value>;

/// An event of one claim that has nothing else to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A deadline that ended a job while nothing was sent: its queue was paused, or the circuit breaker open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A job that was handed on from the queue of an account that has another name now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A line of a history that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    /// The line.
    pub line: String,
}

/// An event of a newer build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// As it is recorded: one line of JSON. An event without a time gets it from its recorder.
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
        if let (Value::Object(fields), Self::Proposal(ProposalChange { expires_at: Some(at), .. })) = (&mut view, self)
        {
            fields.insert("expires_at".to_owned(), at.rfc3339().into());
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
            Self::Proposal(event) => event.at,
            Self::WebhookResent(event) => event.at,
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
            Self::Proposal(_) => "proposal",
            Self::WebhookResent(_) => "webhook_resent",
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
            | Self::Proposal(_)
            | Self::WebhookResent(_)
            | Self::Unreadable(_)
            | Self::Other(_) => None,
        }
    }
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
