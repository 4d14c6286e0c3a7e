//! Accepting jobs.

use std::collections::BTreeSet;

use bursar_domain::{Job, Millis, Queue, State};
use redis::Value;
use serde_json::Value as Json;

use super::apply::member_end;
use super::overlay::{ClaimEntry, Era};
use super::record::{StoredJob, Unreadable};
use super::record_version;
use crate::Store;
use crate::reply::from_reply;
use crate::{StoreError, crash_point};

/// The result of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// Accepted: it is durable as far as this Redis is.
    New,
    /// The same job was accepted before; nothing changed.
    Existing(State),
    /// Refused: the key belongs to other content, or another key to the same business key. Names the first job's key.
    Conflict {
        /// The key of the job that was there first.
        first: String,
    },
    /// A job with this key exists that this build cannot read: it may or may not be the same.
    Unreadable(Unreadable),
}

/// A job to be accepted, with its place in the fair order.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The job.
    pub job: &'a Job,
    /// The group that shares the queue fairly with others; empty for the queue's own.
    pub group: &'a str,
    /// The rank of one unit of its work: 1 divided by its group's weight.
    pub step: f64,
}

/// Jobs in one call of the submit script: a bound on the time that it blocks Redis.
pub const MAX_BATCH: usize = 1_000;

impl Store {
    /// Submits validated jobs of any queues, in their fair orders; one answer per job, in order. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError`]: any part of the jobs may have been accepted; repeat to find out. [`StoreError::NotDurable`] if
    /// all were answered but are not as durable as required; repeating waits again.
    pub async fn submit(&self, jobs: &[Job]) -> Result<Vec<Submission>, StoreError> {
        crash_point("before_submit");
        let since = self.since();
        let queues: BTreeSet<&Queue> = jobs.iter().map(|job| &job.queue).collect();
        let queues: Vec<&Queue> = queues.into_iter().collect();
        self.introduce(&queues).await?;
        let mut answers = vec![None; jobs.len()];
        for queue in queues {
            let order = self.fair_order(queue);
            let of_queue = jobs.iter().enumerate().filter(|(_, job)| &job.queue == queue);
            let (places, of_queue): (Vec<usize>, Vec<&Job>) = of_queue.unzip();
            let groups: Vec<String> = of_queue.iter().map(|job| order.group(queue.kind, job.content.text())).collect();
            let new =
                of_queue.into_iter().zip(&groups).map(|(job, group)| NewRecord { job, group, step: order.step(group) });
            let new: Vec<NewRecord<'_>> = new.collect();
            for (place, answer) in places.into_iter().zip(self.submit_to(queue, &new).await?) {
                if let Some(at) = answers.get_mut(place) {
                    *at = Some(answer);
                }
            }
        }
        crash_point("after_submit");
        self.kept(since).await?;
        answers.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| unreadable("it has fewer replies than jobs"))
    }

    /// Submits jobs of one queue, each with its place in the fair order.
    ///
    /// # Errors
    /// [`StoreError`]: any part of the jobs may have been accepted; repeat to find out.
    pub async fn submit_to(&self, queue: &Queue, new: &[NewRecord<'_>]) -> Result<Vec<Submission>, StoreError> {
        let mut answers = Vec::with_capacity(new.len());
        for batch in new.chunks(MAX_BATCH) {
            let queue_keys = self.queues.of(queue);
            let mut call = self.scripts.submit.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
            call.push(self.queues.wake_channel())
                .push(if queue.kind.is_named_by_key() { "1" } else { "" })
                .push(beginning());
            for new in batch {
                let job = new.job;
                let business_key = job.content.business_key();
                let business_key = if business_key == job.key.as_str() { "" } else { business_key };
                call.push(format!("{}{}", job.key, member_end(new.group)))
                    .push(terms(new.step, job.run_at.unwrap_or_default(), business_key))
                    .push(rest_of_record(new)?);
            }
            let replies: Vec<Value> = call.run(self).await?;
            let era: u64 = from_reply("submit", replies.first())?;
            let era = Era { number: era, ..Era::default() };
            let mut answered = vec![Submission::New; batch.len()];
            for pair in replies.get(1..).unwrap_or_default().chunks(2) {
                let number: usize = from_reply("submit", pair.first())?;
                let place = number.wrapping_sub(1);
                if let (Some(answer), Some(new), Some(what)) = (answered.get_mut(place), batch.get(place), pair.get(1))
                {
                    *answer = submission(new.job, what, era)?;
                }
            }
            answers.extend(answered);
        }
        Ok(answers)
    }
}

/// A job's place in the fair order, its due time and its business key in the script's form; empty for the most common
/// values.
fn terms(step: f64, run_at: Millis, business_key: &str) -> String {
    #[expect(clippy::float_cmp, reason = "one is exact")]
    let is_one = step == 1.0;
    if is_one && run_at == Millis(0) && business_key.is_empty() {
        return String::new();
    }
    format!("{step} {} {business_key}", run_at.0)
}

/// The beginning of an accepted job's record.
fn beginning() -> String {
    format!("{{\"v\":{},\"state\":\"queued\"", record_version())
}

/// The part of the record after `created_at`, which the script writes: it begins with a comma.
fn rest_of_record(new: &NewRecord<'_>) -> Result<String, StoreError> {
    let text = StoredJob::accepted(new.job, new.group)?.text();
    Ok(text.strip_prefix(&beginning()).unwrap_or_default().to_owned())
}

fn submission(job: &Job, reply: &Value, era: Era) -> Result<Submission, StoreError> {
    if let Ok(word) = redis::from_redis_value_ref::<String>(reply) {
        return Ok(Submission::Conflict { first: word });
    }
    let (record, claim): (Vec<u8>, Vec<u8>) =
        redis::from_redis_value_ref(reply).map_err(|error| unreadable(&error.to_string()))?;
    let (record, claim) = (String::from_utf8_lossy(&record), String::from_utf8_lossy(&claim));
    Ok(match (StoredJob::read(&record), ClaimEntry::of(&claim)) {
        (Ok(record), _) if !record.has_hash(&job.content.hash()) => Submission::Conflict { first: job.key.to_string() },
        (Ok(record), Ok(claim)) => {
            let claim = record.standing(claim);
            Submission::Existing(record.seen_under(claim.as_ref(), era).state)
        }
        (Err(why), _) | (Ok(_), Err(why)) => Submission::Unreadable(why),
    })
}

fn unreadable(detail: &str) -> StoreError {
    StoreError::Unreadable { what: "the reply of submit".into(), detail: Json::from(detail).to_string() }
}
