//! Reading jobs, and how many a lane has.

use std::collections::HashMap;

use bursar_domain::{JobView, Key, Lane, LaneView, Millis, Reason, State};
use redis::{Pipeline, Value};

use crate::record::pieces;
use crate::{Record, Store, StoreError};

/// Jobs of each set that a count of those in doubt looks at: about a millisecond of Redis.
pub const LOOKED_AT: usize = 1_000;

/// A lane at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// Waiting to be sent.
    pub to_send: u64,
    /// Waiting to be asked about, or held by a worker.
    pub to_ask: u64,
    /// Waiting for a person.
    pub review: u64,
    /// Ended, and not yet reduced to a tombstone.
    pub done: u64,
    /// With something that its producer is still to be told.
    pub to_tell: u64,
    /// Keys put aside because no record could be read.
    pub orphans: u64,
    /// The earliest due time.
    pub next_due: Option<Millis>,
    /// When this was so, in Redis time.
    pub now: Millis,
    /// The earliest due time of a send.
    pub next_send: Option<Millis>,
    /// The earliest due time of an ask.
    pub next_ask: Option<Millis>,
    /// Who paused it and why, if it is paused.
    pub paused: Option<Reason>,
    /// For each worker whose circuit is open here, when it probes, or has begun to: until one succeeds it sends nothing else.
    pub circuits_open: Vec<Millis>,
}

impl LaneStatus {
    /// Jobs that have not ended.
    #[must_use]
    pub fn open_jobs(&self) -> u64 {
        self.to_send + self.to_ask + self.review
    }

    /// The lane as outsiders read it.
    #[must_use]
    pub fn view(&self, lane: &Lane) -> LaneView {
        LaneView {
            lane: lane.to_string(),
            account: lane.account.to_string(),
            kind: lane.kind.to_string(),
            to_send: self.to_send,
            to_ask: self.to_ask,
            review: self.review,
            done: self.done,
            to_tell: self.to_tell,
            orphans: self.orphans,
            next_due: JobView::time(self.next_due),
            paused: self.paused.clone(),
            circuits_open: self.circuits_open.len(),
        }
    }
}

/// Every set that a job can stand in, in the order of a job's life.
pub(crate) const SETS: [&str; 4] = ["to_send", "to_ask", "review", "done"];

