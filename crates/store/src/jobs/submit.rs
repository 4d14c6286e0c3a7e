//! Accepting jobs.

use bursar_domain::{Job, Lane, State, TraceParent};
use redis::Value;
use serde_json::Value as Json;

use super::apply::member_end;
use super::overlay::{ClaimEntry, Era};
use super::record::{Hash, Raw, StoredJob, Unreadable};
use super::{Jobs, RECORD_VERSION};
use crate::{MAX_BATCH, StoreError};

/// What became of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// Accepted: it is durable as far as this Redis is.
    New,
    /// The same job was accepted before; nothing changed.
    Existing(State),
    /// Refused: the key stands for other content, or another key for the same business key. Names the first job's key.
    Conflict {
        /// The key of the job that was there first.
        first: String,
    },
    /// There is a job by this key that this build cannot read: whether it is the same is not known.
    Unreadable(Unreadable),
}

/// A job to be accepted, with its place in the fair order.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The job.
    pub job: &'a Job,
    /// The group that shares the queue fairly with others; empty for the queue's own.
    pub group: &'a str,
    /// What a unit of its work adds to its rank: 1 divided by its group's weight.
    pub step: f64,
}

impl Jobs {
    /// Accepts validated jobs of one queue; one answer for each, in order. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError`]: any part of the jobs may have been accepted; repeating tells.
    pub async fn submit(&self, lane: &Lane, new: &[NewRecord<'_>]) -> Result<Vec<Submission>, StoreError> {
        let mut answers = Vec::with_capacity(new.len());
        for batch in new.chunks(MAX_BATCH) {
            let queue = self.keys.of(lane);
            let mut call = self.scripts.submit.on_jobs(&queue.base, &queue.queue_hash(), &queue.queue);
            call.push(self.keys.wake_channel()).push(if lane.kind.is_named_by_key() { "1" } else { "" });
            for new in batch {
                let job = new.job;
                let business_key = job.content.about();
                call.push(job.key.as_str())
                    .push(member_end(new.group))
                    .push(new.step)
                    .push(job.run_at.unwrap_or_default().0)
                    .push(if business_key == job.key.as_str() { "" } else { business_key })
                    .push(rest_of_record(new)?);
            }
            let mut replies: Vec<Value> = call.run(&self.store).await?;
            let era: u64 = replies.pop().and_then(|era| redis::from_redis_value(era).ok()).unwrap_or_default();
            let era = Era { number: era, ..Era::default() };
            for (new, reply) in batch.iter().zip(&replies) {
                answers.push(submission(new.job, reply, era)?);
            }
        }
        Ok(answers)
    }
}

/// The record behind `created_at`, which the script knows: it goes on after a comma.
fn rest_of_record(new: &NewRecord<'_>) -> Result<String, StoreError> {
    let job = new.job;
    let content = Raw::new(job.content.text()).ok_or_else(|| StoreError::Unreadable {
        what: format!("the content of job {}", job.key),
        detail: "it is no JSON".into(),
    })?;
    let record = StoredJob {
        run_at: job.run_at,
        fair_group: new.group.to_owned(),
        content: Some(content),
        callback_url: job.callback_url.clone(),
        traceparent: job.trace.as_ref().map(|trace| TraceParent::as_str(trace).to_owned()),
        ..StoredJob::new(State::Queued, Hash(job.content.hash().to_vec()))
    };
    let text = record.text();
    let beginning = format!("{{\"v\":{RECORD_VERSION},\"state\":\"queued\"");
    Ok(text.strip_prefix(&beginning).unwrap_or_default().to_owned())
}

fn submission(job: &Job, reply: &Value, era: Era) -> Result<Submission, StoreError> {
    if let Ok(word) = redis::from_redis_value_ref::<String>(reply) {
        return match word.strip_prefix(' ') {
            Some(first) => Ok(Submission::Conflict { first: first.to_owned() }),
            None if word == "new" => Ok(Submission::New),
            None => Err(unreadable(&word)),
        };
    }
    let (record, claim): (Vec<u8>, Vec<u8>) =
        redis::from_redis_value_ref(reply).map_err(|error| unreadable(&error.to_string()))?;
    let (record, claim) = (String::from_utf8_lossy(&record), String::from_utf8_lossy(&claim));
    Ok(match StoredJob::read(&record) {
        Ok(record) if record.has_hash(&job.content.hash()) => {
            let claim = record.standing(ClaimEntry::read(&claim));
            Submission::Existing(record.seen_under(claim.as_ref(), era).state)
        }
        Ok(_) => Submission::Conflict { first: job.key.to_string() },
        Err(why) => Submission::Unreadable(why),
    })
}

fn unreadable(detail: &str) -> StoreError {
    StoreError::Unreadable { what: "the reply of submit".into(), detail: Json::from(detail).to_string() }
}
