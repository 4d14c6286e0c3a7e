//! Archiving: the jobs that have ended and whose present version is not in the archive yet, and the marks of those that are. One
//! worker at a time archives a partition, under a lease.
//!
//! A mark, `archived:QUEUE:KEY`, says which version of the job the archive has: a number and a fingerprint of record and history. It goes
//! with the job's details. Jobs are found in the order of their end, from a cursor; a job that cannot be archived then, or that changes
//! afterwards, is noted in `unarchived:QUEUE`.

use std::time::Duration;

use bursar_archive::ArchivedJob;
use bursar_domain::{Key, Millis, Queue};
use redis::{Pipeline, Value};

use super::overlay::is_open;
use super::read::lossy;
use super::record::StoredJob;
use super::rows::{Row, Score};
use crate::reply::from_reply;
use crate::{MAX_BATCH, Store, StoreError};

/// Jobs that one call marks: a bound on the time that the script blocks Redis.
const MAX_MARKS: usize = 250;

/// Queues that one round trip looks at.
const QUEUES_AT_ONCE: usize = 500;

/// The time until a job that has not settled is looked at again: its webhook waits to be delivered, or it is queried.
const BUSY_FOR: Duration = Duration::from_secs(600);

/// A job that has ended, as Redis has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnarchivedJob {
    /// Its key.
    pub key: Key,
    /// 1 more than the version that the archive has.
    pub version: u32,
    /// The record.
    pub record: String,
    /// The history's list, oldest first; the newest events are in the record.
    pub history: Vec<String>,
}

/// One step through a queue's jobs.
#[derive(Clone, Debug, Default)]
pub struct ToArchive {
    /// The jobs to archive.
    pub jobs: Vec<UnarchivedJob>,
    /// The position after them.
    pub cursor: ArchiveCursor,
    /// True if none follows.
    pub is_end: bool,
}

/// The set in which jobs to archive are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveSet {
    /// Those that were noted, by the time of the next look.
    Noted,
    /// All that have ended, by their end.
    Ended,
}

/// A position in such a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveCursor(Option<Row>);

/// A job that is in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveMark {
    /// Its queue.
    pub queue: String,
    /// Its key.
    pub key: String,
    /// The version's number.
    pub version: u32,
    /// The fingerprint of record and history.
    pub fingerprint: String,
}

/// The lease of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveLease {
    /// The partition.
    pub partition: u16,
    /// The newest segment whose jobs are all marked; 0 for none.
    pub marked: u64,
    /// The time by Redis's clock.
    pub now: Millis,
    token: String,
    duration: Duration,
}

/// Progress to note.
#[derive(Clone, Debug, Default)]
pub struct ArchiveProgress {
    /// The newest segment, and its seal's text.
    pub head: Option<(u64, String)>,
    /// The positions up to which the queues' jobs are archived.
    pub cursors: Vec<(Queue, ArchiveCursor)>,
}

/// The place of a job in the archive.
pub(crate) enum Archived {
    /// Nothing is to archive: there is no such job, or no details of it.
    Gone,
    /// It has not ended, or not settled.
    Busy,
    /// The archive has this version.
    Current,
    /// The archive lacks this version.
    Missing(Box<UnarchivedJob>),
}

