//! Whose webhook events they are.

use std::fmt;
use std::str::FromStr;

use bursar_domain::{AccountName, IdError, Queue};

/// Events in one call of a script: a bound on how long it holds Redis.
pub const MAX_DELIVERIES: usize = 256;

/// What stands in a queue's name where an account's notifications have their keys.
const NOTIFICATIONS: &str = "notify";

/// Whose events they are: what shares a hash tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Jobs of a queue.
    Jobs(Queue),
    /// The gateway's notifications to an account.
    Notifications(AccountName),
}

impl From<Queue> for Origin {
    fn from(queue: Queue) -> Self {
        Self::Jobs(queue)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jobs(queue) => queue.fmt(out),
            Self::Notifications(account) => write!(out, "{account}/{NOTIFICATIONS}"),
        }
    }
}

impl FromStr for Origin {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((account, NOTIFICATIONS)) => account.parse().map(Self::Notifications),
            Some(_) | None => text.parse().map(Self::Jobs),
        }
    }
}
