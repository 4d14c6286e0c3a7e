//! Restores jobs that Redis has lost, wholly or in part, from a journal.

use bursar_domain::{
    BusinessKeyConflict, Call, HistoryEvent, Key, Millis, Queue, Reason, RestoredFromJournal, State, Transition,
};

use super::apply::{Applied, BusinessKey, Guarded, Place, Seen};
use super::commit::{ResponseKnownBy, place_of};
use super::overlay::{ClaimEntry, Era};
use super::record::{Hash, Raw, StoredJob, Unreadable};
use super::{JobRecord, StoredAs};
use crate::{Store, StoreError};

/// The number of tries for a write whose job has changed.
const TRIES: usize = 8;

/// A journal's knowledge of one job's sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalView<'a> {
    /// SHA-256 of the content that was sent.
    pub hash: &'a [u8],
    /// The content; written only where Redis has no record.
    pub content: &'a str,
    /// The job's business key.
    pub business_key: &'a str,
    /// The highest fence of a send.
    pub fence: u64,
    /// Sends.
    pub sends: u32,
    /// Of them those made while an earlier one might have been executed.
    pub resends: u32,
    /// The first one that is known.
    pub first_sent: Millis,
    /// The last one.
    pub last_sent: Millis,
    /// The gateway's numbers, newest last; empty without new ones.
    pub trade_nos: &'a [String],
}

/// The difference between Redis's record of a job and a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalDiff {
    /// It knows as much, or has ended.
    Agrees,
    /// There is no record.
    Missing,
    /// It has forgotten a send.
    Behind,
    /// It lacks a send, and its content is not the one that was sent.
    OtherContent,
    /// It has ended as never executed, and the journal has a send that it does not count: it needs review.
    EndedUnsent,
}

impl JournalDiff {
    /// Compares: a complete record has a fence and a number of sends at least as high as those of any send.
    #[must_use]
    pub fn of(record: Option<&JobRecord>, hash: &[u8], fence: u64, sends: u32) -> Self {
        let Some(record) = record else { return Self::Missing };
        if record.created.is_none() {
            return Self::Agrees; // a tombstone
        }
        let fewer = record.sends < sends;
        match record.state {
            State::Succeeded | State::Refunded => Self::Agrees,
            State::Failed | State::Cancelled if fewer => Self::EndedUnsent,
            State::Failed | State::Cancelled => Self::Agrees,
            State::Queued | State::InDoubt | State::Pending | State::NeedsReview => {
                let behind = record.fence < fence || (record.state == State::Queued && fewer);
                match (record.hash == hash, behind) {
                    // A person has it already.
                    (false, false) if record.state == State::NeedsReview => Self::Agrees,
                    // A record's content never changes: this one was accepted after the other had been lost. Its fences
                    // say nothing about the other's.
                    (false, _) => Self::OtherContent,
                    (true, true) => Self::Behind,
                    (true, false) => Self::Agrees,
                }
            }
        }
    }
}

/// The result of restoring a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is restored.
    Done,
    /// Another job, with this key, has the same business key: both need review, unless the other one was sent already.
    WithRival(String),
    /// It has changed since it was read; nothing was written.
    Changed,
}

impl Store {
    /// Restores one job as `next`, if its record in Redis is still as `seen`. Its fence rises above the journal's.
    ///
    /// `event` is for the job's history: the operator, and the journal's knowledge. A rival, which is another job with
    /// the same business key that may still be sent, is moved to review first.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job before repeating.
    pub async fn restore(
        &self,
        queue: &Queue,
        key: &Key,
        seen: Option<&JobRecord>,
        journal: &JournalView<'_>,
        next: &Transition,
        event: RestoredFromJournal,
    ) -> Result<Restored, StoreError> {
        // A full Redis accepts no new queue name, but must accept restored jobs.
        if let Err(error @ (StoreError::Cluster | StoreError::Layout(_))) = self.introduce(&[queue]).await {
            return Err(error);
        }
        let since = self.since();
        let rival = self.rival(queue, key, journal.business_key).await?;
        if let Some(rival) = &rival {
            self.send_to_review(queue, rival, key, &event.operator).await?;
        }
        let now = self.now().await?;
        let write = self.restoring(
            queue,
            key,
            seen,
            journal,
            (next, rival.as_deref()),
            RestoredFromJournal { at: now, ..event },
        )?;
        self.raise_fence(queue, write.fence).await?; // no claim to come has this one
        let applied = self.apply(queue, &[write.guarded], "").await?.pop();
        self.kept(since).await?;
        Ok(match (applied, rival) {
            (Some(Applied::Done), None) => Restored::Done,
            (Some(Applied::Done), Some(rival)) => Restored::WithRival(rival),
            (_, _) => Restored::Changed,
        })
    }

