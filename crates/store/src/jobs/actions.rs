//! Actions on a job by others than the worker that claimed it: an operator's action, a deadline. Each is written only
//! if the job has not changed since it was read.

use std::time::Duration;

use bursar_domain::{Due, HistoryEvent, Millis, Queue, Reason, Transition};

use super::apply::{Applied, Guarded, Place, Seen};
use super::commit::place_of;
use super::overlay::ClaimEntry;
use super::{JobRecord, StoredAs};
use crate::Store;
use crate::StoreError;
use crate::reply::score;

/// The result of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// It is done.
    Done,
    /// A worker has claimed the job: nothing was done.
    Claimed,
    /// The job has changed since it was read: nothing was done.
    Changed,
    /// The queue is paused for the given reason: nothing was done.
    Paused,
    /// The approved proposal is gone, or Redis has lost writes since: nothing was done.
    Unapproved,
}

/// An action on a job.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// The transition.
    pub next: &'a Transition,
    /// The reason.
    pub reason: Option<Reason>,
    /// The event for the job's history; its time is set here.
    pub event: HistoryEvent,
    /// True if an operator orders a call: deadlines restart from it.
    pub orders_call: bool,
    /// Nothing is done while the queue is paused for this reason.
    pub unless_paused: Option<&'a Reason>,
}

impl Store {
    /// Applies an action to a job, if the job is still as `seen`.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job before repeating.
    pub async fn act(&self, seen: &JobRecord, action: Action<'_>) -> Result<ActionOutcome, StoreError> {
        self.act_approved(seen, action, None).await
    }

    /// The same with the approval of a second operator: the queue's era, and the text of the approved proposal, which
    /// the same write removes.
    pub(crate) async fn act_approved(
        &self,
        seen: &JobRecord,
        action: Action<'_>,
        approved: Option<(u64, String)>,
    ) -> Result<ActionOutcome, StoreError> {
        if seen.worker.is_some() {
            return Ok(ActionOutcome::Claimed);
        }
        let now = self.now().await?;
        let write = Guarded { approved, ..write(seen, &action, now) };
        let paused = action.unless_paused.map(Reason::recorded).unwrap_or_default();
        match self.apply(&seen.queue, &[write], &paused).await?.pop() {
            Some(Applied::Done) => Ok(ActionOutcome::Done),
            Some(Applied::Paused) => Ok(ActionOutcome::Paused),
            Some(Applied::Unapproved) => Ok(ActionOutcome::Unapproved),
            Some(Applied::Changed { .. } | Applied::Owned(_)) | None => Ok(ActionOutcome::Changed),
        }
    }

