//! Refusals without a protocol: the API answers them as a problem, a page as a sentence.

use std::sync::Arc;

use bursar_domain::{Key, Queue};
use bursar_store::{StoreError, Unreadable};

/// One refusal.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// Nothing has that name, or the bearer's token is not for it.
    NotFound(String),
    /// This build cannot read the job's record.
    UnreadableRecord(String),
    /// Redis failed; `meaning` says what that means for the client.
    Store {
        /// The store's error.
        error: Arc<StoreError>,
        /// Its meaning for the client.
        meaning: &'static str,
    },
    /// Redis took too long.
    Late(String),
}

impl Refusal {
    /// Redis failed. The log has the whole chain, once.
    pub(crate) fn of_store(error: StoreError, meaning: &'static str) -> Self {
        tracing::warn!(error = %error.chain(), "{meaning}");
        Self::Store { error: Arc::new(error), meaning }
    }

    /// There is no job of that key.
    pub(crate) fn unknown_job(queue: &Queue, key: &Key) -> Self {
        Self::NotFound(format!("there is no job {key} in {queue}"))
    }

    /// There is a job of that key, and this build cannot read it.
    pub(crate) fn unreadable_job(queue: &Queue, key: &Key, why: &Unreadable) -> Self {
        let then = then(why);
        Self::UnreadableRecord(format!("job {key} in {queue} cannot be read by this build: {why}; {then}"))
    }
}

/// Reading changes nothing.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::of_store(error, "repeat the request")
    }
}

/// The next step for a job that cannot be read.
pub(crate) const fn then(why: &Unreadable) -> &'static str {
    match why {
        Unreadable::Newer { .. } => "a server of that build can read it",
        Unreadable::Damaged(_) => "once it is due, `bursar quarantine` lists it for an operator",
    }
}
