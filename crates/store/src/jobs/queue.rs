//! The state of a queue: paused or not, its fence, its era, its gateway; and the queues with due work.

use std::str::FromStr;
use std::time::Duration;

use bursar_domain::{Key, Millis, Queue, Reason};
use redis::{Pipeline, Value};

use crate::Store;
use crate::StoreError;
use crate::reply::{from_reply, score};
use crate::scripts::EVENTS_KEPT;

/// Queues of a partition that one look reads.
pub const READY_AT_ONCE: usize = 500;

/// Queues that [`Store::find_overlooked`] reads in one round trip: four commands each.
const LOOKED_THROUGH_AT_ONCE: usize = 250;

/// The time after which due work counts as overlooked. Longer than a paused queue's sends are left alone.
const OVERLOOKED_AFTER: Duration = Duration::from_secs(120);

/// The highest fence that a queue's can be raised to: Lua's numbers are exact up to 2^53, and claims count on from
/// here.
const HIGHEST_FENCE: u64 = (1 << 53) - (1 << 40);

/// A queue with something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready<T = Queue> {
    /// The queue.
    pub queue: T,
    /// The due time of its next job.
    pub due: Millis,
}

impl Store {
    pub(crate) async fn change(&self, queue: &Queue, words: &[&str]) -> Result<bool, StoreError> {
        Ok(self.change_code(queue, words).await? == 1)
    }

