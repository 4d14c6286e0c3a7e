//! Why a job, or a queue, is where it is: a stable code with its parameters, the same JSON object in Redis, the API, the CLI and
//! every export; a text in each language is made of it.

use std::fmt;
use std::mem;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{ActionKind, Outcome, Unsendable};

/// The longest text of a gateway, and the longest comment, that a reason carries, in characters. The history has them whole.
const MAX_TEXT_CHARS: usize = 160;

/// Why a job, or a queue, is where it is. Its serde form is `{"code": "…", …}`: the variant's name in snake case, then its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
#[schemars(description = "Why a job, or a queue, is in its state. Codes may be added.")]
pub enum Reason {
    /// The last response, where its own words say all that there is to say.
    LastResponse(GatewayText),
    /// The response says that the account is misconfigured; the queue is paused.
    Misconfigured(GatewayText),
    /// A response that proves nothing suggests that the account is misconfigured; the queue is paused.
    SuspectedMisconfiguration(GatewayText),
    /// The gateway rejected the job; it was not executed.
    Rejected(GatewayText),
    /// The gateway rejected the job when it was sent again; the first send is unknown.
    ResendRejected(GatewayText),
    /// The response speaks of another job, another amount, or a success that may have paid no one.
    ResponseMismatch(GatewayText),
    /// The response cannot follow this call in this state.
    ImpossibleResponse(GatewayText),
    /// The send got a response that says neither that it was executed nor that it was not.
    UndecidedResponse(GatewayText),
    /// No response to a send, and the account holds.
    NoResponseAndHeld(GatewayText),
    /// No response, and every allowed resend was made.
    ResendsExhausted(GatewayText),
    /// The job was in doubt until the poll deadline.
    InDoubtUntilPollDeadline(GatewayText),
    /// The gateway accepted the job and did not finish it before the poll deadline.
    UnfinishedUntilPollDeadline(GatewayText),
    /// The gateway does not know the job, long after it was sent.
    NotFoundAtGateway(GatewayText),
    /// The job was never executed, and the retry deadline has passed.
    RetryDeadlinePassed(GatewayText),
    /// The job was never executed, and every allowed send was made.
    RetriesExhausted(GatewayText),
    /// The gateway says that the order which the job belongs to is not ready.
    OrderNotReady(GatewayText),
    /// The job was never executed: the order that it belongs to is still not ready.
    StillNotReady(GatewayText),
    /// The response names no job and no transaction, so no query can confirm it.
    CannotBeConfirmed(GatewayText),
    /// The response names no job; a query is to confirm it.
    AwaitingConfirmation,
    /// The gateway accepted the job and cannot be queried about it.
    CannotBeQueried,
    /// The gateway has changed the final status of the job.
    FinalStatusChanged,
    /// A late response ended the job, and the gateway does not know it.
    LateOutcomeNotFound,
    /// A late response ended the job, and nothing confirms it.
    LateOutcomeUnconfirmed {
        /// The late response's outcome.
        outcome: Outcome,
    },
    /// Worker after worker was lost while it had claimed the job.
    WorkersLost,
    /// The stored content is not the accepted one; it was not sent.
    ContentChanged,
    /// The amount is above the account's `max_amount`; the job was not sent.
    AboveMaxAmount,
    /// The response names a transaction of another job.
    TradeNoOfAnotherJob {
        /// The transaction that the response names.
        trade_no: String,
        /// The key of the job that has it.
        key: String,
    },
    /// The same response arrived before.
    ResponseRepeated {
        /// The gateway's id of the request.
        request_id: String,
        /// The key of the job that it arrived for; absent where it is this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Redis had lost writes while the job was queued: it may have been sent.
    LostWrites,
    /// A journal knows a send that Redis had forgotten.
    RestoredFromJournal,
    /// A journal knows a send that Redis had forgotten, and another job has the same business key.
    RestoredBesideAnotherJob {
        /// The other job's key.
        key: String,
    },
    /// A journal knows a send with the same business key by another key.
    BusinessKeySent {
        /// That key.
        key: String,
    },
    /// A journal knows a send of other content by this key.
    OtherContentInJournal,
    /// Other content was sent by this key, and Redis has forgotten it.
    OtherContentSent,
    /// An operator's action.
    OperatorAction {
        /// The action.
        action: ActionKind,
        /// The operator's name.
        operator: String,
        /// The operator's reason.
        comment: String,
        /// The name of the operator who approved it, where it needed two.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_by: Option<String>,
    },
    /// A queue is paused: Redis has lost writes, and what was queued may have been sent.
    QueueLostWrites,
    /// A queue is paused: a journal knows sends that Redis has forgotten.
    JournalAhead,
    /// A queue is resumed: its journals were reconciled.
    JournalsReconciled,
    /// A queue is paused as the one was whose jobs it adopts.
    AdoptedPause {
        /// The queue that the jobs were adopted from.
        queue: String,
        /// Why that one was paused.
        pause: Box<Reason>,
    },
    /// A reason that this build does not know, as it is recorded.
    #[serde(untagged)]
    Other(OtherReason),
}

/// A gateway's own words, or ours about a response that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayText {
    /// The gateway's code and sub-code: `40004/isv.name-error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_code: Option<String>,
    /// The gateway's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_message: Option<String>,
}

