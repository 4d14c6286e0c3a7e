//! The parts of a send that go into the journal, if the operator keeps one: the intent before the first byte, and the
//! response.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{ParsedResponse, Queue, ResponseEvidence};
use bursar_journal::{Entry, Intent, Journal, NotKept, Response, SendSkipped, hash_of};
use bursar_store::crash_point;

use crate::claimed_jobs::ActiveClaim;
use crate::journal_check::JournalCheck;

/// A worker's journal; without one, all methods do nothing.
pub(crate) struct SendJournal {
    journal: Option<Journal>,
    journal_check: Arc<JournalCheck>,
}

impl SendJournal {
    pub(crate) fn new(journal: Option<Journal>, journal_check: Arc<JournalCheck>) -> Self {
        Self { journal, journal_check }
    }

    /// Returns once the intent to send is on disk. On an error the send must not be made.
    pub(crate) async fn intend(&self, queue: &Queue, claim: &ActiveClaim, within: Duration) -> Result<(), NotKept> {
        let Some(journal) = &self.journal else { return Ok(()) };
        crash_point("before_journal");
        let job = &claim.job;
        self.journal_check.sends(queue, job.key.as_str(), job.fence);
        let intent = Intent {
            at: claim.clock.now().0,
            queue: queue.to_string().into(),
            key: job.key.as_str().into(),
            fence: job.fence,
            token: job.token.0.as_str().into(),
            sends: job.sends,
            resends: job.resends,
            trade_nos: job.trade_nos.as_slice().into(),
            hash: hash_of(&job.content).into(),
            content: job.content.as_str().into(),
        };
        journal.keep(&Entry::Intent(intent), within).await
    }

    /// The intent may be in the file, and no send followed it.
    pub(crate) fn send_skipped(&self, queue: &Queue, claim: &ActiveClaim) {
        let Some(journal) = &self.journal else { return };
        self.journal_check.send_skipped(queue, claim.job.key.as_str(), claim.job.fence);
        let (queue, key) = (queue.to_string().into(), claim.job.key.as_str().into());
        let (fence, token) = (claim.job.fence, claim.job.token.0.as_str().into());
        journal.note(&Entry::SendSkipped(SendSkipped { queue, key, fence, token }));
    }

    /// Writes the response. No call waits for it: without it the job is queried once more.
    pub(crate) fn answered(&self, queue: &Queue, claim: &ActiveClaim, parsed: &ParsedResponse) {
        let Some(journal) = &self.journal else { return };
        let Ok(read) = serde_json::to_value(ResponseEvidence::from(parsed)) else { return };
        let (at, queue, key) = (claim.clock.now().0, queue.to_string().into(), claim.job.key.as_str().into());
        let read = std::borrow::Cow::Owned(read);
        let (fence, token) = (claim.job.fence, claim.job.token.0.as_str().into());
        journal.note(&Entry::Response(Response { at, queue, key, fence, token, read }));
    }
}
