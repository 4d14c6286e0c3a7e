//! The import from apalis-redis: a task that a stock `RedisStorage` producer pushed is stored first, and removed from
//! the producer's queue only then. If the worker dies in between, the task is submitted again, which makes no second
//! job.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountRules, Job, MAX_DAYS_AHEAD, MAX_JOB_BYTES, Millis, is_too_far_ahead};
use bursar_store::{
    DeadLetter, DeadLetterAction, Operator, Payload, Store, StoreError, Submission, Task, Unreadable, Verdict,
    crash_point,
};
use bursar_telemetry::{Metrics, RedisOperation};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::redis_backoff::RedisBackoff;
use crate::redis_health::RedisHealth;

/// The first and the longest pause between reads of a queue. apalis-redis 1.0 sends no message for a pushed task: it
/// only adds the task to its schedule. Two reads a second cost Redis about 10 µs each.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// The queues to import from, with the accounts' rules.
#[derive(Clone, Debug)]
pub struct Import {
    /// Unique per process start, as the worker's name is.
    pub name: String,
    /// The queues' names, as their producers configure them.
    pub queues: Vec<String>,
    /// The rules of every configured account, by its name. They may be replaced at any time.
    pub accounts: watch::Receiver<HashMap<String, AccountRules>>,
    /// The worker's metrics.
    pub metrics: Arc<Metrics>,
}

impl Import {
    /// Imports tasks from the queues until `drain`. Redis errors never end it.
    pub async fn run(&self, store: &Store, drain: &CancellationToken) {
        join_all(self.queues.iter().map(|queue| self.follow(store, queue, drain))).await;
    }

    async fn follow(&self, store: &Store, queue: &str, drain: &CancellationToken) {
        let mut backoff = RedisBackoff::new(RedisOperation::Taking, RedisHealth::now(Arc::clone(&self.metrics)));
        let (first, longest) = LOOKS;
        let (mut pause, mut unread) = (first, HashSet::new());
        while !drain.is_cancelled() {
            match self.step(store, queue, &mut unread).await {
                Ok(0) => {
                    backoff.over();
                    drain.run_until_cancelled(tokio::time::sleep(pause)).await;
                    pause = (pause * 2).min(longest);
                }
                Ok(_) => {
                    backoff.over();
                    pause = first;
                }
                Err(error) => backoff.wait(&error).await,
            }
        }
    }

