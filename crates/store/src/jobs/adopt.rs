//! Handing a queue's jobs to another name, after its account was renamed.
//!
//! The two queues may be in two partitions, so each job takes three guarded steps: the adoption claims the old queue's
//! job without a lease end; the new queue gets the job; the old one is deleted. If the process dies in between, the old
//! job stays claimed, no worker sends it, and the next adoption continues with it.

mod found_keys;
mod hand_over;
mod handed;
mod there;

use bursar_domain::{HistoryEvent, Key, Millis, Queue, Reason, State};
use serde_json::Map;

use super::apply::{Guarded, Place, Seen};
use super::overlay::ClaimEntry;
use super::{Operator, StoredAs};
use crate::crash::crash_point;
use crate::{Store, StoreError};
use handed::{Handed, token};
use there::{There, is_same_tombstone};

/// The number of tries for a job that changes meanwhile.
const TRIES: usize = 8;

/// The result of adopting a queue's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Jobs that are the new queue's now.
    pub moved: usize,
    /// Of them those that may have been sent.
    pub in_doubt: usize,
    /// Keys whose worker's lease has not ended: try again after its end.
    pub claimed: Vec<String>,
    /// The keys for which the new queue already has a job, and that job's key. An operator must decide.
    pub conflicts: Vec<(String, String)>,
    /// Keys whose record this build cannot read.
    pub unreadable: Vec<String>,
}

impl Adopted {
    /// True if no job was left behind.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.claimed.is_empty() && self.conflicts.is_empty() && self.unreadable.is_empty()
    }
}

/// The queues of an adoption, and the operator who started it.
#[derive(Clone, Copy)]
struct Adoption<'a> {
    from: &'a Queue,
    to: &'a Queue,
    operator: Operator<'a>,
}

impl Adoption<'_> {
    /// The event that a job's history gets.
    fn event(&self, at: Millis) -> HistoryEvent {
        HistoryEvent::Adopted(bursar_domain::Adopted {
            at,
            queue: self.from.to_string(),
            operator: self.operator.who.to_owned(),
            comment: self.operator.why.to_owned(),
            more: Map::new(),
        })
    }
}

/// The result for one job.
enum Fate {
    Moved(State),
    Gone,
    Claimed,
    Conflict(String),
    Unreadable,
    /// It has changed meanwhile: look again.
    Changed,
}

impl Store {
    /// Hands over every job of `from`, ended ones and tombstones included, to `to`, one by one. After an error or a
    /// crash, another call continues. A pause of `from` is first copied to `to`.
    ///
    /// The caller must ensure that no worker serves `from` and that both accounts are at the same gateway.
    ///
    /// # Errors
    /// [`StoreError`]: some jobs may have been moved; repeat.
    pub async fn adopt(&self, from: &Queue, to: &Queue, operator: Operator<'_>) -> Result<Adopted, StoreError> {
        self.introduce(&[to]).await?;
        if let Some(pause) = self.status(from).await?.paused {
            let pause = Reason::AdoptedPause { queue: from.to_string(), pause: Box::new(pause) };
            self.pause(to, &pause).await?;
        }
        let mut found = self.find_all(from).await?;
        let mut adopted = Adopted { unreadable: std::mem::take(&mut found.unreadable), ..Adopted::default() };
        let adoption = Adoption { from, to, operator };
        let since = self.since();
        for key in &found.jobs {
            crash_point("before_adopt");
            let business_keys = found.business_keys.remove(key.as_str()).unwrap_or_default();
            match self.adopt_job(adoption, key, &business_keys).await? {
                Fate::Moved(state) => {
                    adopted.moved += 1;
                    adopted.in_doubt += usize::from(state == State::InDoubt);
                }
                Fate::Gone => {}
                Fate::Claimed | Fate::Changed => adopted.claimed.push(key.to_string()),
                Fate::Conflict(other) => adopted.conflicts.push((key.to_string(), other)),
                Fate::Unreadable => adopted.unreadable.push(key.to_string()),
            }
        }
        self.kept(since).await?;
        Ok(adopted)
    }

    async fn adopt_job(&self, adoption: Adoption<'_>, key: &Key, business_keys: &[String]) -> Result<Fate, StoreError> {
        for _ in 0..TRIES {
            let fate = self.adopt_once(adoption, key, business_keys).await?;
            if !matches!(fate, Fate::Changed) {
                return Ok(fate);
            }
        }
        Ok(Fate::Changed)
    }

    async fn adopt_once(
        &self,
        adoption: Adoption<'_>,
        key: &Key,
        business_keys: &[String],
    ) -> Result<Fate, StoreError> {
        let Adoption { from, to, .. } = adoption;
        let job = match self.job(from, key).await? {
            None => return Ok(Fate::Gone),
            Some(StoredAs::Unreadable { .. }) => return Ok(Fate::Unreadable),
            Some(StoredAs::Job(job)) => job,
        };
        let current_claim = job.seen.stored.current_claim(ClaimEntry::read(&job.seen.claim));
        let is_underway = current_claim.as_ref().is_some_and(|claim| claim.token == token(to));
        let now = self.now().await?;
        if current_claim.is_some() && !is_underway && job.due.is_some_and(|lease| lease > now) {
            return Ok(Fate::Claimed);
        }
        let late = current_claim.filter(|_| is_underway).map(|claim| claim.late).unwrap_or_default();
        let handed = self.handed(&job, (is_underway, late), business_keys, now).await?;
        let there = self.there(from, to, &handed, now).await?;
        if let There::Other | There::Same(_) = there {
            let stays = matches!(there, There::Other) || !handed.is_unsent();
            if stays && !is_same_tombstone(&there, &handed.stored) {
                return self.leave(from, handed, key.to_string()).await;
            }
        }
        for business_key in &handed.business_keys {
            if let Some(other) = self.rival(to, key, business_key).await? {
                return self.leave(from, handed, other).await;
            }
        }
        if let Some(other) = self.rival(to, key, key.as_str()).await? {
            return self.leave(from, handed, other).await;
        }
        self.hand_over(adoption, handed, there, now).await
    }

    /// An operator must decide: the job stays in the old queue, as it was before the adoption claimed it.
    async fn leave(&self, from: &Queue, handed: Handed, other: String) -> Result<Fate, StoreError> {
        if handed.is_underway {
            let now = self.now().await?;
            let place = match handed.stored.state {
                State::Queued => Place::Sends(handed.stored.run_at.unwrap_or(now)),
                State::NeedsReview => Place::Review,
                State::InDoubt
                | State::Pending
                | State::Succeeded
                | State::Failed
                | State::Refunded
                | State::Cancelled => Place::Queries(now),
            };
            let mut record = handed.stored;
            let history = record.overflow();
            let write = Guarded {
                group: record.fair_group.clone(),
                record: record.text(),
                place,
                decided: now,
                state: handed.has_changed.then_some(record.state),
                history,
                ..Guarded::new(handed.key.as_str(), &handed.claim, Seen::Text(handed.text))
            };
            self.apply(from, &[write], "").await?;
        }
        Ok(Fate::Conflict(other))
    }
}
