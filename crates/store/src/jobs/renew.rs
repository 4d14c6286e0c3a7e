//! Keeping claims, and giving them back.

use std::time::Duration;

use bursar_domain::{Call, Due, Millis, OnAmbiguous, Queue, Transition};
use redis::Value;

use super::apply::member_end;
use super::claim::{ClaimedJob, pause_after_losses};
use super::commit::{Commit, Committed, Resend};
use super::overlay::ClaimEntry;
use super::record::StoredJob;
use crate::Store;
use crate::jobs::claim_request::whole_millis;
use crate::scripts::EVENTS_KEPT;
use crate::{Known, MAX_CLAIM, StoreError};

/// A worker's renewal of leases.
#[derive(Clone, Copy, Debug)]
pub struct Renewal<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// The lease of the jobs from now on.
    pub lease: Duration,
    /// The worker's knowledge of the queue.
    pub known: Known,
    /// The account's policy on unanswered sends: under `hold`, lost writes pause the queue.
    pub on_ambiguous: OnAmbiguous,
    /// Its idea of Redis's time.
    pub clock: Option<Millis>,
}

impl<'a> Renewal<'a> {
    /// By a worker without knowledge of the queue, for an account that resends.
    #[must_use]
    pub fn new(worker: &'a str, lease: Duration) -> Self {
        Self { worker, lease, known: Known::default(), on_ambiguous: OnAmbiguous::Resend, clock: None }
    }
}

/// A claim's identity: the worker's name, a slash, and the number of that worker's claim call. Fences are repeated once Redis has lost
/// writes, a token never.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimToken(pub String);

/// The result of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The time, in Redis time.
    pub now: Millis,
    /// The queue's fence.
    pub fence: u64,
    /// The queue's era.
    pub era: u64,
    /// True if it found that Redis has lost writes.
    pub lost_writes: bool,
    /// The keys that are no longer this worker's.
    pub gone: Vec<String>,
}

/// A claim that is to be renewed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeasedClaim {
    /// The job's key.
    pub key: String,
    /// The claim's fence.
    pub fence: u64,
    /// The claim's token.
    pub token: ClaimToken,
}

impl Store {
    /// Extends the leases of claimed jobs, and reports the worker's knowledge of the queue, even without claimed jobs.
    ///
    /// # Errors
    /// [`StoreError`]: try again before the leases end.
    pub async fn renew(
        &self,
        queue: &Queue,
        renewal: &Renewal<'_>,
        leased: &[LeasedClaim],
    ) -> Result<Renewed, StoreError> {
        let (first, others) = leased.split_at(leased.len().min(MAX_CLAIM));
        let mut renewed = self.renew_batch(queue, renewal, first).await?;
        for batch in others.chunks(MAX_CLAIM) {
            let further = self.renew_batch(queue, renewal, batch).await?;
            renewed.gone.extend(further.gone);
            let lost_writes = renewed.lost_writes || further.lost_writes;
            renewed = Renewed { gone: renewed.gone, lost_writes, ..further };
        }
        Ok(renewed)
    }

