//! The import from apalis-redis 1.0: reads waiting tasks, removes them once the store has them, and stores the refused
//! ones as dead letters.

use std::collections::HashMap;
use std::time::Duration;

use bursar_domain::{MAX_JOB_BYTES, Millis};
use redis::Pipeline;

use crate::jobs::whole_millis;
use crate::keys::Keys;
use crate::reply::only;
use crate::{Operator, Store, StoreError};

/// Tasks read in one step: a bound on the time that it blocks Redis. Larger steps were not faster.
pub const MAX_TASKS: usize = 256;

/// The bytes of payloads at which a step ends.
const ENOUGH_BYTES: usize = 1024 * 1024;

/// The time for which a worker locks a queue to import from it: longer than a step, short enough for the case that the
/// worker dies.
const TURN: Duration = Duration::from_secs(2);

/// Operators' acts kept for each queue, about.
const ACTS_KEPT: u32 = 1_000;

/// One task that waits in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its producer's or apalis' name for it.
    pub id: Vec<u8>,
    /// The time at which it is to run, by its producer's clock; `None` if that is no valid time.
    pub run_at: Option<Millis>,
    /// Its payload.
    pub payload: Payload,
    token: String,
    run_at_text: String,
}

/// The payload of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// None: the task's id is in the queue, and its payload is missing.
    Missing,
    /// More bytes than any job has; they were not read.
    TooLong(u64),
}

/// The verdict on a task's job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The store has it.
    Accepted,
    /// The store refuses it, for this reason: it becomes a dead letter.
    Refused(String),
}

/// The result of removing tasks. The counts are lower than requested if another process removed some of them meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Taken out of the queue.
    pub tasks: u64,
    /// Of these, dead letters.
    pub dead_letters: u64,
}

/// A queue at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportStatus {
    /// Tasks that wait to be taken.
    pub waiting: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// A task that became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number within its queue.
    pub number: u64,
    /// The task's id.
    pub id: Vec<u8>,
    /// The reason for which the store refused it.
    pub why: String,
    /// The time of the refusal.
    pub at: Millis,
    /// The time at which it was to run; `None` if that is no valid time.
    pub run_at: Option<Millis>,
    /// The length of its payload, in bytes.
    pub bytes: u64,
}

/// An operator's action on a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The time.
    pub at: Millis,
    /// The number that it had.
    pub number: String,
    /// The task's id.
    pub id: String,
    /// `submitted` or `dropped`.
    pub did: String,
    /// The operator and the reason.
    pub why: String,
}

/// The end of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// The store has its job now.
    Submitted,
    /// It is thrown away.
    Dropped,
}

impl DeadLetterAction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Dropped => "dropped",
        }
    }
}

impl Store {
    /// The first waiting tasks of `queue`, at most [`MAX_TASKS`], due or not: the store waits for their time itself.
    /// None while a worker other than `worker` has locked the queue.
    ///
    /// # Errors
    /// [`StoreError`]: look again.
    pub async fn waiting_tasks(&self, queue: &str, worker: &str) -> Result<Vec<Task>, StoreError> {
        let mut call = self.scripts.import_peek.on_queue(&Keys::queue(queue));
        call.push(self.keys.import(queue))
            .push(worker)
            .push(whole_millis(TURN))
            .push(MAX_TASKS)
            .push(MAX_JOB_BYTES)
            .push(ENOUGH_BYTES);
        let replies: Vec<Reply> = call.run(self).await?;
        Ok(replies.into_iter().map(task).collect())
    }

    /// Removes tasks from `queue`; the refused ones become dead letters. Safe to repeat: removed tasks are skipped.
    ///
    /// # Errors
    /// [`StoreError`]: they may have been taken.
    pub async fn take_tasks(&self, queue: &str, tasks: &[(Task, Verdict)]) -> Result<Taken, StoreError> {
        let mut call = self.scripts.import_take.on_queue(&Keys::queue(queue));
        call.push(self.keys.import(queue));
        for (task, verdict) in tasks {
            let why = match verdict {
                Verdict::Accepted => "",
                Verdict::Refused(why) => why,
            };
            call.push(&task.id[..]).push(&task.token).push(&task.run_at_text).push(why);
        }
        let (tasks, dead_letters) = call.run(self).await?;
        Ok(Taken { tasks, dead_letters })
    }