    fn restoring(
        &self,
        queue: &Queue,
        key: &Key,
        seen: Option<&JobRecord>,
        journal: &JournalView<'_>,
        (next, rival): (&Transition, Option<&str>),
        event: RestoredFromJournal,
    ) -> Result<Restoring, StoreError> {
        let now = event.at;
        let mut record = match seen {
            Some(seen) => seen.as_found(),
            None => self.forgotten(queue, key, journal)?,
        };
        let before = seen.map(|seen| seen.state);
        let first = [record.first_sent_at.or(record.last_sent_at), Some(journal.first_sent)];
        record.first_sent_at = first.into_iter().flatten().min();
        record.last_sent_at = record.last_sent_at.max(Some(journal.last_sent));
        record.fence = record.fence.max(journal.fence).saturating_add(1);
        record.sends = record.sends.max(journal.sends);
        record.resends = record.resends.max(journal.resends);
        record.updated_at = Some(now);
        record.learn(journal.trade_nos);
        let (mut place, mut reason) = (place_of(next), next.reason.clone());
        record.state = next.state;
        if let Some(rival) = rival {
            record.state = State::NeedsReview;
            (place, reason) = (Place::Review, Some(Reason::RestoredBesideAnotherJob { key: rival.to_owned() }));
        }
        record.reason = reason;
        record.history.push(HistoryEvent::RestoredFromJournal(event));
        let changed = before != Some(record.state);
        let webhook = if before.is_some() && changed { record.webhook_event(now) } else { String::new() };
        let counts = record.count_end(before.unwrap_or(State::Queued), now);
        let history = record.overflow();
        let known = journal.trade_nos.iter().cloned().map(|number| ResponseKnownBy::TradeNo(number).field());
        let rival = rival.unwrap_or_default().to_owned();
        let business_key = BusinessKey { name: journal.business_key.to_owned(), rival };
        let (claim, text) = seen.map(|seen| (seen.seen.claim.as_str(), seen.seen.record.clone())).unwrap_or_default();
        let guarded = Guarded {
            group: record.fair_group.clone(),
            record: record.text(),
            place,
            decided: now,
            state: Some(record.state),
            webhook,
            history,
            business_keys: vec![business_key],
            responses: known.collect(),
            counts,
            ..Guarded::new(key.as_str(), claim, Seen::Text(text))
        };
        Ok(Restoring { fence: record.fence, guarded })
    }

    /// A job of which Redis has nothing.
    fn forgotten(&self, queue: &Queue, key: &Key, journal: &JournalView<'_>) -> Result<StoredJob, StoreError> {
        let content = Raw::new(journal.content).ok_or_else(|| StoreError::Unreadable {
            what: format!("the journal's content of job {key}"),
            detail: "it is no JSON".into(),
        })?;
        Ok(StoredJob {
            created_at: Some(journal.first_sent),
            fair_group: self.fair_order(queue).group(queue.kind, journal.content),
            content: Some(content),
            ..StoredJob::new(State::InDoubt, Hash(journal.hash.to_vec()))
        })
    }

    /// Moves the rival of a job to review, if the rival may still be sent, and leaves the job itself unchanged: a
    /// journal has a send by `key` with the business key of `journal` that the record of that key lacks. Returns the
    /// rival's key.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; repeating it is safe.
    pub async fn send_rival_to_review(
        &self,
        queue: &Queue,
        key: &Key,
        journal: &JournalView<'_>,
        who: &str,
    ) -> Result<Option<String>, StoreError> {
        let since = self.since();
        let Some(rival) = self.rival(queue, key, journal.business_key).await? else { return Ok(None) };
        let was_moved = self.send_to_review(queue, &rival, key, who).await?;
        self.kept(since).await?;
        Ok(was_moved.then_some(rival))
    }

