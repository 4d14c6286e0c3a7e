//! Accepting jobs.

use bursar_domain::{Job, Lane, State, TraceParent};
use redis::FromRedisValue;

use crate::record::state_of;
use crate::{Store, StoreError, crash_point};

/// Jobs in one call of the submit script: a bound on how long it holds Redis.
pub const MAX_BATCH: usize = 1_000;

/// What became of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// Accepted: it is durable as far as this Redis is.
    New,
    /// The same job was accepted before; nothing changed.
    Existing(State),
    /// Refused: the key stands for other content, or another key for the same thing. Names the first job's key.
    Conflict {
        /// The key of the job that was there first.
        first: String,
    },
}

impl Store {
    /// Submits validated jobs of any lanes; one answer per job, in order. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError`]: any part of the jobs may have been accepted; repeating tells. [`StoreError::NotDurable`] when all were
    /// answered and not kept as surely as asked for; repeating waits again.
    pub async fn submit(&self, jobs: &[Job]) -> Result<Vec<Submission>, StoreError> {
        crash_point("before_submit");
        let since = self.since();
        let lanes = lanes_of(jobs);
        self.introduce(&lanes).await?;
        let mut answers = vec![None; jobs.len()];
        for lane in lanes {
            let of_lane: Vec<usize> = (0..jobs.len()).filter(|index| &jobs[*index].lane == lane).collect();
            for batch in of_lane.chunks(MAX_BATCH) {
                let submitted = self.submit_batch(lane, batch.iter().map(|index| &jobs[*index])).await?;
                for (index, answer) in batch.iter().zip(submitted) {
                    answers[*index] = Some(answer);
                }
            }
        }
        crash_point("after_submit");
        self.kept(since).await?;
        answers.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| StoreError::Unreadable {
            what: "the reply of submit".into(),
            detail: "it has fewer answers than jobs".into(),
        })
    }

    async fn submit_batch<'a>(
        &self,
        lane: &Lane,
        jobs: impl Iterator<Item = &'a Job>,
    ) -> Result<Vec<Submission>, StoreError> {
        let mut call = self.scripts.submit.on(&self.keys.base(lane));
        let by_key = if lane.kind.is_named_by_key() { "1" } else { "" };
        call.push(self.keys.wake_channel()).push(lane.to_string()).push(by_key);
        for job in jobs {
            let about = if job.content.about() == job.key.as_str() { "" } else { job.content.about() };
            call.push(job.key.as_str())
                .push(&job.content.hash()[..])
                .push(job.content.text())
                .push(job.run_at.unwrap_or_default().0)
                .push(about)
                .push(job.callback_url.as_deref().unwrap_or_default())
                .push(job.trace.as_ref().map(TraceParent::as_str).unwrap_or_default());
        }
        let replies: Vec<String> = call.run(self).await?;
        replies.iter().map(|reply| submission(reply)).collect()
    }
}

fn lanes_of(jobs: &[Job]) -> Vec<&Lane> {
    let mut lanes: Vec<&Lane> = jobs.iter().map(|job| &job.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

fn submission(reply: &str) -> Result<Submission, StoreError> {
    match reply.split_once(' ') {
        None if reply == "new" => Ok(Submission::New),
        Some(("existing", state)) => state_of(state).map(Submission::Existing).ok_or_else(|| unreadable(reply)),
        Some(("conflict", first)) => Ok(Submission::Conflict { first: first.to_owned() }),
        _ => Err(unreadable(reply)),
    }
}

fn unreadable(word: &str) -> StoreError {
    StoreError::Unreadable { what: "the reply of submit".into(), detail: format!("{word:?} is no answer") }
}

/// A reply that must be one of a few words.
pub(crate) fn word_of<T>(what: &'static str, value: &redis::Value, words: &[(&str, T)]) -> Result<T, StoreError>
where
    T: Copy,
{
    let text = String::from_redis_value(value.clone()).unwrap_or_default();
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| StoreError::Unreadable {
        what: format!("the reply of {what}"),
        detail: format!("{text:?} is no answer"),
    })
}
