//! Retention: a job that ended long ago keeps its state and half of its content's hash, by which a late duplicate is recognised.

use std::time::Duration;

use bursar_archive::ArchivedJob;
use bursar_domain::{HistoryEvent, Key, Millis, Queue};
use redis::{Pipeline, Value};

use super::apply::{Applied, Guarded, Place, Seen};
use super::archive::read_mark;
use super::commit::ResponseKnownBy;
use super::overlay::is_open;
use super::read::lossy;
use super::record::StoredJob;
use crate::Store;
use crate::reply::{from_reply, score};
use crate::{MAX_BATCH, StoreError, crash_point};

/// The lines of one history that are read for response ids: two for each send that a job makes at most.
const MAX_LINES: isize = 2_048;

/// Queues that one round trip reads.
const QUEUES_AT_ONCE: usize = 500;

/// The result of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Jobs that were reduced.
    pub reduced: usize,
    /// True if as many jobs were past their retention as the call looks at.
    pub is_full: bool,
}

impl Store {
    /// Reduces at most `limit` jobs that ended longer than `retention` ago to tombstones; returns their number.
    ///
    /// # Errors
    /// As [`Store::purge_step`].
    pub async fn purge(&self, queue: &Queue, retention: Duration, limit: usize) -> Result<usize, StoreError> {
        Ok(self.purge_step(queue, retention, limit).await?.reduced)
    }

    /// Reduces at most `limit` jobs that ended longer than `retention` ago to tombstones. Where this Redis is archived, jobs whose present
    /// version is not in the archive stay, and are noted for the archive.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn purge_step(&self, queue: &Queue, retention: Duration, limit: usize) -> Result<Purged, StoreError> {
        let is_archived = self.archive_id().await?.is_some();
        let queue_keys = self.queues.of(queue);
        let until = self.now().await?.0.saturating_sub(crate::jobs::claim_request::whole_millis(retention));
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANGE").arg(queue_keys.set("done")).arg("-inf").arg(until).arg("BYSCORE");
        pipeline.arg("LIMIT").arg(0).arg(limit.min(MAX_BATCH));
        let (names,): (Vec<Vec<u8>>,) = self.query("ZRANGE", &pipeline).await?;
        let keys: Vec<Key> = names.into_iter().filter_map(|name| lossy(name).parse().ok()).collect();
        let is_full = keys.len() >= limit;
        if keys.is_empty() {
            return Ok(Purged { reduced: 0, is_full });
        }
        let mut pipeline = Pipeline::new();
        for key in &keys {
            pipeline.get(queue_keys.job(key)).hget(queue_keys.set("claims"), key.as_str());
            pipeline
                .zscore(queue_keys.set("due_queries"), key.as_str())
                .zscore(queue_keys.set("due_deliveries"), key.as_str());
            let lines = if is_archived { -1 } else { MAX_LINES - 1 }; // a fingerprint is of all
            pipeline.lrange(queue_keys.history(key), 0, lines).get(queue_keys.archived(key));
        }
        let replies: Vec<Value> = self.query("GET", &pipeline).await?;
        let (mut writes, mut busy, mut unarchived) = (Vec::new(), Vec::new(), Vec::new());
        for (key, reply) in keys.iter().zip(replies.chunks(6)) {
            let text: Option<Vec<u8>> = from_reply("GET", reply.first())?;
            let claim: Option<Vec<u8>> = from_reply("HGET", reply.get(1))?;
            let waits: [Option<f64>; 2] = [from_reply("ZSCORE", reply.get(2))?, from_reply("ZSCORE", reply.get(3))?];
            let lines: Vec<Vec<u8>> = from_reply("LRANGE", reply.get(4)).unwrap_or_default();
            let mark: Option<String> = from_reply("GET", reply.get(5))?;
            let text = lossy(text.unwrap_or_default());
            let stored = StoredJob::read(&text);
            match stored {
                // It is being queried again, or its webhook is still to be delivered: its retention restarts, and it
                // blocks no later job.
                Ok(_) if claim.is_some() || waits.iter().any(Option::is_some) => busy.push(key),
                Ok(stored) if is_archived && !is_open(stored.state) && !is_marked(mark, &text, &lines) => {
                    unarchived.push(key);
                }
                Ok(stored) if !is_open(stored.state) => writes.push(tombstone(key, &stored, text, &lines)),
                // Never delete a job that has not ended, or that cannot be read.
                Ok(_) | Err(_) => busy.push(key),
            }
        }
        self.forget_only_own(queue, &mut writes).await?;
        crash_point("before_purge");
        let applied = self.apply(queue, &writes, "").await?;
        let reduced = applied.iter().filter(|applied| **applied == Applied::Done).count();
        if reduced > 0 {
            crash_point("after_purge");
        }
        if !busy.is_empty() {
            let now = self.now().await?;
            let mut later = Pipeline::new();
            for key in busy {
                later.cmd("ZADD").arg(queue_keys.set("done")).arg("XX").arg(now.0).arg(key.as_str()).ignore();
            }
            let _: () = self.query("ZADD", &later).await?;
        }
        if !unarchived.is_empty() {
            self.note_unarchived(queue, &unarchived, self.now().await?).await?;
        }
        Ok(Purged { reduced, is_full })
    }

    /// The end time of each queue's oldest ended job; `None` if there is none. Many are read in a few round trips.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn oldest_ended(&self, queues: &[Queue]) -> Result<Vec<Option<Millis>>, StoreError> {
        let mut oldest = Vec::with_capacity(queues.len());
        for queues in queues.chunks(QUEUES_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            for queue in queues {
                pipeline.zrange_withscores(self.queues.of(queue).set("done"), 0, 0);
            }
            let rows: Vec<Vec<(Vec<u8>, f64)>> = self.query("ZRANGE", &pipeline).await?;
            oldest.extend(rows.into_iter().map(|rows| rows.first().map(|(_, at)| score(*at))));
        }
        Ok(oldest)
    }

    /// A response id belongs to one job: ids of other jobs stay.
    async fn forget_only_own(&self, queue: &Queue, writes: &mut [Guarded]) -> Result<(), StoreError> {
        let queue_keys = self.queues.of(queue);
        let ids: Vec<&String> = writes.iter().flat_map(|write| &write.forgotten).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(queue_keys.set("responses"));
        for id in &ids {
            command.arg(id);
        }
        let owners: Vec<Option<String>> =
            command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("HMGET", source))?;
        let mut owners = owners.into_iter();
        for write in writes {
            let key = write.key.clone();
            write.forgotten.retain(|_| owners.next().flatten().as_ref() == Some(&key));
        }
        Ok(())
    }
}

