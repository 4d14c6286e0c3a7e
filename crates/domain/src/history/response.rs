//! A response to a call, and the evidence in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::More;
use crate::{Call, Fen, Millis, Outcome, ParsedResponse};

/// A response to a call, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// The claim's fence.
    pub fence: u64,
    /// The call.
    pub call: Call,
    /// The worker; empty where the line does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker: String,
    /// When it was read.
    #[serde(default, skip_serializing_if = "super::is_unset")]
    pub at: Millis,
    /// The time that the call took.
    #[serde(default)]
    pub ms: u64,
    /// The parsed response.
    #[serde(flatten)]
    pub read: ResponseEvidence,
    /// True if its claim had ended when it arrived: it is evidence and decided nothing by itself.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub late: bool,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

/// The evidence of a response: how it was understood, and the gateway's own words. The reader of responses bounds its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseEvidence {
    /// The outcome.
    pub outcome: Outcome,
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

impl From<&ParsedResponse> for ResponseEvidence {
    fn from(parsed: &ParsedResponse) -> Self {
        Self {
            outcome: parsed.outcome,
            trade_no: parsed.trade_no.clone(),
            status: parsed.status.clone(),
            code: parsed.code.clone(),
            message: parsed.message.clone(),
            request_id: parsed.request_id.clone(),
            http: parsed.http,
            amount: parsed.amount,
        }
    }
}