impl Store {
    /// The id of the archive that this Redis is archived in; `None` if it is in none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn archive_id(&self) -> Result<Option<String>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.get(self.keys.archive());
        let (id,) = self.query("GET", &pipeline).await?;
        Ok(id)
    }

    /// Archives this Redis in the archive `id` from now on, unless it is in another; returns the id that counts.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn begin_archive(&self, id: &str) -> Result<String, StoreError> {
        let name = self.keys.archive();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SET").arg(&name).arg(id).arg("NX").ignore().get(&name);
        let (current,) = self.query("SET", &pipeline).await?;
        Ok(current)
    }

    /// The newest seals of all partitions, as texts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn archive_heads(&self) -> Result<Vec<String>, StoreError> {
        let mut pipeline = Pipeline::new();
        for partition in self.queues.partitions() {
            pipeline.hget(self.queues.partition_set(partition, "archive"), "head");
        }
        let heads: Vec<Option<String>> = self.query("HGET", &pipeline).await?;
        Ok(heads.into_iter().flatten().collect())
    }

    /// Takes the lease of a partition for a worker; `None` if another worker has it.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been taken. Repeat with the same token.
    pub async fn archive_lease(
        &self,
        partition: u16,
        token: &str,
        duration: Duration,
    ) -> Result<Option<ArchiveLease>, StoreError> {
        let base = self.queues.base(partition);
        let mut call = self.scripts.archive_lease.on(&base);
        call.push(token).push(super::whole_millis(duration));
        let taken: Vec<u64> = call.run(self).await?;
        let [marked, now] = taken[..] else { return Ok(None) };
        Ok(Some(ArchiveLease { partition, marked, now: Millis(now), token: token.to_owned(), duration }))
    }

    /// Marks jobs, notes the progress, and renews the lease. Returns false if another worker has the lease: then the rest is not written.
    ///
    /// # Errors
    /// [`StoreError`]: repeat the same.
    pub async fn mark_archived(
        &self,
        lease: &ArchiveLease,
        marks: &[ArchiveMark],
        progress: &ArchiveProgress,
    ) -> Result<bool, StoreError> {
        for marks in marks.chunks(MAX_MARKS) {
            if !self.archive_call(lease, lease.duration, &[], marks).await? {
                return Ok(false);
            }
        }
        // Once all are marked: a worker that finds this progress has nothing to mark again.
        let head = progress.head.iter().flat_map(|(segment, seal)| {
            [("marked".to_owned(), segment.to_string()), ("head".to_owned(), seal.clone())]
        });
        let cursors = progress.cursors.iter().map(|(queue, cursor)| (cursor_name(queue), cursor.text()));
        let words: Vec<(String, String)> = head.chain(cursors).collect();
        for words in words.chunks(MAX_MARKS) {
            if !self.archive_call(lease, lease.duration, words, &[]).await? {
                return Ok(false);
            }
        }
        if words.is_empty() { self.archive_call(lease, lease.duration, &[], &[]).await } else { Ok(true) }
    }

    /// Ends the lease.
    ///
    /// # Errors
    /// [`StoreError`]: it ends by itself.
    pub async fn end_archive_lease(&self, lease: &ArchiveLease) -> Result<(), StoreError> {
        self.archive_call(lease, Duration::ZERO, &[], &[]).await.map(drop)
    }

    async fn archive_call(
        &self,
        lease: &ArchiveLease,
        duration: Duration,
        words: &[(String, String)],
        marks: &[ArchiveMark],
    ) -> Result<bool, StoreError> {
        let base = self.queues.base(lease.partition);
        let mut call = self.scripts.archive_mark.on(&base);
        call.push(&lease.token).push(super::whole_millis(duration)).push(2 * words.len());
        for (name, value) in words {
            call.push(name).push(value);
        }
        for mark in marks {
            call.push(&mark.queue).push(&mark.key).push(format!("{} {}", mark.version, mark.fingerprint));
        }
        call.run::<u8>(self).await.map(|written| written == 1)
    }

    /// The positions from which these queues' jobs are to be archived; `None` for queues with nothing to archive. Jobs that ended after
    /// `until` are left for later.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn archive_cursors(
        &self,
        queues: &[Queue],
        until: Millis,
    ) -> Result<Vec<Option<ArchiveCursor>>, StoreError> {
        let mut cursors = Vec::with_capacity(queues.len());
        for queues in queues.chunks(QUEUES_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            for queue in queues {
                let queue_keys = self.queues.of(queue);
                pipeline.hget(queue_keys.below_base("archive"), cursor_name(queue));
                pipeline.cmd("ZRANGE").arg(queue_keys.set("done")).arg(-1).arg(-1);
                pipeline.zcard(queue_keys.set("unarchived"));
            }
            let replies: Vec<Value> = self.query("ZRANGE", &pipeline).await?;
            for reply in replies.chunks(3) {
                let cursor: Option<String> = from_reply("HGET", reply.first())?;
                let newest: Vec<Vec<u8>> = from_reply("ZRANGE", reply.get(1))?;
                let noted: u64 = from_reply("ZCARD", reply.get(2))?;
                let row = cursor.as_deref().and_then(row_of);
                let may_follow = |newest: &Vec<u8>| {
                    row.as_ref().is_none_or(|row| row.score.time() <= until && row.member.as_bytes() != newest)
                };
                let has_work = noted > 0 || newest.first().is_some_and(may_follow);
                cursors.push(has_work.then_some(ArchiveCursor(row)));
            }
        }
        Ok(cursors)
    }

    /// One step through a queue's jobs of a set, by the times until `until`: those to archive. Jobs that have not settled are noted for
    /// later.
    ///
    /// # Errors
    /// [`StoreError`]: repeat from the same position.
    pub async fn to_archive(
        &self,
        queue: &Queue,
        set: ArchiveSet,
        from: &ArchiveCursor,
        until: Millis,
        limit: usize,
    ) -> Result<ToArchive, StoreError> {
        let limit = limit.clamp(1, MAX_BATCH);
        let after = from.0.as_ref();
        let low = after.map_or_else(|| "-inf".to_owned(), |row| row.score.to_string());
        let (mut rows, is_full) = self.rows_after(queue, set.name(), &low, after, limit).await?;
        let read = rows.len();
        rows.retain(|row| row.score.time() <= until);
        let is_end = !is_full || rows.len() < read;
        let keys: Vec<Key> = rows.iter().filter_map(Row::key).collect();
        let (mut jobs, mut busy, mut over) = (Vec::new(), Vec::new(), Vec::new());
        for (key, archived) in keys.iter().zip(self.read_for_archive(queue, &keys).await?) {
            match archived {
                Archived::Missing(job) => jobs.push(*job),
                Archived::Busy => busy.push(key),
                Archived::Gone | Archived::Current => over.push(key),
            }
        }
        let later = self.now().await?.plus(BUSY_FOR);
        self.note_unarchived(queue, &busy, later).await?;
        if set == ArchiveSet::Noted && !over.is_empty() {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("ZREM").arg(self.queues.of(queue).set("unarchived"));
            for key in over {
                pipeline.arg(key.as_str());
            }
            let (_removed,): (u64,) = self.query("ZREM", &pipeline).await?;
        }
        Ok(ToArchive { jobs, cursor: rows.pop().map_or_else(|| from.clone(), |row| ArchiveCursor(Some(row))), is_end })
    }

    /// Notes jobs that are to be archived later.
    pub(crate) async fn note_unarchived(&self, queue: &Queue, keys: &[&Key], at: Millis) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZADD").arg(self.queues.of(queue).set("unarchived"));
        for key in keys {
            pipeline.arg(at.0).arg(key.as_str());
        }
        let (_added,): (u64,) = self.query("ZADD", &pipeline).await?;
        Ok(())
    }

    /// The places of jobs in the archive, in order.
    async fn read_for_archive(&self, queue: &Queue, keys: &[Key]) -> Result<Vec<Archived>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        for key in keys {
            pipeline.get(queue_keys.job(key)).hget(queue_keys.set("claims"), key.as_str());
            pipeline
                .zscore(queue_keys.set("due_queries"), key.as_str())
                .zscore(queue_keys.set("due_deliveries"), key.as_str());
            pipeline.lrange(queue_keys.history(key), 0, -1).get(queue_keys.archived(key));
        }
        let replies: Vec<Value> = self.query("GET", &pipeline).await?;
        keys.iter().zip(replies.chunks(6)).map(|(key, reply)| archived(key, reply)).collect()
    }
}