    /// The script's own reply.
    pub(crate) async fn change_code(&self, queue: &Queue, words: &[&str]) -> Result<u8, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.queue.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(self.queues.wake_channel()).push(EVENTS_KEPT);
        for word in words {
            call.push(word);
        }
        let since = self.since();
        let changed: u8 = call.run(self).await?;
        self.kept(since).await?; // also if nothing changed: the present state may have been written a moment ago
        Ok(changed)
    }

    /// Pauses a queue: nothing new is sent, earlier sends are queried. `false` if it was paused already.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn pause(&self, queue: &Queue, reason: &Reason) -> Result<bool, StoreError> {
        self.change(queue, &["pause", &reason.recorded()]).await
    }

    /// Resumes a queue for an operator, who takes responsibility for earlier losses. `false` if it was not paused. Nothing asks here for a
    /// second operator: commands, API and dashboard call [`Store::resume_by`].
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn resume(&self, queue: &Queue, reason: &Reason) -> Result<bool, StoreError> {
        self.change(queue, &["resume", &reason.recorded(), "", "operator"]).await
    }

    /// Resumes a queue that is paused for this reason. It does not count as an operator's order.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn resume_from(&self, queue: &Queue, paused: &Reason, reason: &Reason) -> Result<bool, StoreError> {
        self.change(queue, &["resume", &reason.recorded(), &paused.recorded(), ""]).await
    }

    /// Raises a queue's fence: a journal knows a higher one.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] for a fence that no queue ever reaches: no worker wrote it. Otherwise repeat.
    pub async fn raise_fence(&self, queue: &Queue, fence: u64) -> Result<bool, StoreError> {
        if fence > HIGHEST_FENCE {
            let detail = format!("it is {fence}, and a script counts to {HIGHEST_FENCE}");
            return Err(StoreError::Unreadable { what: format!("a fence of {queue}"), detail });
        }
        self.change(queue, &["fence", &fence.to_string()]).await
    }

    /// Reports that Redis has lost writes of this queue. `false` if that was noticed since the era `known`.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn lost_writes(&self, queue: &Queue, known: u64) -> Result<bool, StoreError> {
        self.change(queue, &["lost_writes", &known.to_string()]).await
    }

    /// Moves the next query of a job forward. `false` if it does not wait for one.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn wake(&self, queue: &Queue, key: &Key) -> Result<bool, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.wake.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(self.queues.wake_channel()).push(key.as_str());
        let woken: u8 = call.run(self).await?;
        Ok(woken == 1)
    }

    /// The queues in which something is due before `until`, of all partitions, in one round trip; each partition's by when it is due.
    /// `true` with them when a partition has more.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn ready(&self, until: Millis) -> Result<(Vec<Ready>, bool), StoreError> {
        self.ready_behind(until, 0).await
    }

    /// The same without the first ones of each partition.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn ready_behind(&self, until: Millis, passed_over: usize) -> Result<(Vec<Ready>, bool), StoreError> {
        self.ready_in("ready", until, passed_over).await
    }

    /// Marks those of these queues as ready that have had due work for a while and are not in the ready set. Returns
    /// those that were not marked at all, which no script leaves behind: Redis was edited, or a key of a foreign type
    /// ended a script halfway.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn find_overlooked(&self, queues: &[Queue]) -> Result<Vec<Queue>, StoreError> {
        let mut overlooked = Vec::new();
        for queues in queues.chunks(LOOKED_THROUGH_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("TIME");
            for queue in queues {
                let queue_keys = self.queues.of(queue);
                for set in ["due_sends", "due_queries"] {
                    pipeline.zrange_withscores(queue_keys.set(set), 0, 0);
                }
                pipeline.exists(queue_keys.set("sends"));
                pipeline.zscore(queue_keys.below_base("ready"), &queue_keys.queue);
            }
            let replies: Vec<Value> = self.query("ZRANGE", &pipeline).await?;
            let (time, rows) = replies.split_first().map_or((None, [].as_slice()), |(time, rows)| (Some(time), rows));
            let (seconds, _): (u64, u64) = from_reply("TIME", time)?;
            let now = Millis(seconds * 1_000);
            let mut forward = Pipeline::new();
            for (queue, row) in queues.iter().zip(rows.chunks_exact(4)) {
                let head = |at: usize| -> Result<Option<Millis>, StoreError> {
                    let rows: Vec<(Vec<u8>, f64)> = from_reply("ZRANGE", row.get(at))?;
                    Ok(rows.first().map(|(_, due)| score(*due)))
                };
                let is_ranked: bool = from_reply("EXISTS", row.get(2))?;
                let ready: Option<f64> = from_reply("ZSCORE", row.get(3))?;
                let due = [head(0)?, head(1)?, is_ranked.then_some(Millis(0))].into_iter().flatten().min();
                if due.is_none_or(|due| due.plus(OVERLOOKED_AFTER) > now)
                    || ready.is_some_and(|ready| score(ready) <= now.plus(OVERLOOKED_AFTER))
                {
                    continue;
                }
                let queue_keys = self.queues.of(queue);
                forward
                    .cmd("ZADD")
                    .arg(queue_keys.below_base("ready"))
                    .arg("LT")
                    .arg(now.0)
                    .arg(&queue_keys.queue)
                    .ignore();
                overlooked.extend(ready.is_none().then(|| queue.clone()));
            }
            if forward.cmd_iter().next().is_some() {
                let () = self.query("ZADD", &forward).await?;
            }
        }
        Ok(overlooked)
    }

    /// The same by another set of the partitions.
    pub(crate) async fn ready_in<T: FromStr>(
        &self,
        set: &str,
        until: Millis,
        passed_over: usize,
    ) -> Result<(Vec<Ready<T>>, bool), StoreError> {
        let mut pipeline = Pipeline::new();
        for partition in self.queues.partitions() {
            pipeline
                .cmd("ZRANGE")
                .arg(self.queues.partition_set(partition, set))
                .arg("-inf")
                .arg(until.0)
                .arg("BYSCORE");
            pipeline.arg("LIMIT").arg(passed_over).arg(READY_AT_ONCE).arg("WITHSCORES");
        }
        let rows: Vec<Vec<(String, f64)>> = self.query("ZRANGE", &pipeline).await?;
        let is_full = rows.iter().any(|rows| rows.len() == READY_AT_ONCE);
        let ready = rows.into_iter().flatten();
        let ready = ready.filter_map(|(queue, due)| Some(Ready { queue: queue.parse().ok()?, due: score(due) }));
        Ok((ready.collect(), is_full))
    }
}
