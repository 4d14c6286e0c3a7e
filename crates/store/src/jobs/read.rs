//! Reading jobs. No list fails because of one record: a record that this build cannot read is reported as such.

use bursar_domain::{HistoryEvent, Key, Millis, Outcome, Queue, Reason, State};
use redis::Pipeline;

use super::apply::member_end;
use super::keys::QueueKeys;
use super::overlay::{ClaimEntry, Era};
use super::record::{StoredJob, Unreadable};
use super::rows::Row;
use crate::Store;
use crate::StoreError;
use crate::reply::score;

/// A job as Redis has it.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredAs {
    /// It can be read.
    Job(Box<JobRecord>),
    /// It cannot, by this build.
    Unreadable {
        /// Its key.
        key: Key,
        /// The reason.
        why: Unreadable,
    },
}

/// One job: its record combined with its claim.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRecord {
    /// Account and kind.
    pub queue: Queue,
    /// The key.
    pub key: Key,
    /// State.
    pub state: State,
    /// SHA-256 of the content; of a tombstone, its first half.
    pub hash: Vec<u8>,
    /// The time at which it was accepted; `None` for a tombstone.
    pub created: Option<Millis>,
    /// The time of its last change.
    pub updated: Option<Millis>,
    /// The fence of its last claim.
    pub fence: u64,
    /// Sends.
    pub sends: u32,
    /// Sends while an earlier might have executed.
    pub resends: u32,
    /// Queries.
    pub queries: u32,
    /// Claims whose worker was lost.
    pub claims_lost: u32,
    /// The first intent to send.
    pub first_sent: Option<Millis>,
    /// The last intent to send.
    pub last_sent: Option<Millis>,
    /// The time of the last call that an operator ordered.
    pub ordered: Option<Millis>,
    /// The worker that has claimed it.
    pub worker: Option<String>,
    /// The bytes that it sends; `None` for a tombstone.
    pub content: Option<String>,
    /// The gateway's numbers, newest last.
    pub trade_nos: Vec<String>,
    /// The gateway's status as it wrote it.
    pub gateway_status: Option<String>,
    /// The reason for its state.
    pub reason: Option<Reason>,
    /// The outcome of a late response.
    pub late_outcome: Option<Outcome>,
    /// The URL for its webhooks.
    pub callback_url: Option<String>,
    /// The time of its next call, past if it is due; for a claimed job, the end of the lease.
    pub due: Option<Millis>,
    /// The newest events, oldest first, that the record itself has.
    pub recent: Vec<HistoryEvent>,
    /// The texts that were read, for a write based on them.
    pub(crate) seen: Seen,
}

/// The texts of a claim and a record as they were read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) claim: String,
    pub(crate) record: String,
    pub(crate) stored: StoredJob,
    /// The record in the queue's present era.
    pub(crate) found: StoredJob,
}

