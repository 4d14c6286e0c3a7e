//! A proposal about a job, which another operator must approve: its beginning, and its end without the action.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ApprovalAction, Millis, State};

/// A proposal that was opened, or that ended and nothing was done. An approved one is the operator's action. One that expired has its beginning
/// alone, with an `expires_at` in the past: no process acts at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalChange {
    /// When.
    #[serde(default, skip_serializing_if = "super::is_unset")]
    pub at: Millis,
    /// The beginning, or the end.
    pub outcome: ProposalOutcome,
    /// The proposal's id.
    pub proposal: String,
    /// The proposed action.
    pub action: ApprovalAction,
    /// The final state of a job that was to be resolved.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub end: Option<State>,
    /// The name of the operator who did this.
    pub operator: String,
    /// That operator's reason; what had changed, where the proposal was void.
    pub comment: String,
    /// When the proposal ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The beginning of a proposal, or its end without the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalOutcome {
    /// One operator has proposed the action.
    Proposed,
    /// The same operator has withdrawn it.
    Withdrawn,
    /// Another operator has rejected it.
    Rejected,
    /// Another operator wanted to approve it, and the job had changed.
    Void,
}

impl ProposalOutcome {
    /// The word for it on record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Withdrawn => "withdrawn",
            Self::Rejected => "rejected",
            Self::Void => "void",
        }
    }
}