impl GatewayText {
    /// A response's code and message, bounded.
    #[must_use]
    pub fn new(code: Option<&str>, message: Option<&str>) -> Self {
        Self { gateway_code: code.map(bounded), gateway_message: message.map(bounded) }
    }

    /// The words that there are.
    fn words(&self) -> impl Iterator<Item = &str> {
        [&self.gateway_code, &self.gateway_message].into_iter().flatten().map(String::as_str)
    }
}

/// A reason of a newer build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherReason {
    /// Its code.
    pub code: String,
    /// Its parameters.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

/// A reason as outsiders read it: its code, its text in English, and the code's parameters.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReasonWithText")]
pub struct ReasonView<'a> {
    #[serde(flatten)]
    #[schemars(schema_with = "reference")]
    reason: &'a Reason,
    /// The reason as an English text. Programs read `code`.
    message: String,
}

/// [`Reason`] by its name: a copy of its forty codes would say no more.
fn reference(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Reason>()
}

impl Reason {
    /// The reason with a response's own words; `None` where it had none.
    #[must_use]
    pub fn last_response(text: GatewayText) -> Option<Self> {
        let is_empty = text == GatewayText::default();
        (!is_empty).then_some(Self::LastResponse(text))
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default(); // texts: writing them cannot fail
        value.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// An operator's action with its reason.
    #[must_use]
    pub fn operator_action(action: ActionKind, operator: &str, comment: &str) -> Self {
        Self::OperatorAction { action, operator: bounded(operator), comment: bounded(comment), approved_by: None }
    }

    /// The same of an action that a second operator has approved.
    #[must_use]
    pub fn approved_by(mut self, second: &str) -> Self {
        if let Self::OperatorAction { approved_by, .. } = &mut self {
            *approved_by = Some(bounded(second));
        }
        self
    }

    /// The same with a response's words, where the reason has a place for them.
    #[must_use]
    pub fn with_gateway_text(mut self, text: GatewayText) -> Self {
        if let Some(place) = self.gateway_text_mut() {
            *place = text;
        }
        self
    }

    /// True if both have the same code.
    #[must_use]
    pub fn has_code_of(&self, other: &Self) -> bool {
        mem::discriminant(self) == mem::discriminant(other)
    }

    /// Reads what is recorded. A text that is no reason is one that this build does not know: it keeps no job from its work.
    #[must_use]
    pub fn read(recorded: &str) -> Self {
        serde_json::from_str(recorded).unwrap_or_else(|_| {
            let parameters = Map::from_iter([("recorded".to_owned(), Value::from(recorded))]);
            Self::Other(OtherReason { code: "unreadable".into(), parameters })
        })
    }

    /// As it is recorded: one line of JSON.
    #[must_use]
    pub fn recorded(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }

    /// As outsiders read it: `code`, `message` in English, and the parameters.
    #[must_use]
    pub fn view(&self) -> Value {
        serde_json::to_value(ReasonView { reason: self, message: self.to_string() }).unwrap_or_default() // as above
    }

    /// [`Reason::view`] for `#[serde(serialize_with)]`; the schema is that of `Option<ReasonView>`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_view<S: Serializer>(reason: &Option<Self>, serializer: S) -> Result<S::Ok, S::Error> {
        reason.as_ref().map(Self::view).serialize(serializer)
    }