    /// After Redis's clock was set back: moves due times and leases that came from the wrong clock to their right
    /// times. A job whose last change is in the future was changed by the wrong clock, and its due time keeps its
    /// distance from that change. Returns the number of changed jobs; repeating it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn set_clock_back(&self, queue: &Queue, lease: Duration) -> Result<usize, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut changed = 0;
        for set in ["due_sends", "due_queries"] {
            let mut pass_over = 0_usize;
            loop {
                let now = self.now().await?;
                let mut pipeline = redis::Pipeline::new();
                pipeline.cmd("ZRANGE").arg(queue_keys.set(set)).arg(format!("({}", now.0)).arg("+inf").arg("BYSCORE");
                pipeline.arg("LIMIT").arg(pass_over).arg(CLOCK_STEP_JOBS).arg("WITHSCORES");
                let (entries,): (Vec<(String, f64)>,) = self.query("ZRANGE", &pipeline).await?;
                let read = entries.len();
                let moved = self.bring_back(queue, set, &entries, (now, lease)).await?;
                changed += moved;
                pass_over += read.saturating_sub(moved);
                if read < CLOCK_STEP_JOBS {
                    break;
                }
            }
        }
        // The queue's own due time came from the wrong clock, too. The next claim computes it.
        let now = self.now().await?;
        let mut pipeline = redis::Pipeline::new();
        let ready = queue_keys.below_base("ready");
        pipeline.cmd("ZADD").arg(ready).arg("XX").arg("LT").arg(now.0).arg(&queue_keys.queue).ignore();
        let () = self.query("ZADD", &pipeline).await?;
        Ok(changed)
    }

    async fn bring_back(
        &self,
        queue: &Queue,
        set: &str,
        entries: &[(String, f64)],
        (now, lease): (Millis, Duration),
    ) -> Result<usize, StoreError> {
        let queue_keys = self.queues.of(queue);
        let key_of = |member: &str| member.split_once(' ').map_or(member, |(key, _)| key).to_owned();
        let keys: Vec<_> = entries.iter().filter_map(|(member, _)| key_of(member).parse().ok()).collect();
        let jobs = self.jobs(queue, &keys).await?;
        let (mut writes, mut leases) = (Vec::new(), redis::Pipeline::new());
        let mut moved = 0;
        for job in jobs {
            let StoredAs::Job(job) = job else { continue };
            let due = entries.iter().find(|(member, _)| key_of(member) == job.key.as_str());
            let Some(due) = due.map(|(_, due)| score(*due)) else { continue };
            if ClaimEntry::read(&job.seen.claim).is_some_and(|claim| claim.is_adoption()) {
                continue; // it has no lease
            }
            if job.worker.is_some() {
                // Its commit finds the right times for the rest.
                let end = now.plus(lease);
                if end < due {
                    leases.cmd("ZADD").arg(queue_keys.set(set)).arg("XX").arg(end.0).arg(job.key.as_str()).ignore();
                    moved += 1;
                }
                continue;
            }
            let Some(changed) = job.updated.filter(|changed| *changed > now) else { continue };
            let back = |at: Option<Millis>| at.map(|at| at.min(now));
            let is_due = now.plus(due.since(changed));
            let mut record = job.seen.stored.clone();
            record.created_at = back(record.created_at);
            record.updated_at = Some(now);
            record.first_sent_at = back(record.first_sent_at);
            record.last_sent_at = back(record.last_sent_at);
            record.ordered_at = back(record.ordered_at);
            writes.push(Guarded {
                group: record.fair_group.clone(),
                record: record.text(),
                place: if set == "due_sends" { Place::Sends(is_due) } else { Place::Queries(is_due) },
                ..Guarded::new(job.key.as_str(), &job.seen.claim, Seen::Text(job.seen.record.clone()))
            });
        }
        if moved > 0 {
            let _: () = self.query("ZADD", &leases).await?;
        }
        let applied = self.apply(queue, &writes, "").await?;
        Ok(moved + applied.iter().filter(|applied| **applied == Applied::Done).count())
    }
}

/// Jobs that one step of setting the clock back reads.
const CLOCK_STEP_JOBS: usize = 200;

/// The guarded write of an action.
pub(crate) fn write(seen: &JobRecord, action: &Action<'_>, now: Millis) -> Guarded {
    let next = action.next;
    let mut record = seen.seen.found.clone();
    // A send that Redis has lost: waits count from the latest moment at which it can have been made.
    if record.state != seen.seen.stored.state && record.last_sent_at.is_none() {
        record.last_sent_at = Some(now);
    }
    record.state = next.state;
    record.updated_at = Some(now);
    record.reason.clone_from(&action.reason);
    if action.orders_call {
        record.ordered_at = Some(now);
    }
    record.history.push(action.event.clone());
    let due = match next.due {
        Due::Send(at) => Due::Send(at.max(now)),
        Due::Query(at) => Due::Query(at.max(now)),
        Due::Never => Due::Never,
    };
    let place = place_of(&Transition { due, ..next.clone() });
    Guarded::new(seen.key.as_str(), &seen.seen.claim, Seen::Text(seen.seen.record.clone()))
        .with_record(record, seen.state, place, now)
}
