//! The outcomes of calls to a gateway. Expected answers of the world are values here, not errors.

use crate::{Fen, State};

/// The two kinds of call to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// May move money.
    Send,
    /// Never moves money.
    #[serde(rename = "query")]
    Query,
}

impl Call {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Send, Self::Query];

    /// `send` or `query`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Query => "query",
        }
    }
}

/// The one thing that a call taught us. Each variant answers: may money have moved, and who acts next?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// This call certainly took no effect (no byte left, or it was refused before the business service saw it): try later.
    NotExecuted,
    /// This call certainly took no effect, for what it is about is not ready: an order that is not paid yet. A few more tries.
    NotReady,
    /// This call certainly took no effect, and none will until a person mends keys, rights or clocks: pause the queue.
    Misconfigured,
    /// This call certainly took no effect: the gateway refuses the job for good.
    Rejected,
    /// The gateway has the job and has not finished with it (9, n, or a word we do not know).
    Accepted,
    /// The gateway's last word: 1, or a bill received.
    Succeeded,
    /// The gateway's last word: 0.
    Failed,
    /// The gateway's last word: 2.
    Refunded,
    /// Nothing was learnt; if the call was a send, it may have taken effect.
    NoResponse,
    /// Asked, the gateway does not know the job. Soon after a send this proves nothing.
    NotFound,
    /// The answer does not fit the job: it speaks of another key or amount, or of a success that may have paid no one. A
    /// person must look.
    Mismatch,
}

impl Outcome {
    /// Every answer.
    pub const ALL: [Self; 11] = [
        Self::NotExecuted,
        Self::NotReady,
        Self::Misconfigured,
        Self::Rejected,
        Self::Accepted,
        Self::Succeeded,
        Self::Failed,
        Self::Refunded,
        Self::NoResponse,
        Self::NotFound,
        Self::Mismatch,
    ];

    /// The word for it in records, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotExecuted => "not_executed",
            Self::NotReady => "not_ready",
            Self::Misconfigured => "misconfigured",
            Self::Rejected => "rejected",
            Self::Accepted => "accepted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
            Self::NoResponse => "no_response",
            Self::NotFound => "not_found",
            Self::Mismatch => "mismatch",
        }
    }

    /// The answer of that name in records.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }

    /// True if the call certainly took no effect, and may be made again once the time has come or the fault is mended.
    #[must_use]
    pub const fn is_not_executed(self) -> bool {
        match self {
            Self::NotExecuted | Self::NotReady | Self::Misconfigured => true,
            Self::Rejected
            | Self::Accepted
            | Self::Succeeded
            | Self::Failed
            | Self::Refunded
            | Self::NoResponse
            | Self::NotFound
            | Self::Mismatch => false,
        }
    }

    /// The terminal state that this answer is the last word for.
    #[must_use]
    pub const fn final_state(self) -> Option<State> {
        match self {
            Self::Succeeded => Some(State::Succeeded),
            Self::Failed => Some(State::Failed),
            Self::Refunded => Some(State::Refunded),
            Self::NotExecuted
            | Self::NotReady
            | Self::Misconfigured
            | Self::Rejected
            | Self::Accepted
            | Self::NoResponse
            | Self::NotFound
            | Self::Mismatch => None,
        }
    }
}

/// The arrival of a response that the account's rules let us read: the gateway's health, apart from what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// A whole, readable response, signed by the platform where the account requires that; its code may be unknown.
    Response,
    /// Nothing of the kind: silence, a reset, an HTTP error, an unreadable response, or one that its signature does not
    /// vouch for.
    Nothing,
}

/// The job that a response is about, as far as the response itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// It names this job, by its key and its amount; or there is no way to have it confirmed.
    Job,
    /// It names no job: that it is about this one follows from the connection alone.
    Nothing,
}

/// The misconfiguration that a response suggests which proves nothing: one that its signature does not vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// Keys, rights, methods or clocks may be wrong: the queue had better wait for a person.
    Misconfigured,
    /// Nothing of the kind.
    Nothing,
}

/// An answer with the evidence for it, which goes on record as [`crate::ResponseEvidence`]. The reader bounds its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedResponse {
    /// The outcome.
    pub outcome: Outcome,
    /// The arrival of a response that can be relied on. Known to the caller alone; not part of the record.
    pub received: Received,
    /// The job that the response names. Known to the caller alone; not part of the record.
    pub names: Names,
    /// A suspicion that the response raises and does not prove. Known to the caller alone; not part of the record.
    pub suspicion: Suspicion,
    /// The gateway's own number for the job, if it named one.
    pub trade_no: Option<String>,
    /// The gateway's status as it wrote it: `0`, `1`, `2`, `9`, `n`, a split's state, or another word.
    pub status: Option<String>,
    /// The gateway's code and sub-code: `40004/isv.name-error`.
    pub code: Option<String>,
    /// The gateway's message, or ours about why nothing could be read.
    pub message: Option<String>,
    /// The gateway's id of the request, for a call to its support.
    pub request_id: Option<String>,
    /// The HTTP status, if an answer came.
    pub http: Option<u16>,
    /// The amount that the gateway named, when it named one.
    pub amount: Option<Fen>,
}

impl ParsedResponse {
    /// A reading with nothing but its answer and a message of ours: no response arrived.
    #[must_use]
    pub fn of(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            received: Received::Nothing,
            names: Names::Nothing,
            suspicion: Suspicion::Nothing,
            trade_no: None,
            status: None,
            code: None,
            message: Some(message.into()),
            request_id: None,
            http: None,
            amount: None,
        }
    }
}