    /// Retries a dead letter for an operator; it stays one if it is refused again.
    ///
    /// # Errors
    /// [`StoreError`]: try again. Its job may have been accepted.
    pub async fn retry(
        &self,
        store: &Store,
        queue: &str,
        dead_letter: &DeadLetter,
        operator: Operator<'_>,
    ) -> Result<Verdict, StoreError> {
        let payload =
            store.dead_letter_payload(queue, dead_letter.number).await?.map_or(Payload::Missing, Payload::Bytes);
        let job = match read(&payload, dead_letter.run_at, &self.accounts.borrow()) {
            Ok(job) => job,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let submitted = store.submit(std::slice::from_ref(&job)).await?;
        let verdict = submitted.into_iter().map(|submission| verdict(&job, submission)).next();
        let verdict = verdict.unwrap_or_else(|| Err("it was not answered".into())); // one answer per job
        let verdict = verdict.unwrap_or_else(Verdict::Refused);
        if verdict == Verdict::Accepted {
            store.settle_dead_letter(queue, dead_letter.number, DeadLetterAction::Submitted, operator).await?;
        }
        Ok(verdict)
    }

    /// One bounded step; returns the number of tasks with a verdict. The `unread` tasks stay in the queue, because the
    /// records of their jobs cannot be read.
    async fn step(&self, store: &Store, queue: &str, unread: &mut HashSet<Vec<u8>>) -> Result<usize, StoreError> {
        let tasks = store.waiting_tasks(queue, &self.name).await?;
        let (mut judged, mut left) = (Vec::with_capacity(tasks.len()), HashSet::new());
        for (task, verdict) in tasks.iter().zip(self.submit(store, &tasks).await?) {
            match verdict {
                Ok(verdict) => judged.push((task.clone(), verdict)),
                Err(why) => {
                    if !unread.contains(&task.id) {
                        tracing::warn!(queue, "a task stays in its queue: {why}");
                    }
                    left.insert(task.id.clone());
                }
            }
        }
        *unread = left;
        if judged.is_empty() {
            return Ok(0);
        }
        crash_point("before_take");
        let taken = store.take_tasks(queue, &judged).await?;
        crash_point("after_take");
        if taken.dead_letters > 0 {
            tracing::warn!(
                queue,
                dead_letters = taken.dead_letters,
                "a pushed task is no valid job and is a dead letter: see `bursar import list`"
            );
        }
        Ok(judged.len())
    }

    /// Submits the tasks' jobs through the producer; returns a verdict for each, in order, or the reason why there is
    /// none.
    async fn submit(&self, store: &Store, tasks: &[Task]) -> Result<Vec<Result<Verdict, String>>, StoreError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut jobs = Vec::with_capacity(tasks.len());
        let mut refusals = Vec::with_capacity(tasks.len());
        for task in tasks {
            match read(&task.payload, task.run_at, &self.accounts.borrow()) {
                Ok(job) => {
                    jobs.push(job);
                    refusals.push(None);
                }
                Err(why) => refusals.push(Some(why)),
            }
        }
        let submitted = store.submit(&jobs).await?;
        let mut verdicts = jobs.iter().zip(submitted).map(|(job, submission)| verdict(job, submission));
        let refused =
            |refusal: Option<String>| refusal.map(|why| Ok(Verdict::Refused(why))).or_else(|| verdicts.next());
        Ok(refusals.into_iter().filter_map(refused).collect())
    }
}

/// The job in a task, with the task's time as its earliest time; or every rule that it breaks, as text.
fn read(payload: &Payload, run_at: Option<Millis>, accounts: &HashMap<String, AccountRules>) -> Result<Job, String> {
    let bytes = match payload {
        Payload::Bytes(bytes) => bytes,
        Payload::Missing => return Err("the task has no payload".into()),
        Payload::TooLong(bytes) => {
            return Err(format!("job must be at most {MAX_JOB_BYTES} bytes of JSON: it has {bytes}"));
        }
    };
    let Some(run_at) = run_at else {
        return Err("the task's run time is none: it is given in seconds since 1970".into());
    };
    if is_too_far_ahead(run_at) {
        return Err(format!("the task's run time must be at most {MAX_DAYS_AHEAD} days ahead, in seconds since 1970"));
    }
    let mut job = Job::parse(bytes, |name| accounts.get(name).copied()).map_err(|invalid| invalid.to_string())?;
    job.run_at = job.run_at.max(Some(run_at));
    Ok(job)
}

/// The verdict on the task from its job's submission.
///
/// # Errors
/// The reason why it is unknown whether the store has the job.
fn verdict(job: &Job, submission: Submission) -> Result<Verdict, String> {
    let name = format!("{} {}", job.queue, job.key);
    Ok(match submission {
        Submission::New | Submission::Existing(_) => Verdict::Accepted,
        Submission::Conflict { first, .. } if first == job.key.as_str() => {
            Verdict::Refused(format!("{name} was submitted before with other content"))
        }
        Submission::Conflict { first, .. } => {
            Verdict::Refused(format!("{name} has the same business key as {first}, which was submitted first"))
        }
        // A worker of a newer build can read it.
        Submission::Unreadable(why @ Unreadable::Newer { .. }) => {
            return Err(format!("{name} exists, but its record cannot be read: {why}"));
        }
        Submission::Unreadable(why @ Unreadable::Damaged(_)) => Verdict::Refused(format!(
            "{name} exists, but its record cannot be read: {why}; retry this when it is mended"
        )),
    })
}
