//! An operator's actions on a job or a queue.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HistoryEvent, More};
use crate::{Millis, Operation, State};

/// The kinds of an operator's actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
            Operation::Query => Self::Query,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorAction {
    /// When.
    #[serde(default, skip_serializing_if = "super::is_unset")]
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
    pub more: More,
}

/// `resolve by li at 2026-01-01T00:00:00.000Z: seen on the statement`.
impl fmt::Display for OperatorAction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} by {} at {}: {}", self.action.as_str(), self.operator, self.at.rfc3339(), self.comment)?;
        match &self.approved_by {
            Some(second) => write!(out, " (approved by {second})"),
            None => Ok(()),
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
        | HistoryEvent::Proposal(_)
        | HistoryEvent::WebhookResent(_)
        | HistoryEvent::Unreadable(_)
        | HistoryEvent::Other(_) => None,
    })
}