impl Store {
    /// One job, `None` when there is none by that key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, lane: &Lane, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.jobs(lane, std::slice::from_ref(key)).await?.pop())
    }

    /// The jobs by these keys, without those that do not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self, lane: &Lane, keys: &[Key]) -> Result<Vec<Record>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        // Claims first: one that ends in between is told by the record itself, which then has its fence.
        pipeline.add_command(self.held(lane, keys.iter().map(Key::as_str)));
        pipeline.hget(self.keys.set(lane, "lane"), "era");
        for key in keys {
            pipeline.hgetall(self.keys.job(lane, key.as_str()));
            pipeline.zscore(self.keys.set(lane, "to_send"), key.as_str());
            pipeline.zscore(self.keys.set(lane, "to_ask"), key.as_str());
        }
        let (held, era, replies) = parted(self.query("HGETALL", &pipeline).await?)?;
        let mut records = Vec::with_capacity(keys.len());
        for ((key, held), reply) in keys.iter().zip(held).zip(replies.chunks(3)) {
            let fields: HashMap<String, Vec<u8>> = from_reply("HGETALL", reply.first())?;
            let to_send: Option<f64> = from_reply("ZSCORE", reply.get(1))?;
            let to_ask: Option<f64> = from_reply("ZSCORE", reply.get(2))?;
            records.extend(Record::read(lane, key, fields, held.as_deref(), to_send.or(to_ask).map(score), era)?);
        }
        Ok(records)
    }

    /// The bytes that a job sends; `None` after its detail has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn content(&self, lane: &Lane, key: &Key) -> Result<Option<String>, StoreError> {
        Ok(self.contents(lane, std::slice::from_ref(key)).await?.pop().flatten())
    }

    /// The bytes that these jobs send, in the order of the keys; `None` after a job's detail has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contents(&self, lane: &Lane, keys: &[Key]) -> Result<Vec<Option<String>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for key in keys {
            pipeline.hgetall(self.keys.job(lane, key.as_str())).get(self.keys.body(lane, key.as_str()));
        }
        let replies: Vec<redis::Value> = self.query("HGETALL", &pipeline).await?;
        let mut contents = Vec::with_capacity(keys.len());
        for (key, reply) in keys.iter().zip(replies.chunks(2)) {
            let fields: HashMap<String, Vec<u8>> = from_reply("HGETALL", reply.first())?;
            let long: Option<Vec<u8>> = from_reply("GET", reply.get(1))?;
            let content = pieces(&fields, "").or(long).map(String::from_utf8).transpose();
            contents.push(content.map_err(|error| StoreError::Unreadable {
                what: format!("the content of job {key} in {lane}"),
                detail: error.to_string(),
            })?);
        }
        Ok(contents)
    }

    /// How many jobs of a lane wait where.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_status(&self, lane: &Lane) -> Result<LaneStatus, StoreError> {
        only(self.lane_statuses(std::slice::from_ref(lane)).await?)
    }

    /// How many jobs of a lane are in doubt and held by no worker, among the first [`LOOKED_AT`] of those to be asked about
    /// and of those to be sent again: no set holds them alone, and a count must not hold Redis for long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_doubt(&self, lane: &Lane) -> Result<usize, StoreError> {
        only(self.in_doubt_in(&[lane]).await?)
    }

    /// Reads the claims of these jobs.
    pub(crate) fn held<'a>(&self, lane: &Lane, keys: impl Iterator<Item = &'a str>) -> redis::Cmd {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.set(lane, "held"));
        for key in keys {
            command.arg(key);
        }
        command
    }

    pub(crate) async fn query<T: redis::FromRedisValue>(
        &self,
        command: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, StoreError> {
        pipeline.query_async(&mut self.connection()).await.map_err(|source| StoreError::of(command, source))
    }
}

/// What `held` has for some jobs, in their order.
pub(crate) type Claims = Vec<Option<Vec<u8>>>;

/// The claims that [`Store::held`] asked for first, the lane's era, and what came after them.
pub(crate) fn parted(mut replies: Vec<Value>) -> Result<(Claims, u64, Vec<Value>), StoreError> {
    let others = replies.split_off(2.min(replies.len()));
    let era: Option<u64> = from_reply("HGET", replies.get(1))?;
    Ok((from_reply("HMGET", replies.first())?, era.unwrap_or(0), others))
}

/// Tells if a job is in doubt, of which its state and the era of its acceptance were read.
pub(crate) fn is_in_doubt(state: &Value, era: u64) -> bool {
    match redis::from_redis_value_ref::<(Option<String>, Option<u64>)>(state) {
        Ok((Some(state), accepted_in)) => {
            state == State::InDoubt.as_str() || (state == State::Queued.as_str() && accepted_in.unwrap_or(0) < era)
        }
        Ok((None, _)) | Err(_) => false,
    }
}

/// What was read of the only one that was asked for.
pub(crate) fn only<T>(read: Vec<T>) -> Result<T, StoreError> {
    let read = read.into_iter().next();
    read.ok_or_else(|| StoreError::Unreadable { what: "a reply of Redis".into(), detail: "it is missing".into() })
}

pub(crate) fn from_reply<T: redis::FromRedisValue>(
    command: &'static str,
    reply: Option<&redis::Value>,
) -> Result<T, StoreError> {
    redis::from_redis_value(reply.cloned().unwrap_or(redis::Value::Nil))
        .map_err(|error| StoreError::Unreadable { what: format!("the reply of {command}"), detail: error.to_string() })
}

/// Scores are whole milliseconds, far below 2^53.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a due time is positive and exact in a double"
)]
pub(crate) fn score(score: f64) -> Millis {
    Millis(score as u64)
}
