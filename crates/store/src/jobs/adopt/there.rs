//! The new queue's content for the key of a job that is handed over.

use bursar_domain::{HistoryEvent, Millis, Queue, State};

use super::handed::Handed;
use crate::jobs::overlay::is_open;
use crate::jobs::record::StoredJob;
use crate::jobs::{JobRecord, StoredAs};
use crate::{Store, StoreError};

/// The new queue's content for the key.
pub(super) enum There {
    Nothing,
    /// The very job, brought there by an adoption before this one.
    Ours(Box<JobRecord>),
    /// A job that was certainly never sent, with its text: the other one replaces it.
    Unsent(Box<StoredJob>, String),
    /// A job of the same content that stays.
    Same(Box<StoredJob>),
    Other,
}

impl Store {
    /// The content of the queue `to` for the key of a job that is handed over from `from`.
    pub(super) async fn there(
        &self,
        from: &Queue,
        to: &Queue,
        handed: &Handed,
        now: Millis,
    ) -> Result<There, StoreError> {
        let job = match self.job(to, &handed.key).await? {
            None => return Ok(There::Nothing),
            Some(StoredAs::Unreadable { .. }) => return Ok(There::Other),
            Some(StoredAs::Job(job)) => job,
        };
        let theirs = job.as_lost(now);
        let is_same = theirs.has_hash(&handed.stored.hash.0) || handed.stored.has_hash(&theirs.hash.0);
        // A job with this key that was submitted later is another one, even if an adoption had begun: it knows nothing
        // of the sends.
        let is_ours = is_same && !theirs.is_tombstone() && theirs.created_at == handed.stored.created_at;
        if is_ours && self.history(&job).await?.iter().any(|event| is_from(event, from)) {
            return Ok(There::Ours(job));
        }
        let is_unsent = theirs.state == State::Queued && theirs.sends == 0 && job.seen.claim.is_empty();
        Ok(match (is_same, is_unsent && !theirs.is_tombstone()) {
            (false, _) => There::Other,
            (true, true) => There::Unsent(Box::new(theirs), job.seen.record.clone()),
            (true, false) => There::Same(Box::new(theirs)),
        })
    }
}

fn is_from(event: &HistoryEvent, from: &Queue) -> bool {
    matches!(event, HistoryEvent::Adopted(adopted) if adopted.queue == from.to_string())
}

/// A tombstone of the same job, which has ended: one of them is enough.
pub(super) fn is_same_tombstone(there: &There, stored: &StoredJob) -> bool {
    matches!(there, There::Same(theirs) if theirs.is_tombstone() && !is_open(stored.state) && theirs.state == stored.state)
}
