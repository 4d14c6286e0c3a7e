//! The end of a quarantine, on an operator's word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Millis;

/// A job that an operator took out of quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantine {
    /// When.
    #[serde(default, skip_serializing_if = "super::is_unset")]
    pub at: Millis,
    /// The outcome.
    pub outcome: QuarantineOutcome,
    /// The operator's name.
    pub operator: String,
    /// The operator's reason.
    pub comment: String,
    /// Why the job was in quarantine.
    pub code: String,
    /// The name of the operator who proposed it, where it needed two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<String>,
    /// The name of the operator who approved it, where it needed two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// The second operator's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_comment: Option<String>,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The outcome of an action on a job in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineOutcome {
    /// The job is back where its state belongs.
    Retried,
    /// The key is left alone, with whatever it holds.
    Dropped,
}

/// An operator has webhooks of the job delivered again: they had failed, or wait for their next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookResent {
    /// When.
    #[serde(default, skip_serializing_if = "super::is_unset")]
    pub at: Millis,
    /// The operator's name.
    pub operator: String,
    /// The operator's reason.
    pub comment: String,
    /// The number of events.
    pub events: u64,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}