/// The place of a job in the archive, from its record, claim, two due times, history and mark.
fn archived(key: &Key, reply: &[Value]) -> Result<Archived, StoreError> {
    let text: Option<Vec<u8>> = from_reply("GET", reply.first())?;
    let Some(text) = text else { return Ok(Archived::Gone) };
    let claim: Option<Vec<u8>> = from_reply("HGET", reply.get(1))?;
    let waits: [Option<f64>; 2] = [from_reply("ZSCORE", reply.get(2))?, from_reply("ZSCORE", reply.get(3))?];
    let lines: Vec<Vec<u8>> = from_reply("LRANGE", reply.get(4)).unwrap_or_default();
    let mark: Option<String> = from_reply("GET", reply.get(5))?;
    let record = lossy(text);
    let stored = match StoredJob::read(&record) {
        Ok(stored) if stored.is_tombstone() => return Ok(Archived::Gone),
        // It stays in Redis until a build can read it.
        Err(_) => return Ok(Archived::Busy),
        Ok(stored) => stored,
    };
    if is_open(stored.state) || claim.is_some() || waits.iter().any(Option::is_some) {
        return Ok(Archived::Busy);
    }
    let archived = mark.as_deref().and_then(read_mark);
    if archived.as_ref().is_some_and(|(_, known)| *known == ArchivedJob::fingerprint(record.as_bytes(), &lines)) {
        return Ok(Archived::Current);
    }
    let version = archived.map_or(0, |(version, _)| version).saturating_add(1);
    let history = lines.into_iter().map(lossy).collect();
    Ok(Archived::Missing(Box::new(UnarchivedJob { key: key.clone(), version, record, history })))
}

/// The version and the fingerprint of a mark.
pub(crate) fn read_mark(mark: &str) -> Option<(u32, &str)> {
    let (version, fingerprint) = mark.split_once(' ')?;
    Some((version.parse().ok()?, fingerprint))
}

/// The field of a queue's position in its partition's progress.
fn cursor_name(queue: &Queue) -> String {
    format!("cursor:{queue}")
}

fn row_of(text: &str) -> Option<Row> {
    let (score, member) = text.split_once(' ')?;
    Some(Row { score: score.parse::<Score>().ok()?, member: member.to_owned() })
}

impl ArchiveCursor {
    fn text(&self) -> String {
        self.0.as_ref().map(|row| format!("{} {}", row.score, row.member)).unwrap_or_default()
    }
}

impl ArchiveSet {
    const fn name(self) -> &'static str {
        match self {
            Self::Noted => "unarchived",
            Self::Ended => "done",
        }
    }
}
