//! Reading jobs. No list fails because of one record: what this build cannot read is named as such.

use bursar_domain::{Answer, HistoryEvent, Key, Lane, Millis, Reason, State};
use redis::{Pipeline, Value};

use super::Jobs;
use super::overlay::{ClaimEntry, Era};
use super::record::{StoredJob, Unreadable};
use crate::StoreError;
use crate::read::{from_reply, score};

/// A job as Redis has it.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredAs {
    /// It can be read.
    Job(Box<JobRecord>),
    /// It cannot, by this build.
    Unreadable {
        /// Its key.
        key: Key,
        /// Why.
        why: Unreadable,
    },
}

/// One job: its record with the claim that stands laid over it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRecord {
    /// Account and kind.
    pub lane: Lane,
    /// The key.
    pub key: Key,
    /// State.
    pub state: State,
    /// SHA-256 of the content; of a tombstone, its first half.
    pub hash: Vec<u8>,
    /// When it was accepted; `None` for a tombstone.
    pub created: Option<Millis>,
    /// When it last changed.
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
    /// When an operator last ordered a call.
    pub ordered: Option<Millis>,
    /// Who has claimed it.
    pub worker: Option<String>,
    /// The bytes that it sends; `None` for a tombstone.
    pub content: Option<String>,
    /// The gateway's numbers, newest last.
    pub trade_nos: Vec<String>,
    /// The gateway's status as it wrote it.
    pub gateway_status: Option<String>,
    /// Why it is where it is.
    pub reason: Option<Reason>,
    /// What a response said that came too late.
    pub late_outcome: Option<Answer>,
    /// Where its end is to be reported.
    pub callback_url: Option<String>,
    /// When it is looked at next; while it is claimed, when the lease ends.
    pub due: Option<Millis>,
    /// The newest events, oldest first, that the record itself has.
    pub recent: Vec<HistoryEvent>,
    /// What was read, for a write that is made of it.
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

impl Jobs {
    /// One job, `None` when there is none by that key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, lane: &Lane, key: &Key) -> Result<Option<StoredAs>, StoreError> {
        Ok(self.jobs(lane, std::slice::from_ref(key)).await?.pop())
    }

    /// The jobs by these keys, without those that do not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self, lane: &Lane, keys: &[Key]) -> Result<Vec<StoredAs>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let queue = self.keys.of(lane);
        let mut pipeline = Pipeline::new();
        // Claims first: one that ends in between is told by the record itself, which then has its token.
        pipeline.cmd("HMGET").arg(queue.set("claims"));
        for key in keys {
            pipeline.arg(key.as_str());
        }
        pipeline.cmd("HMGET").arg(queue.queue_hash()).arg("era").arg("resumed").arg("resumed_at");
        for key in keys {
            pipeline.get(queue.job(key));
            pipeline.zscore(queue.set("due_queries"), key.as_str());
        }
        let mut replies: Vec<Value> = self.store.query("GET", &pipeline).await?;
        let rows = replies.split_off(2.min(replies.len()));
        let claims: Vec<Option<String>> = from_reply("HMGET", replies.first())?;
        let (era, resumed, resumed_at): (Option<u64>, Option<u64>, Option<u64>) = from_reply("HMGET", replies.get(1))?;
        let era = Era {
            number: era.unwrap_or(0),
            resumed: resumed.unwrap_or(0),
            resumed_at: Millis(resumed_at.unwrap_or(0)),
        };
        let mut jobs = Vec::with_capacity(keys.len());
        for ((key, claim), row) in keys.iter().zip(claims).zip(rows.chunks(2)) {
            let text: Option<String> = from_reply("GET", row.first())?;
            let due: Option<f64> = from_reply("ZSCORE", row.get(1))?;
            let Some(text) = text else { continue };
            let claim = claim.unwrap_or_default();
            jobs.push(match StoredJob::read(&text) {
                Ok(stored) => StoredAs::Job(Box::new(record(lane, key, stored, (claim, text), due.map(score), era))),
                Err(why) => StoredAs::Unreadable { key: key.clone(), why },
            });
        }
        Ok(jobs)
    }

    /// A job's history, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, job: &JobRecord) -> Result<Vec<HistoryEvent>, StoreError> {
        let queue = self.keys.of(&job.lane);
        let mut pipeline = Pipeline::new();
        pipeline.lrange(queue.history(&job.key), 0, -1);
        let (lines,): (Vec<Vec<u8>>,) = self.store.query("LRANGE", &pipeline).await?;
        let mut events: Vec<HistoryEvent> = lines.iter().map(|line| HistoryEvent::read(line)).collect();
        events.extend(job.recent.iter().cloned());
        events.sort_by_key(|event| event.at().unwrap_or_default()); // stable: what has one time stays in order
        Ok(events)
    }
}

fn record(
    lane: &Lane,
    key: &Key,
    stored: StoredJob,
    (claim, text): (String, String),
    due: Option<Millis>,
    era: Era,
) -> JobRecord {
    let standing = stored.standing(ClaimEntry::read(&claim));
    let laid = stored.clone().seen_under(standing.as_ref(), era);
    JobRecord {
        lane: lane.clone(),
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
        worker: standing.as_ref().map(|claim| claim.worker().to_owned()),
        content: laid.content.map(|content| content.text().to_owned()),
        trade_nos: laid.trade_nos,
        gateway_status: laid.gateway_status,
        reason: laid.reason,
        late_outcome: laid.late_outcome,
        callback_url: laid.callback_url,
        due,
        recent: laid.history,
        seen: Seen { claim, record: text, found: stored.clone().in_era(era), stored },
    }
}