/// True if the archive has this version.
fn is_marked(mark: Option<String>, text: &str, lines: &[Vec<u8>]) -> bool {
    let mark = mark.unwrap_or_default();
    read_mark(&mark).is_some_and(|(_, known)| known == ArchivedJob::fingerprint(text.as_bytes(), lines))
}

fn tombstone(key: &Key, stored: &StoredJob, text: String, lines: &[Vec<u8>]) -> Guarded {
    let numbers = stored.trade_nos.iter().cloned().map(ResponseKnownBy::TradeNo);
    Guarded {
        record: stored.tombstone().text(),
        place: Place::Expired,
        forgotten: numbers.chain(request_ids(stored, lines)).map(|id| id.field()).collect(),
        deletes_history: true,
        ..Guarded::new(key.as_str(), "", Seen::Text(text))
    }
}

/// The request ids of the responses in a job's record and in these history lines, where a response named no number.
pub(crate) fn request_ids(stored: &StoredJob, lines: &[impl AsRef<[u8]>]) -> Vec<ResponseKnownBy> {
    let older = lines.iter().map(|line| HistoryEvent::read(line.as_ref()));
    let request_id = |event| {
        let HistoryEvent::Response(response) = event else { return None };
        response.read.request_id.map(ResponseKnownBy::RequestId)
    };
    older.chain(stored.history.iter().cloned()).filter_map(request_id).collect()
}