    fn gateway_text_mut(&mut self) -> Option<&mut GatewayText> {
        match self {
            Self::LastResponse(text)
            | Self::Misconfigured(text)
            | Self::SuspectedMisconfiguration(text)
            | Self::Rejected(text)
            | Self::ResendRejected(text)
            | Self::ResponseMismatch(text)
            | Self::ImpossibleResponse(text)
            | Self::UndecidedResponse(text)
            | Self::NoResponseAndHeld(text)
            | Self::ResendsExhausted(text)
            | Self::InDoubtUntilPollDeadline(text)
            | Self::UnfinishedUntilPollDeadline(text)
            | Self::NotFoundAtGateway(text)
            | Self::RetryDeadlinePassed(text)
            | Self::RetriesExhausted(text)
            | Self::OrderNotReady(text)
            | Self::StillNotReady(text)
            | Self::CannotBeConfirmed(text) => Some(text),
            Self::AwaitingConfirmation
            | Self::CannotBeQueried
            | Self::FinalStatusChanged
            | Self::LateOutcomeNotFound
            | Self::LateOutcomeUnconfirmed { .. }
            | Self::WorkersLost
            | Self::ContentChanged
            | Self::AboveMaxAmount
            | Self::TradeNoOfAnotherJob { .. }
            | Self::ResponseRepeated { .. }
            | Self::LostWrites
            | Self::RestoredFromJournal
            | Self::RestoredBesideAnotherJob { .. }
            | Self::BusinessKeySent { .. }
            | Self::OtherContentInJournal
            | Self::OtherContentSent
            | Self::OperatorAction { .. }
            | Self::QueueLostWrites
            | Self::JournalAhead
            | Self::JournalsReconciled
            | Self::AdoptedPause { .. }
            | Self::Other(_) => None,
        }
    }
}

impl From<Unsendable> for Reason {
    fn from(rule: Unsendable) -> Self {
        match rule {
            Unsendable::Changed => Self::ContentChanged,
            Unsendable::AboveCap => Self::AboveMaxAmount,
        }
    }
}