    async fn renew_batch(
        &self,
        queue: &Queue,
        renewal: &Renewal<'_>,
        batch: &[LeasedClaim],
    ) -> Result<Renewed, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.renew.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(renewal.worker)
            .push(whole_millis(renewal.lease))
            .push(EVENTS_KEPT)
            .push(renewal.known.receipt)
            .push(renewal.known.fence)
            .push(pause_after_losses(renewal.on_ambiguous))
            .push(renewal.clock.unwrap_or_default().0);
        for leased in batch {
            call.push(&leased.key).push(ClaimEntry::beginning(&leased.token.0));
        }
        type Reply = (u64, u64, u64, u8, Vec<Value>);
        let (now, fence, era, lost, gone): Reply = call.run(self).await?;
        let mut renewed = Renewed { now: Millis(now), fence, era, lost_writes: lost == 1, gone: Vec::new() };
        let mut forgotten = false;
        for row in gone.chunks_exact(4) {
            let text = |at: usize| row.get(at).and_then(|value| redis::from_redis_value_ref::<String>(value).ok());
            let key = text(0).unwrap_or_default();
            let leased = batch.iter().find(|leased| leased.key == key);
            let was_released = text(3).is_some_and(|word| word == "1");
            forgotten |= !was_released
                && leased
                    .is_some_and(|leased| was_lost(leased, &text(1).unwrap_or_default(), &text(2).unwrap_or_default()));
            renewed.gone.push(key);
        }
        // If the queue is in a later era than the worker knows, the loss has been noticed since.
        if forgotten && !renewed.lost_writes && era <= renewal.known.era && self.lost_writes(queue, era).await? {
            renewed = Renewed { fence: fence + 1, era: era + 1, lost_writes: true, ..renewed };
        }
        Ok(renewed)
    }

    /// Releases claimed jobs about which certainly no call was made. If a response to an earlier claim arrived
    /// meanwhile, such a job is not sent, but due with the response. Returns the number of jobs that are no longer
    /// claimed.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; it is done once.
    pub async fn release(&self, queue: &Queue, jobs: &[&ClaimedJob]) -> Result<usize, StoreError> {
        self.release_due(queue, jobs, Millis(0)).await
    }

    /// The same, and they come due at that moment.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; it is done once.
    pub async fn release_due(&self, queue: &Queue, jobs: &[&ClaimedJob], due: Millis) -> Result<usize, StoreError> {
        let claims: Vec<(String, String, String)> =
            jobs.iter().map(|job| (job.key.to_string(), job.group().to_owned(), job.token.0.clone())).collect();
        let released = self.release_each(queue, &claims, due, "").await?;
        let late: Vec<&ClaimedJob> =
            jobs.iter().zip(&released).filter(|(_, reply)| *reply == "late").map(|(job, _)| *job).collect();
        let mut count = released.iter().filter(|reply| *reply == "ok").count();
        if !late.is_empty() {
            let now = self.now().await?;
            let ends: Vec<Commit> = late.into_iter().map(|job| unmade(job, now)).collect();
            let committed = self.commit(queue, &ends).await?;
            count += committed.iter().filter(|committed| **committed == Committed::Done).count();
        }
        Ok(count)
    }

    /// Ends the claim of a job about which certainly no call was made, although its intent may be in a journal: the
    /// record keeps the claim's fence, so that Redis knows as much as the journal. `false` if the claim has already
    /// ended.
    ///
    /// # Errors
    /// [`StoreError`]: repeat, or let the lease end.
    pub async fn withdraw(&self, queue: &Queue, job: &ClaimedJob) -> Result<bool, StoreError> {
        let now = self.now().await?;
        let committed = self.commit(queue, &[unmade(job, now)]).await?;
        Ok(committed.first() == Some(&Committed::Done))
    }

    /// Releases the jobs of a claim call, due at that moment, with a line for the history.
    pub(crate) async fn release_until(
        &self,
        queue: &Queue,
        jobs: &[(String, String, String)],
        due: Millis,
        line: &str,
    ) -> Result<usize, StoreError> {
        Ok(self.release_each(queue, jobs, due, line).await?.iter().filter(|reply| *reply == "ok").count())
    }

    /// The result of each: `ok`, `gone` or `late`.
    async fn release_each(
        &self,
        queue: &Queue,
        jobs: &[(String, String, String)],
        due: Millis,
        line: &str,
    ) -> Result<Vec<String>, StoreError> {
        let mut released = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(MAX_CLAIM) {
            let queue_keys = self.queues.of(queue);
            let mut call = self.scripts.release.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
            call.push(self.queues.wake_channel());
            for (key, group, token) in batch {
                call.push(key).push(member_end(group)).push(ClaimEntry::beginning(token)).push(due.0).push(line);
            }
            let mut replies: Vec<String> = call.run(self).await?;
            released.append(&mut replies);
        }
        Ok(released)
    }
}

/// The end of a claim for which no call was made: the job is due again at once.
fn unmade(job: &ClaimedJob, now: Millis) -> Commit {
    let due = match job.call {
        Call::Send => Due::Send(now),
        Call::Query => Due::Query(now),
    };
    let next = Transition { state: job.state, due, reason: None, pause_queue: false };
    Commit { resend: Resend::Skipped, reason: job.reason.clone(), ..Commit::new(job, now, next) }
}

/// A claim that its worker no longer has was ended, was taken over after its lease, or was lost.
fn was_lost(leased: &LeasedClaim, claim: &str, record: &str) -> bool {
    let record = match StoredJob::read(record) {
        Ok(record) => Some(record),
        Err(_) if record.is_empty() => None,
        Err(_) => return false, // a newer build has changed it, or it cannot be read
    };
    let Ok(claim) = ClaimEntry::of(claim) else { return false };
    if record.as_ref().is_some_and(|record| record.is_tombstone() || record.last_claim == leased.token.0) {
        return false;
    }
    if claim.as_ref().is_some_and(|claim| claim.knows(&leased.token.0)) {
        return false;
    }
    let newest = claim.map(|claim| claim.fence).or(record.map(|record| record.fence)).unwrap_or(0);
    newest <= leased.fence
}
