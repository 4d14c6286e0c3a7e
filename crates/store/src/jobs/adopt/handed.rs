//! A job that is handed over, with all its data.

use bursar_domain::{Call, Key, Millis, Queue, State};
use redis::Pipeline;

use crate::jobs::JobRecord;
use crate::jobs::commit::ResponseKnownBy;
use crate::jobs::overlay::{ClaimEntry, LateResponse};
use crate::jobs::purge::request_ids;
use crate::jobs::read::lossy;
use crate::jobs::record::StoredJob;
use crate::reply::score;
use crate::{Store, StoreError};

/// A job that is handed over.
pub(super) struct Handed {
    pub(super) key: Key,
    pub(super) stored: StoredJob,
    pub(super) claim: String,
    pub(super) text: String,
    /// True if its state differs from the published one.
    pub(super) has_changed: bool,
    /// Its due time in the old queue.
    pub(super) due: Option<Millis>,
    /// Since when it has ended there, or waits for a person.
    pub(super) since: Option<Millis>,
    /// The outcomes of responses that arrived while an adoption had claimed it.
    pub(super) late: Vec<LateResponse>,
    /// True if its claim is an adoption's.
    pub(super) is_underway: bool,
    pub(super) business_keys: Vec<String>,
    /// The events in its history's list.
    pub(super) lines: Vec<String>,
    /// The ids of its responses.
    pub(super) responses: Vec<String>,
}

impl Store {
    /// Reads a job that is to be handed over.
    pub(super) async fn handed(
        &self,
        job: &JobRecord,
        (is_underway, late): (bool, Vec<LateResponse>),
        business_keys: &[String],
        now: Millis,
    ) -> Result<Handed, StoreError> {
        let mut stored = job.as_lost(now);
        let has_changed = stored.state != job.seen.stored.state;
        // A send that Redis has lost: waits count from the latest moment at which it can have been made.
        if has_changed && stored.last_sent_at.is_none() {
            stored.last_sent_at = Some(now);
        }
        let (queue_keys, key) = (self.queues.of(&job.queue), &job.key);
        let lines = self.history_lines(&job.queue, key).await?;
        let known = stored.trade_nos.iter().cloned().map(ResponseKnownBy::TradeNo);
        let mut responses: Vec<String> = known.chain(request_ids(&stored, &lines)).map(|id| id.field()).collect();
        let mut pipeline = Pipeline::new();
        pipeline.zscore(queue_keys.set("done"), key.as_str()).zscore(queue_keys.set("review"), key.as_str());
        // None is no command's argument.
        pipeline.cmd("HMGET").arg(queue_keys.set("responses")).arg("").arg(&responses);
        type Reply = (Option<f64>, Option<f64>, Vec<Option<String>>);
        let (done, review, owners): Reply = self.query("ZSCORE", &pipeline).await?;
        // A response id belongs to one job: ids of other jobs stay.
        let mut owners = owners.into_iter().skip(1);
        responses.retain(|_| owners.next().flatten().as_deref() == Some(key.as_str()));
        Ok(Handed {
            key: key.clone(),
            stored,
            lines,
            responses,
            has_changed,
            claim: job.seen.claim.clone(),
            text: job.seen.record.clone(),
            due: job.due.filter(|_| !is_underway),
            since: done.or(review).map(score),
            late,
            is_underway,
            business_keys: business_keys.to_vec(),
        })
    }

    /// The lines of a job's history list, as they are written to the new queue.
    pub(super) async fn history_lines(&self, queue: &Queue, key: &Key) -> Result<Vec<String>, StoreError> {
        let lines = self.history_list(&self.queues.of(queue), key.as_str()).await?;
        Ok(lines.into_iter().map(lossy).collect())
    }
}

impl Handed {
    /// True if it was certainly never sent.
    pub(super) fn is_unsent(&self) -> bool {
        !self.stored.is_tombstone() && self.stored.state == State::Queued && self.stored.sends == 0
    }

    /// The claim of an adoption, including the claim that was lost before it.
    pub(super) fn claim_for(&self, to: &Queue, now: Millis) -> String {
        let lost = self.stored_claim();
        let fence = lost.as_ref().map_or(self.stored.fence, |lost| lost.fence).saturating_add(1);
        let entry = ClaimEntry {
            token: token(to),
            call: Call::Query,
            fence,
            at: now,
            late: Vec::new(),
            after: lost.map(Box::new),
        };
        entry.text()
    }

    fn stored_claim(&self) -> Option<ClaimEntry> {
        ClaimEntry::read(&self.claim)
    }
}

/// The token of an adoption's claim: no worker has this name.
pub(super) fn token(to: &Queue) -> String {
    format!("adopted by {to}/0")
}
