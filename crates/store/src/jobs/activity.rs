//! Recent activity of queues, for charts and rates: their newest events, some ended jobs over time, and the waiting jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_domain::{Key, Millis, Queue};
use redis::{Pipeline, Value};

use super::events::{Entry, Event, events_of};
use super::read::lossy;
use super::rows::key_of;
use crate::Store;
use crate::StoreError;
use crate::reply::from_reply;

/// The entries of each partition's stream that one round trip reads, and the largest number of round trips. Queues
/// share a stream, so a quiet queue has its events far behind.
const ENTRIES_AT_ONCE: usize = 250;
const MAX_LOOKS: usize = 8;

/// Some queues' newest events, with the time of this reading.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Redis time when they were read.
    pub now: Millis,
    /// For each queue, newest first.
    pub events: Vec<Vec<Event>>,
}

/// A stretch of time in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The first jobs that ended in it, without those that are tombstones by now.
    pub some: Vec<Key>,
    /// Jobs that were moved to review in it and are still there.
    pub in_review: u64,
}

impl Store {
    /// At most `some` of the jobs of a queue that ended in each of `count` consecutive intervals of this length from `from` on, and the
    /// number of those in review since then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stretches(
        &self,
        queue: &Queue,
        from: Millis,
        length: Duration,
        count: u32,
        some: usize,
    ) -> Result<Vec<Stretch>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        for index in 0..count {
            let (begin, end) = (from.plus(length * index).0, format!("({}", from.plus(length * (index + 1)).0));
            pipeline.zcount(queue_keys.set("review"), begin, &end);
            pipeline.cmd("ZRANGE").arg(queue_keys.set("done")).arg(begin).arg(&end);
            pipeline.arg("BYSCORE").arg("LIMIT").arg(0).arg(some);
        }
        let replies: Vec<Value> = self.query("ZCOUNT", &pipeline).await?;
        let stretch = |reply: &[Value]| {
            let keys: Vec<Vec<u8>> = from_reply("ZRANGE", reply.get(1))?;
            Ok(Stretch {
                in_review: from_reply("ZCOUNT", reply.first())?,
                some: keys.into_iter().filter_map(|key| key_of(&lossy(key))).collect(),
            })
        };
        replies.chunks(2).map(stretch).collect()
    }

    /// The jobs of a queue that are first in the fair order, that come due next, or that are queried first or claimed:
    /// at most `most` sends and as many queries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting(&self, queue: &Queue, most: usize) -> Result<Vec<Key>, StoreError> {
        let Some(last) = most.checked_sub(1) else { return Ok(Vec::new()) };
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        for set in ["sends", "due_sends", "due_queries"] {
            pipeline.cmd("ZRANGE").arg(queue_keys.set(set)).arg(0).arg(last);
        }
        type Members = Vec<Vec<u8>>;
        let (ranked, later, queries): (Members, Members, Members) = self.query("ZRANGE", &pipeline).await?;
        let members = ranked.into_iter().chain(later).take(most).chain(queries);
        Ok(members.filter_map(|member| key_of(&lossy(member))).collect())
    }

    /// Some queues' newest events, at most `limit` of each, as far as their partitions' streams have them among the newest entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent_events(&self, queues: &[Queue], limit: usize) -> Result<Recent, StoreError> {
        let mut places: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (place, queue) in queues.iter().enumerate() {
            places.entry(self.partition_of(queue)).or_default().push(place);
        }
        let mut recent = Recent { now: Millis(0), events: vec![Vec::new(); queues.len()] };
        let mut until: BTreeMap<u16, String> = places.keys().map(|partition| (*partition, "+".to_owned())).collect();
        for _ in 0..MAX_LOOKS {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("TIME");
            for (partition, until) in &until {
                pipeline.cmd("XREVRANGE").arg(self.queues.events(*partition)).arg(until).arg("-");
                pipeline.arg("COUNT").arg(ENTRIES_AT_ONCE);
            }
            let mut replies: Vec<Value> = self.query("XREVRANGE", &pipeline).await?;
            let streams = replies.split_off(1.min(replies.len()));
            let (seconds, micros): (u64, u64) = from_reply("TIME", replies.first())?;
            recent.now = recent.now.max(Millis(seconds * 1_000 + micros / 1_000));
            let requested: Vec<u16> = until.keys().copied().collect();
            for (partition, stream) in requested.into_iter().zip(streams) {
                let entries: Vec<Entry> = from_reply("XREVRANGE", Some(&stream))?;
                let oldest = (entries.len() == ENTRIES_AT_ONCE).then(|| entries.last().map(|entry| entry.0.clone()));
                let wanted = places.get(&partition).map(Vec::as_slice).unwrap_or_default();
                let is_short = take_newest(queues, wanted, partition, entries, limit, &mut recent.events)?;
                match oldest.flatten().filter(|_| is_short) {
                    Some(oldest) => drop(until.insert(partition, format!("({oldest}"))),
                    None => drop(until.remove(&partition)),
                }
            }
            if until.is_empty() {
                break;
            }
        }
        Ok(recent)
    }
}

/// Collects the events of the wanted queues from entries, newest first. `true` if one of the queues may have further
/// events.
fn take_newest(
    queues: &[Queue],
    wanted: &[usize],
    partition: u16,
    entries: Vec<Entry>,
    limit: usize,
    found: &mut [Vec<Event>],
) -> Result<bool, StoreError> {
    let by_name: BTreeMap<String, usize> =
        wanted.iter().filter_map(|place| Some((queues.get(*place)?.to_string(), *place))).collect();
    for entry in entries {
        for event in events_of(partition, entry)?.into_iter().rev() {
            let place = by_name.get(&event.queue);
            if let Some(events) = place.and_then(|place| found.get_mut(*place)).filter(|events| events.len() < limit) {
                events.push(event);
            }
        }
    }
    Ok(by_name.values().any(|place| found.get(*place).is_some_and(|events| events.len() < limit)))
}
