//! The work of queues that could be done now: due jobs, claims in force, and the rate's bucket. For the number of workers.

use std::time::Duration;

use bursar_domain::Queue;
use redis::{Cmd, Value};

use crate::reply::from_reply;
use crate::{Store, StoreError};

/// Commands for each queue.
const COMMANDS: usize = 5;

/// The work of a queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDemand {
    /// Jobs whose send is due.
    pub due_sends: u64,
    /// Jobs whose query is due.
    pub due_queries: u64,
    /// Jobs that workers have claimed, dead workers included until their leases end.
    pub claimed: u64,
    /// The time until the bucket of the queue's rate is empty: as long as its burst if the rate is used up, zero if it is unused.
    pub rate_ahead: Duration,
}

impl Store {
    /// The work of these queues, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn demands(&self, queues: &[Queue]) -> Result<Vec<QueueDemand>, StoreError> {
        let (_, now) = self.many("TIME", Vec::new()).await?;
        let requested = queues.iter().flat_map(|queue| {
            let queue_keys = self.queues.of(queue);
            let until_now = |set| Cmd::zcount(queue_keys.set(set), "-inf", now.0);
            [
                Cmd::zcard(queue_keys.set("sends")),
                until_now("due_sends"),
                until_now("due_queries"),
                Cmd::hlen(queue_keys.set("claims")),
                Cmd::hget(queue_keys.queue_hash(), "rate_arrival"),
            ]
        });
        let (replies, _) = self.many("ZCOUNT", requested.collect()).await?;
        replies.chunks_exact(COMMANDS).map(|row| demand(row, Duration::from_millis(now.0))).collect()
    }
}

/// The work by a queue's replies at this time since 1970.
fn demand(row: &[Value], now: Duration) -> Result<QueueDemand, StoreError> {
    let count = |at: usize| from_reply::<u64>("ZCOUNT", row.get(at));
    let arrival: Option<u64> = from_reply("HGET", row.get(4))?;
    Ok(QueueDemand {
        due_sends: count(0)? + count(1)?,
        due_queries: count(2)?,
        claimed: count(3)?,
        rate_ahead: Duration::from_micros(arrival.unwrap_or_default()).saturating_sub(now),
    })
}
