//! The origins of webhook events.

use std::fmt;
use std::str::FromStr;

use bursar_domain::{AccountName, IdError, Queue};

/// Events in one call of a script: a bound on the time that it blocks Redis.
pub const MAX_DELIVERIES: usize = 256;

/// The second part of the queue name of an account's notifications.
const NOTIFICATIONS: &str = "notify";

/// The origin of events: those that share a hash tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Jobs of a queue.
    Jobs(Queue),
    /// The gateway's notifications to an account.
    Notifications(AccountName),
}

impl Origin {
    /// The account.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        match self {
            Self::Jobs(queue) => &queue.account,
            Self::Notifications(account) => account,
        }
    }
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