/// In English.
impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastResponse(text) => said(out, "", text),
            Self::Misconfigured(text) => said(out, "misconfigured: the queue is paused", text),
            Self::SuspectedMisconfiguration(text) => {
                said(out, "a misconfiguration is suspected: the queue is paused", text)
            }
            Self::Rejected(text) => said(out, "rejected by the gateway, not executed", text),
            Self::ResendRejected(text) => said(out, "rejected when it was sent again; the first send is unknown", text),
            Self::ResponseMismatch(text) => said(out, "the response does not fit the job", text),
            Self::ImpossibleResponse(text) => said(out, "the response cannot follow this call", text),
            Self::UndecidedResponse(text) => said(out, "the response's code leaves the job in doubt", text),
            Self::NoResponseAndHeld(text) => said(out, "no response to a send, and the account holds", text),
            Self::ResendsExhausted(text) => said(out, "no response, however often it was sent again", text),
            Self::InDoubtUntilPollDeadline(text) => said(out, "in doubt until the poll deadline", text),
            Self::UnfinishedUntilPollDeadline(text) => {
                said(out, "accepted, and not finished before the poll deadline", text)
            }
            Self::NotFoundAtGateway(text) => said(out, "the gateway does not know it, long after it was sent", text),
            Self::RetryDeadlinePassed(text) => said(out, "never executed: the retry deadline has passed", text),
            Self::RetriesExhausted(text) => said(out, "never executed, however often it was sent", text),
            Self::OrderNotReady(text) => said(out, "not executed: the order that it belongs to is not ready", text),
            Self::StillNotReady(text) => {
                said(out, "never executed: the order that it belongs to is still not ready", text)
            }
            Self::CannotBeConfirmed(text) => {
                said(out, "ended by a response that names no job and no transaction", text)
            }
            Self::AwaitingConfirmation => out.write_str("to be confirmed by a query: the response names no job"),
            Self::CannotBeQueried => out.write_str("accepted; the gateway cannot be queried about it"),
            Self::FinalStatusChanged => out.write_str("anomaly: the gateway has changed its final status"),
            Self::LateOutcomeNotFound => out.write_str("a late response ended it, and the gateway does not know it"),
            Self::LateOutcomeUnconfirmed { outcome } => {
                write!(out, "a late response says {}, and nothing confirms it", outcome.as_str())
            }
            Self::WorkersLost => out.write_str("worker after worker was lost while it had claimed the job"),
            Self::ContentChanged => out.write_str("the content in Redis is not the accepted one; not sent"),
            Self::AboveMaxAmount => out.write_str("the amount is above the account's max_amount; not sent"),
            Self::TradeNoOfAnotherJob { trade_no, key } => {
                write!(out, "the response names the transaction of job {key}: {trade_no}")
            }
            Self::ResponseRepeated { request_id, key: Some(key) } => {
                write!(out, "the same response arrived before, for job {key}: {request_id}")
            }
            Self::ResponseRepeated { request_id, key: None } => {
                write!(out, "the same response arrived before, for this job: {request_id}")
            }
            Self::LostWrites => out.write_str("Redis has lost writes: this job may have been sent"),
            Self::RestoredFromJournal => out.write_str("restored from a journal: Redis had forgotten its send"),
            Self::RestoredBesideAnotherJob { key } => {
                write!(out, "restored from a journal, and job {key} has the same business key")
            }
            Self::BusinessKeySent { key } => {
                write!(out, "a journal knows a send with the same business key by key {key}")
            }
            Self::OtherContentInJournal => out.write_str("a journal knows a send of other content by this key"),
            Self::OtherContentSent => out.write_str("other content was sent by this key, and Redis has forgotten it"),
            Self::OperatorAction { action: _, operator, comment, approved_by: None } => {
                write!(out, "{operator}: {comment}")
            }
            Self::OperatorAction { action: _, operator, comment, approved_by: Some(second) } => {
                write!(out, "{operator}, approved by {second}: {comment}")
            }
            Self::QueueLostWrites => out.write_str("Redis has lost writes; what was queued may have been sent"),
            Self::JournalAhead => {
                out.write_str("a journal knows sends that Redis has forgotten; run `bursar reconcile --journal`")
            }
            Self::JournalsReconciled => out.write_str("the journals were reconciled"),
            Self::AdoptedPause { queue, pause } => write!(out, "{queue} was paused: {pause}"),
            Self::Other(other) => write!(out, "{other}"),
        }
    }
}

/// The code, then the parameters as they are recorded.
impl fmt::Display for OtherReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.code)?;
        for (name, value) in &self.parameters {
            match value {
                Value::String(text) => write!(out, "; {name} {text}")?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    write!(out, "; {name} {value}")?;
                }
            }
        }
        Ok(())
    }
}

impl GatewayText {
    /// `rule` with these words behind it, in any language: `rule; 40004/isv.name-error; message`.
    #[must_use]
    pub fn behind(&self, rule: &str) -> String {
        [rule].into_iter().filter(|rule| !rule.is_empty()).chain(self.words()).collect::<Vec<_>>().join("; ")
    }
}

fn said(out: &mut fmt::Formatter<'_>, rule: &str, text: &GatewayText) -> fmt::Result {
    out.write_str(&text.behind(rule))
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests;