impl Store {
    /// One job, `None` when there is none by that key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, queue: &Queue, key: &Key) -> Result<Option<StoredAs>, StoreError> {
        Ok(self.jobs(queue, std::slice::from_ref(key)).await?.pop())
    }

    /// The jobs by these keys, without those that do not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self, queue: &Queue, keys: &[Key]) -> Result<Vec<StoredAs>, StoreError> {
        let mut jobs: Vec<StoredAs> = self.read_each(queue, keys).await?.into_iter().flatten().collect();
        self.find_due_sends(queue, &mut jobs).await?;
        Ok(jobs)
    }

    /// The jobs of some rows of a set, without those that do not exist.
    pub(crate) async fn jobs_of_rows(
        &self,
        queue: &Queue,
        set: &str,
        rows: &[Row],
    ) -> Result<Vec<(Row, StoredAs)>, StoreError> {
        let (rows, keys): (Vec<&Row>, Vec<Key>) = rows.iter().filter_map(|row| Some((row, row.key()?))).unzip();
        let jobs = self.read_each(queue, &keys).await?;
        let found = rows.into_iter().zip(jobs).filter_map(|(row, job)| {
            let mut job = job?;
            if let StoredAs::Job(job) = &mut job {
                match set {
                    "due_sends" => job.due = Some(row.score.time()),
                    "sends" => job.due = job.seen.stored.due_since(),
                    _ => {}
                }
            }
            Some((row.clone(), job))
        });
        Ok(found.collect())
    }

    /// The jobs with these keys, in order; `None` for those that do not exist. The due times of sends are left open.
    async fn read_each(&self, queue: &Queue, keys: &[Key]) -> Result<Vec<Option<StoredAs>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        // Claims first: if a claim ends in between, the record read afterwards includes its end, and has its token.
        pipeline.cmd("HMGET").arg(queue_keys.set("claims"));
        for key in keys {
            pipeline.arg(key.as_str());
        }
        pipeline.cmd("HMGET").arg(queue_keys.queue_hash()).arg("era").arg("resumed").arg("resumed_at");
        pipeline.cmd("MGET");
        for key in keys {
            pipeline.arg(queue_keys.job(key));
        }
        pipeline.cmd("ZMSCORE").arg(queue_keys.set("due_queries"));
        for key in keys {
            pipeline.arg(key.as_str());
        }
        type Texts = Vec<Option<Vec<u8>>>; // they need not be UTF-8
        let (claims, era, records, dues): (Texts, EraFields, Texts, Vec<Option<f64>>) =
            self.query("MGET", &pipeline).await?;
        let era = era_of(era);
        let mut jobs: Vec<Option<StoredAs>> = Vec::with_capacity(keys.len());
        for (((key, claim), text), due) in keys.iter().zip(claims).zip(records).zip(dues) {
            jobs.push(text.map(|text| {
                let (claim, text) = (lossy(claim.unwrap_or_default()), lossy(text));
                match record(queue, key, (claim, text), due.map(score), era) {
                    Ok(job) => StoredAs::Job(Box::new(job)),
                    Err(why) => StoredAs::Unreadable { key: key.clone(), why },
                }
            }));
        }
        self.find_foreign(queue, keys, &mut jobs).await?;
        Ok(jobs)
    }

    /// A key of another type has no text, and exists all the same.
    async fn find_foreign(&self, queue: &Queue, keys: &[Key], jobs: &mut [Option<StoredAs>]) -> Result<(), StoreError> {
        let missing: Vec<(&Key, &mut Option<StoredAs>)> =
            keys.iter().zip(jobs).filter(|(_, job)| job.is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        for (key, _) in &missing {
            pipeline.cmd("TYPE").arg(queue_keys.job(key));
        }
        let types: Vec<String> = self.query("TYPE", &pipeline).await?;
        for ((key, job), kind) in missing.into_iter().zip(types) {
            // A text was written since it was looked for.
            if !matches!(kind.as_str(), "none" | "string") {
                let why = Unreadable::Damaged(format!("its key holds a {kind}"));
                *job = Some(StoredAs::Unreadable { key: key.clone(), why });
            }
        }
        Ok(())
    }

    /// The due times of the sends among these.
    async fn find_due_sends(&self, queue: &Queue, jobs: &mut [StoredAs]) -> Result<(), StoreError> {
        let waiting: Vec<&mut JobRecord> = jobs
            .iter_mut()
            .filter_map(|job| match job {
                StoredAs::Job(job) if job.due.is_none() && job.waits() => Some(&mut **job),
                StoredAs::Job(_) | StoredAs::Unreadable { .. } => None,
            })
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        for set in ["due_sends", "sends"] {
            pipeline.cmd("ZMSCORE").arg(queue_keys.set(set));
            for job in &waiting {
                pipeline.arg(format!("{}{}", job.key, member_end(&job.seen.stored.fair_group)));
            }
        }
        let (later, ranked): (Vec<Option<f64>>, Vec<Option<f64>>) = self.query("ZMSCORE", &pipeline).await?;
        for ((job, later), ranked) in waiting.into_iter().zip(later).zip(ranked) {
            job.due = later.map(score).or_else(|| ranked.and_then(|_| job.seen.stored.due_since()));
        }
        Ok(())
    }

    /// A job's history, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, job: &JobRecord) -> Result<Vec<HistoryEvent>, StoreError> {
        let lines = self.history_list(&self.queues.of(&job.queue), job.key.as_str()).await?;
        let mut events: Vec<HistoryEvent> = lines.iter().map(|line| HistoryEvent::read(line)).collect();
        events.extend(job.recent.iter().cloned());
        events.sort_by_key(|event| event.at().unwrap_or_default()); // stable: events of the same time stay in order
        Ok(events)
    }

    /// The lines in the list of a job's or a notification's history, oldest first.
    pub(crate) async fn history_list(&self, queue_keys: &QueueKeys, key: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.lrange(queue_keys.of_key("history", key), 0, -1);
        let (lines,) = self.query("LRANGE", &pipeline).await?;
        Ok(lines)
    }
}

