//! Queues at a glance: the number of waiting jobs by set, their due times, and their blocks. Many queues are read in a
//! few round trips.

use std::time::Duration;

use bursar_domain::{JobView, Millis, Queue, QueueCounts, QueueView, Reason};
use redis::{Pipeline, Value};

use super::circuits::counts;
use super::read::lossy;
use super::record::StoredJob;
use super::rows::{SETS, key_of};
use crate::Store;
use crate::StoreError;
use crate::known::SERVED_WITHIN;
use crate::reply::{from_reply, score};

/// Queues that one round trip reads: 13 commands each, about a millisecond of Redis.
const QUEUES_AT_ONCE: usize = 100;

/// Work that has been due for longer is overdue: a worker looks for due work every few seconds.
const OVERDUE_AFTER: Duration = Duration::from_secs(60);

/// Commands for each queue.
const COMMANDS: usize = 13;

/// A queue at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Its jobs.
    pub counts: QueueCounts,
    /// Keys in quarantine.
    pub quarantined: u64,
    /// Keys whose webhooks are in quarantine.
    pub deliveries_quarantined: u64,
    /// The earliest due time.
    pub next_due: Option<Millis>,
    /// The time of this reading, in Redis time.
    pub now: Millis,
    /// The earliest due time of a send. Of those in the fair order, the first one's.
    pub next_send: Option<Millis>,
    /// The earliest due time of a query.
    pub next_query: Option<Millis>,
    /// The reason for its pause, if it is paused.
    pub paused: Option<Reason>,
    /// For each worker whose circuit breaker is open here, the time of its probe, past or future: until a probe
    /// succeeds, it sends nothing else.
    pub circuits_open: Vec<Millis>,
    /// The last time that a worker reported serving it; `None` if none ever did.
    pub served_at: Option<Millis>,
}

impl QueueStatus {
    /// Jobs that have not ended.
    #[must_use]
    pub const fn open_jobs(&self) -> u64 {
        self.counts.to_send + self.counts.to_query + self.counts.review
    }

    /// Jobs and webhooks in quarantine.
    #[must_use]
    pub const fn all_quarantined(&self) -> u64 {
        self.quarantined + self.deliveries_quarantined
    }

    /// True if a worker has reported within the last minute that it serves the queue.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.served_at.is_some_and(|at| self.now.since(at) < SERVED_WITHIN)
    }

    /// The due time of the work that is due longest, if it is overdue. Sends of a paused queue are not: they wait for an operator.
    #[must_use]
    pub fn overdue_since(&self) -> Option<Millis> {
        let send = self.next_send.filter(|_| self.paused.is_none());
        earliest(send, self.next_query).filter(|due| self.now.since(*due) > OVERDUE_AFTER)
    }

    /// The queue as outsiders read it.
    #[must_use]
    pub fn view(&self, queue: &Queue) -> QueueView {
        QueueView {
            queue: queue.to_string(),
            account: queue.account.to_string(),
            kind: queue.kind.to_string(),
            counts: self.counts,
            quarantined: self.all_quarantined(),
            next_due: JobView::time(self.next_due),
            paused: self.paused.clone(),
            circuits_open: self.circuits_open.len(),
            is_served: self.is_served(),
            served_at: JobView::time(self.served_at),
            overdue_since: JobView::time(self.overdue_since()),
        }
    }
}

