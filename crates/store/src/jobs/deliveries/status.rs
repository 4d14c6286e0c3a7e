//! The backlog of deliveries. Many queues are read in a few round trips.

use bursar_domain::Millis;
use redis::Cmd;

use super::record::{DeliveryEntry, StoredDelivery};
use crate::many::AT_ONCE;
use crate::reply::{LOOKED_AT, from_reply, only, score};
use crate::{Origin, Store, StoreError};

/// The bound of deliveries that are read in all queues together, with at least [`LEAST`] in each: a tenth of a second
/// of Redis.
const LOOKED_AT_ALL: usize = 20_000;

/// The least number of deliveries that are read in each queue.
const LEAST: usize = 25;

/// The backlog of a queue's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// Jobs, or notifications, with a waiting event.
    pub waiting: u64,
    /// The time of the next attempt.
    pub next_due: Option<Millis>,
    /// The earliest first attempt among the events that are due first: [`LOOKED_AT`] of them, or fewer if many queues
    /// have events to deliver.
    pub first_tried: Option<Millis>,
    /// The time of this reading, in Redis time.
    pub now: Millis,
}

impl Store {
    /// The backlog of a queue's deliveries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivery_status(&self, origin: &Origin) -> Result<DeliveryStatus, StoreError> {
        only(self.delivery_statuses(std::slice::from_ref(origin)).await?)
    }

    /// The same of many queues, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivery_statuses(&self, origins: &[Origin]) -> Result<Vec<DeliveryStatus>, StoreError> {
        let mut statuses = Vec::with_capacity(origins.len());
        for origins in origins.chunks(AT_ONCE) {
            let due = |origin| self.queues.of(origin).set("due_deliveries");
            let (waiting, now) =
                self.many("ZCARD", origins.iter().map(|origin| Cmd::zcard(due(origin))).collect()).await?;
            for waiting in &waiting {
                let waiting = from_reply("ZCARD", Some(waiting))?;
                statuses.push(DeliveryStatus { waiting, next_due: None, first_tried: None, now });
            }
        }
        let mut delivering: Vec<(&Origin, &mut DeliveryStatus)> =
            origins.iter().zip(&mut statuses).filter(|(_, status)| status.waiting > 0).collect();
        let share = looked_at(delivering.len());
        for delivering in delivering.chunks_mut((AT_ONCE / 2 / share).max(1)) {
            self.look_at_first(delivering, share).await?;
        }
        Ok(statuses)
    }

    /// Reads the first due events of each of these queues.
    async fn look_at_first(
        &self,
        delivering: &mut [(&Origin, &mut DeliveryStatus)],
        share: usize,
    ) -> Result<(), StoreError> {
        let last = isize::try_from(share).unwrap_or(isize::MAX) - 1;
        let firsts = delivering.iter().map(|(origin, _)| {
            let queue_keys = self.queues.of(*origin);
            Cmd::zrange_withscores(queue_keys.set("due_deliveries"), 0, last)
        });
        let (firsts, _) = self.many("ZRANGE", firsts.collect()).await?;
        let mut events: Vec<Vec<(String, f64)>> = Vec::with_capacity(firsts.len());
        for first in &firsts {
            events.push(from_reply("ZRANGE", Some(first))?);
        }
        let mut requested = Vec::new();
        for ((origin, _), events) in delivering.iter().zip(&events) {
            let queue_keys = self.queues.of(*origin);
            for (key, _) in events {
                requested.push(Cmd::get(queue_keys.of_key("delivery", key)));
                requested.push(Cmd::hget(queue_keys.set("delivery_claims"), key));
            }
        }
        let (tried, _) = self.many("GET", requested).await?;
        let mut tried = tried.chunks_exact(2);
        for ((_, status), events) in delivering.iter_mut().zip(events) {
            status.next_due = events.first().map(|(_, due)| score(*due));
            for row in tried.by_ref().take(events.len()) {
                let record: Option<String> = from_reply("GET", row.first())?;
                let claim: Option<String> = from_reply("HGET", row.get(1))?;
                let at = first_tried(record.as_deref(), claim.as_deref());
                status.first_tried = status.first_tried.into_iter().chain(at).min();
            }
        }
        Ok(())
    }
}

/// The time of an event's first attempt; `None` if there was none.
fn first_tried(record: Option<&str>, claim: Option<&str>) -> Option<Millis> {
    let record = StoredDelivery::read(record).ok()?;
    record.first_tried_at.or(claim.and_then(DeliveryEntry::read).map(|entry| entry.since()))
}

/// The number of deliveries that are read in each queue if this many queues have any: [`LOOKED_AT`] as long as they are
/// few.
fn looked_at(queues: usize) -> usize {
    (LOOKED_AT_ALL / queues.max(1)).clamp(LEAST, LOOKED_AT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_shrink_with_the_number_of_queues() {
        for (queues, each) in [(0, 1_000), (1, 1_000), (20, 1_000), (40, 500), (200, 100), (800, 25), (20_000, 25)] {
            assert_eq!(looked_at(queues), each, "{queues}");
        }
    }
}
