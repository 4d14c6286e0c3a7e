//! The eight states of a job.

use std::fmt;
use std::str::FromStr;

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Never sent, or certainly not executed.
    Queued,
    /// A send may have reached the gateway.
    InDoubt,
    /// Accepted; the gateway says 9 or n.
    Pending,
    /// A person must decide.
    NeedsReview,
    /// The gateway's last word is 1; a bill upload was received.
    Succeeded,
    /// The gateway's last word is 0, or the job was certainly never executed and never will be.
    Failed,
    /// The gateway's last word is 2.
    Refunded,
    /// Taken back before any send took effect.
    Cancelled,
}

impl State {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::InDoubt,
        Self::Pending,
        Self::NeedsReview,
        Self::Succeeded,
        Self::Failed,
        Self::Refunded,
        Self::Cancelled,
    ];

    /// The word for it in records, commands, the API and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InDoubt => "in_doubt",
            Self::Pending => "pending",
            Self::NeedsReview => "needs_review",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
        }
    }

    /// True if nothing more is to be done about the job.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Refunded | Self::Cancelled => true,
            Self::Queued | Self::InDoubt | Self::Pending | Self::NeedsReview => false,
        }
    }
}

impl State {
    /// True if nothing more happens to the job by itself: it has ended, or waits for a person.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        match self {
            Self::NeedsReview | Self::Succeeded | Self::Failed | Self::Refunded | Self::Cancelled => true,
            Self::Queued | Self::InDoubt | Self::Pending => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = crate::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(crate::IdError::new(
            "must be one of queued, in_doubt, pending, needs_review, succeeded, failed, refunded, cancelled",
        ))
    }
}