impl Store {
    /// The number of a queue's waiting jobs by set.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn status(&self, queue: &Queue) -> Result<QueueStatus, StoreError> {
        let status = self.statuses(std::slice::from_ref(queue)).await?.pop();
        status.ok_or_else(|| StoreError::Unreadable { what: "a queue's status".into(), detail: "there is none".into() })
    }

    /// The same of many queues, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn statuses(&self, queues: &[Queue]) -> Result<Vec<QueueStatus>, StoreError> {
        let mut statuses = Vec::with_capacity(queues.len());
        for queues in queues.chunks(QUEUES_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("TIME");
            pipeline.cmd("ZMSCORE").arg(self.keys.queues());
            for queue in queues {
                pipeline.arg(queue.to_string());
            }
            for queue in queues {
                self.query_status(queue, &mut pipeline);
            }
            let mut replies: Vec<Value> = self.query("ZCARD", &pipeline).await?;
            let rows = replies.split_off(2.min(replies.len()));
            let (seconds, micros): (u64, u64) = from_reply("TIME", replies.first())?;
            let now = Millis(seconds * 1_000 + micros / 1_000);
            let served: Vec<Option<f64>> = from_reply("ZMSCORE", replies.get(1))?;
            let mut found = Vec::with_capacity(queues.len());
            for (row, served) in rows.chunks_exact(COMMANDS).zip(served) {
                let served_at = served.filter(|at| *at > 0.0).map(score);
                let (of_row, first) = status(row, now)?;
                found.push((QueueStatus { served_at, ..of_row }, first));
            }
            self.find_first_sends(queues, &mut found).await?;
            statuses.extend(found.into_iter().map(|(status, _)| status));
        }
        Ok(statuses)
    }

    fn query_status(&self, queue: &Queue, pipeline: &mut Pipeline) {
        let queue_keys = self.queues.of(queue);
        for set in SETS {
            pipeline.zcard(queue_keys.set(set));
        }
        pipeline.zcard(queue_keys.set("due_deliveries")).hlen(queue_keys.set("quarantine"));
        pipeline.hget(queue_keys.queue_hash(), "paused");
        for set in ["due_sends", "due_queries"] {
            pipeline.zrange_withscores(queue_keys.set(set), 0, 0);
        }
        pipeline.zrange(queue_keys.set("sends"), 0, 0);
        pipeline.hvals(queue_keys.set("circuits")).hlen(queue_keys.set("delivery_quarantine"));
    }

    /// The fair order has ranks and no times: the due time of its first job comes from that job's record.
    async fn find_first_sends(
        &self,
        queues: &[Queue],
        found: &mut [(QueueStatus, Option<String>)],
    ) -> Result<(), StoreError> {
        let (mut pipeline, mut requested) = (Pipeline::new(), Vec::new());
        for (queue, (status, first)) in queues.iter().zip(found) {
            let Some(key) = first.as_deref().and_then(key_of) else { continue };
            pipeline.cmd("MGET").arg(self.queues.of(queue).job(&key)); // a foreign type is no text
            requested.push(status);
        }
        if requested.is_empty() {
            return Ok(());
        }
        let texts: Vec<Vec<Option<Vec<u8>>>> = self.query("MGET", &pipeline).await?;
        for (status, texts) in requested.into_iter().zip(texts) {
            let text = texts.into_iter().next().flatten().map(lossy);
            let stored = text.and_then(|text| StoredJob::read(&text).ok());
            let due = stored.and_then(|stored| stored.due_since()).unwrap_or(status.now);
            status.next_send = earliest(status.next_send, Some(due));
            status.next_due = earliest(status.next_due, Some(due));
        }
        Ok(())
    }
}

fn earliest(left: Option<Millis>, right: Option<Millis>) -> Option<Millis> {
    left.into_iter().chain(right).min()
}

/// A queue's status, and the first job in its fair order.
fn status(row: &[Value], now: Millis) -> Result<(QueueStatus, Option<String>), StoreError> {
    let count = |at: usize| from_reply::<u64>("ZCARD", row.get(at));
    let head = |at: usize| -> Result<Option<Millis>, StoreError> {
        let rows: Vec<(Vec<u8>, f64)> = from_reply("ZRANGE", row.get(at))?;
        Ok(rows.first().map(|(_, due)| score(*due)))
    };
    let paused: Option<Vec<u8>> = from_reply("HGET", row.get(7))?;
    let (next_send, next_query) = (head(8)?, head(9)?);
    let first: Vec<Vec<u8>> = from_reply("ZRANGE", row.get(10))?;
    let circuits: Vec<u64> = from_reply("HVALS", row.get(11))?;
    let status = QueueStatus {
        counts: QueueCounts {
            to_send: count(0)? + count(1)?,
            to_query: count(2)?,
            review: count(3)?,
            done: count(4)?,
            undelivered: count(5)?,
        },
        quarantined: count(6)?,
        deliveries_quarantined: count(12)?,
        next_due: earliest(next_send, next_query),
        now,
        next_send,
        next_query,
        paused: paused.map(|paused| Reason::read(&lossy(paused))),
        circuits_open: circuits.into_iter().map(Millis).filter(|until| counts(*until, now)).collect(),
        served_at: None,
    };
    Ok((status, first.into_iter().next().map(lossy)))
}