    /// The number of waiting tasks in a queue, and of its dead letters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import_status(&self, queue: &str) -> Result<ImportStatus, StoreError> {
        only(self.import_statuses(&[queue.to_owned()]).await?)
    }

    /// A queue's dead letters, oldest first, from number `from` on, `limit` at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letters(&self, queue: &str, from: u64, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let ours = self.keys.import(queue);
        let mut pipeline = Pipeline::new();
        pipeline.zrangebyscore_limit(
            format!("{ours}dead_letters"),
            from,
            "+inf",
            0,
            isize::try_from(limit.min(crate::MAX_BATCH)).unwrap_or_default(),
        );
        let (numbers,): (Vec<u64>,) = self.query("ZRANGEBYSCORE", &pipeline).await?;
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for number in &numbers {
            let entry = format!("{ours}dead_letter:{number}");
            pipeline.cmd("HMGET").arg(&entry).arg(&["id", "why", "at", "run_at"]);
            pipeline.cmd("HSTRLEN").arg(&entry).arg("payload");
        }
        let replies: Vec<redis::Value> = self.query("HMGET", &pipeline).await?;
        let mut entries = Vec::with_capacity(numbers.len());
        for (number, reply) in numbers.into_iter().zip(replies.chunks(2)) {
            type Fields = (Option<Vec<u8>>, Option<Vec<u8>>, Option<u64>, Option<String>);
            let (id, why, at, run_at): Fields = crate::reply::from_reply("HMGET", reply.first())?;
            let Some(id) = id else { continue }; // settled since its number was read
            entries.push(DeadLetter {
                number,
                id,
                why: String::from_utf8_lossy(&why.unwrap_or_default()).into_owned(),
                at: Millis(at.unwrap_or_default()),
                run_at: moment(&run_at.unwrap_or_default()),
                bytes: crate::reply::from_reply("HSTRLEN", reply.get(1))?,
            });
        }
        Ok(entries)
    }

    /// The payload of the dead letter with this `number`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letter_payload(&self, queue: &str, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.hget(format!("{}dead_letter:{number}", self.keys.import(queue)), "payload");
        let (payload,): (Option<Vec<u8>>,) = self.query("HGET", &pipeline).await?;
        Ok(payload)
    }

    /// Ends the dead letter with this `number` for an operator, and records the action. `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn settle_dead_letter(
        &self,
        queue: &str,
        number: u64,
        act: DeadLetterAction,
        operator: Operator<'_>,
    ) -> Result<bool, StoreError> {
        let mut call = self.scripts.import_resolve.on_queue(&self.keys.import(queue));
        call.push(number).push(act.as_str()).push(words(operator)).push(ACTS_KEPT);
        let since = self.since();
        let settled: u8 = call.run(self).await?;
        self.kept(since).await?;
        Ok(settled == 1)
    }

    /// Operators' actions on a queue's dead letters, newest first, at most `limit`; about a thousand actions are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settled_dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<Settled>, StoreError> {
        let mut pipeline = Pipeline::new();
        let acts = format!("{}actions", self.keys.import(queue));
        pipeline.cmd("XREVRANGE").arg(acts).arg("+").arg("-").arg("COUNT").arg(limit.min(crate::MAX_BATCH));
        let (entries,): (Vec<(String, Vec<String>)>,) = self.query("XREVRANGE", &pipeline).await?;
        Ok(entries.into_iter().map(settled).collect())
    }
}

/// The longest operator and reason that are kept, in characters.
const MAX_WORDS_CHARS: usize = 200;

fn words(operator: Operator<'_>) -> String {
    format!("{}: {}", operator.who, operator.why).chars().take(MAX_WORDS_CHARS).collect()
}

/// Id, run time, token, length and bytes of the payload.
type Reply = (Vec<u8>, String, String, i64, Vec<u8>);

/// One entry of the stream of acts.
fn settled((moment, words): (String, Vec<String>)) -> Settled {
    let at = moment.split('-').next().and_then(|millis| millis.parse().ok()).map_or(Millis(0), Millis);
    let mut words: HashMap<String, String> =
        words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let mut word = |name| words.remove(name).unwrap_or_default();
    Settled { at, number: word("number"), id: word("id"), did: word("did"), why: word("why") }
}

fn task((id, run_at_text, token, bytes, payload): Reply) -> Task {
    let longest = i64::try_from(MAX_JOB_BYTES).unwrap_or(i64::MAX);
    let payload = match u64::try_from(bytes) {
        Err(_) => Payload::Missing,
        Ok(length) if bytes > longest => Payload::TooLong(length),
        Ok(_) => Payload::Bytes(payload),
    };
    Task { id, run_at: moment(&run_at_text), payload, token, run_at_text }
}

/// A valid calendar time: a task whose time was given in milliseconds would be fifty thousand years ahead.
fn moment(text: &str) -> Option<Millis> {
    text.parse().ok().map(Millis).filter(|at| Millis::parse_rfc3339(&at.rfc3339()) == Some(*at))
}