    /// The key of another job with this business key. Redis refuses one at submission, unless it has lost the first
    /// job.
    pub(crate) async fn rival(
        &self,
        queue: &Queue,
        key: &Key,
        business_key: &str,
    ) -> Result<Option<String>, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut pipeline = redis::Pipeline::new();
        pipeline.get(queue_keys.of_key("business", business_key)).exists(queue_keys.of_key("job", business_key));
        let (owner, is_a_key): (Option<String>, bool) = self.query("GET", &pipeline).await?;
        let rival = owner.or_else(|| is_a_key.then(|| business_key.to_owned()));
        Ok(rival.filter(|rival| rival != key.as_str()))
    }

    /// A journal has a send with the same business key under another key, `sent`: a rival that may still be sent is
    /// moved to review. A rival that is being sent, or that the gateway has accepted, goes on: it is too late to stop
    /// it. Returns true if the rival was moved.
    async fn send_to_review(&self, queue: &Queue, rival: &str, sent: &Key, who: &str) -> Result<bool, StoreError> {
        let Ok(key) = rival.parse::<Key>() else { return Ok(false) };
        for _ in 0..TRIES {
            let job = match self.job(queue, &key).await? {
                Some(StoredAs::Job(job)) => job,
                // A worker of that build may send it, and this build cannot prevent that.
                Some(StoredAs::Unreadable { why: why @ Unreadable::Newer { .. }, .. }) => {
                    return Err(StoreError::Unreadable {
                        what: format!("job {rival}, which has the business key of {sent}"),
                        detail: format!("{why}; use that build"),
                    });
                }
                // No build sends it.
                Some(StoredAs::Unreadable { why: Unreadable::Damaged(_), .. }) | None => return Ok(false),
            };
            let claim = job.seen.stored.current_claim(ClaimEntry::read(&job.seen.claim));
            let is_sent = claim.as_ref().is_some_and(|claim| claim.call == Call::Send);
            if is_sent || job.created.is_none() || !matches!(job.state, State::Queued | State::InDoubt) {
                return Ok(false);
            }
            let now = self.now().await?;
            let mut record = job.as_found();
            if claim.is_some() {
                record.fence = record.fence.saturating_add(1); // above its claim's, whose response is then no lost write
            }
            record.state = State::NeedsReview;
            record.updated_at = Some(now);
            record.reason = Some(Reason::BusinessKeySent { key: sent.to_string() });
            record.history.push(HistoryEvent::BusinessKeyConflict(BusinessKeyConflict {
                at: now,
                operator: who.to_owned(),
                key: sent.to_string(),
                more: serde_json::Map::new(),
            }));
            let write = Guarded::new(rival, &job.seen.claim, Seen::Text(job.seen.record.clone())).with_record(
                record,
                job.state,
                Place::Review,
                now,
            );
            if self.apply(queue, &[write], "").await? == [Applied::Done] {
                return Ok(true);
            }
        }
        Err(StoreError::Unreadable {
            what: format!("job {rival}, which has the business key of {sent}"),
            detail: "it changes during each try".into(),
        })
    }
}

/// The write for a restored job, with its fence.
struct Restoring {
    fence: u64,
    guarded: Guarded,
}

impl JobRecord {
    /// The record combined with its claim, for the case that no worker has the job any more. Late responses are kept.
    pub(crate) fn as_found(&self) -> StoredJob {
        let claim = self.seen.stored.current_claim(ClaimEntry::read(&self.seen.claim));
        let mut found = self.seen.found.clone().seen_under(claim.as_ref(), Era::default());
        for late in claim.iter().flat_map(|claim| &claim.late) {
            found.heed(late);
        }
        found
    }

    /// The same if the current claim has just been found lost.
    pub(crate) fn as_lost(&self, now: Millis) -> StoredJob {
        let found = self.seen.found.clone();
        match found.current_claim(ClaimEntry::read(&self.seen.claim)) {
            None => found,
            // It is an adoption's, which makes no call.
            Some(claim) if claim.is_adoption() => {
                let mut found = found.found_by(&claim, Era::default());
                for late in &claim.late {
                    found.heed(late);
                }
                found
            }
            Some(claim) => {
                let (token, fence) = (String::new(), claim.fence);
                let after = Some(Box::new(claim));
                let lost = ClaimEntry { token, call: Call::Query, fence, at: now, late: Vec::new(), after };
                found.found_by(&lost, Era::default())
            }
        }
    }
}