/// The era fields of a queue's hash: `era`, `resumed`, `resumed_at`.
pub(crate) type EraFields = (Option<u64>, Option<u64>, Option<u64>);

pub(crate) fn era_of((number, resumed, resumed_at): EraFields) -> Era {
    Era { number: number.unwrap_or(0), resumed: resumed.unwrap_or(0), resumed_at: Millis(resumed_at.unwrap_or(0)) }
}

/// Bytes that are no UTF-8 are no record, and no list fails because of them.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl StoredAs {
    /// The job's key.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Job(job) => &job.key,
            Self::Unreadable { key, .. } => key,
        }
    }

    /// The job, for a caller that can do nothing without it.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] that names the job of this queue.
    pub fn readable(self, queue: &Queue) -> Result<JobRecord, StoreError> {
        match self {
            Self::Job(job) => Ok(*job),
            Self::Unreadable { key, why } => {
                Err(StoreError::Unreadable { what: format!("job {key} in {queue}"), detail: why.to_string() })
            }
        }
    }
}

impl JobRecord {
    /// True if it waits for a call.
    const fn waits(&self) -> bool {
        match self.state {
            State::Queued | State::InDoubt | State::Pending => true,
            State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled => false,
        }
    }
}

impl StoredJob {
    /// The time since which a job in the fair order is due. After its first claim the exact time is unknown, but not
    /// before its last change.
    pub(crate) fn due_since(&self) -> Option<Millis> {
        if self.last_claim.is_empty() { self.run_at.max(self.created_at) } else { self.updated_at }
    }
}

/// A job from its claim and its record. If this build cannot read the claim, the job may be being sent.
pub(crate) fn record(
    queue: &Queue,
    key: &Key,
    (claim, text): (String, String),
    due: Option<Millis>,
    era: Era,
) -> Result<JobRecord, Unreadable> {
    let stored = StoredJob::read(&text)?;
    let current_claim = stored.current_claim(ClaimEntry::of(&claim)?);
    let laid = stored.clone().seen_under(current_claim.as_ref(), era);
    Ok(JobRecord {
        queue: queue.clone(),
        key: key.clone(),
        state: laid.state,
        hash: laid.hash.0,
        created: laid.created_at,
        updated: laid.updated_at.or(laid.created_at),
        fence: laid.fence,
        sends: laid.sends,
        resends: laid.resends,
        queries: laid.queries,
        claims_lost: laid.claims_lost,
        first_sent: laid.first_sent_at,
        last_sent: laid.last_sent_at,
        ordered: laid.ordered_at,
        worker: current_claim.as_ref().map(|claim| claim.worker().to_owned()),
        content: laid.content.map(|content| content.text().to_owned()),
        trade_nos: laid.trade_nos,
        gateway_status: laid.gateway_status,
        reason: laid.reason,
        late_outcome: laid.late_outcome,
        callback_url: laid.callback_url,
        due,
        recent: laid.history,
        seen: Seen { claim, record: text, found: stored.clone().in_era(era), stored },
    })
}
