//! The streams of events, one of each partition: changes in its queues, in order; read from any position on, and
//! watched. An entry is `queue Q STATE "K1 K2 …"` for jobs that reached that state, or `queue Q event … reason …`.

use std::str::FromStr;

use bursar_domain::{IdError, Key, Millis, Queue, Reason, State};
use redis::Pipeline;

use super::read::lossy;
use crate::Store;
use crate::StoreError;
use crate::reconnecting::Connection;

/// The longest time that one read of the streams blocks. Shorter than the time limit of a command.
const BLOCK_MS: usize = 1_000;

/// Entries of one stream that one look takes.
const TAKEN: usize = 1_000;

/// A place in one stream; the default is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The time at which it happened.
    pub at: Millis,
    /// The number of its entry among those of the same millisecond.
    pub number: u64,
    /// Its position in that entry: one commit's changes share an entry.
    pub part: u64,
}

impl EventId {
    /// Its entry, by the stream's own id.
    pub(crate) fn entry(&self) -> String {
        format!("{}-{}", self.at.0, self.number)
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.entry())?;
        if self.part > 0 { write!(out, ".{}", self.part) } else { Ok(()) }
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let (at, place) = text.split_once('-')?;
            let (number, part) = place.split_once('.').unwrap_or((place, "0"));
            Some(Self { at: Millis(at.parse().ok()?), number: number.parse().ok()?, part: part.parse().ok()? })
        };
        read().ok_or(IdError::new("an event's id is written MILLISECONDS-NUMBER or MILLISECONDS-NUMBER.PART"))
    }
}

/// One event: a job's new state (`key`, `state`), or a queue's change (`event`, `reason`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in its partition's stream.
    pub id: EventId,
    /// The partition.
    pub partition: u16,
    /// The queue's name, as the entry has it.
    pub queue: String,
    /// Its fields in their order.
    pub fields: Vec<(String, String)>,
}

impl Event {
    /// The queue; `None` for an entry that names none.
    #[must_use]
    pub fn queue(&self) -> Option<Queue> {
        self.queue.parse().ok()
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The key of the job that it is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        self.field("key")?.parse().ok()
    }

    /// The job's new state.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.field("state")?.parse().ok()
    }

    /// The reason for the queue's change.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.field("reason").map(Reason::read)
    }
}

/// A watch over the streams of all partitions, on a separate connection. After an error it continues from its position.
pub struct EventWatch {
    connection: Connection,
    streams: Vec<String>,
    places: Vec<(u16, EventId)>,
}

/// A stream's entry: its id, and names and values in turns.
pub(crate) type Entry = (String, Vec<(Vec<u8>, Vec<u8>)>);

impl Store {
    /// The partition whose stream has the events of a queue, or of an account's notifications.
    #[must_use]
    pub fn partition_of(&self, queue: &impl std::fmt::Display) -> u16 {
        self.queues.partition_of(queue)
    }

    /// All partitions.
    #[must_use]
    pub fn partitions(&self) -> Vec<u16> {
        self.queues.partitions().collect()
    }

    /// The events of all queues of these partitions after these positions, at most `limit` of each partition; sorted by
    /// time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(&self, places: &[(u16, EventId)], limit: usize) -> Result<Vec<Event>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (partition, behind) in places {
            // From its own entry on, of which there may be more.
            pipeline.cmd("XRANGE").arg(self.queues.events(*partition)).arg(behind.entry()).arg("+");
            pipeline.arg("COUNT").arg(limit.saturating_add(1));
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let mut events = Vec::new();
        for ((partition, behind), entries) in places.iter().zip(replies) {
            let mut of_stream = Vec::new();
            for entry in entries {
                of_stream.extend(events_of(*partition, entry)?.into_iter().filter(|event| event.id > *behind));
            }
            of_stream.truncate(limit);
            events.append(&mut of_stream);
        }
        events.sort_by_key(|event| (event.id, event.partition));
        Ok(events)
    }

    /// The position of each partition's newest event; the beginning if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_events(&self, partitions: &[u16]) -> Result<Vec<(u16, EventId)>, StoreError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for partition in partitions {
            pipeline.cmd("XREVRANGE").arg(self.queues.events(*partition)).arg("+").arg("-").arg("COUNT").arg(1);
        }
        let replies: Vec<Vec<Entry>> = self.query("XREVRANGE", &pipeline).await?;
        let newest = partitions.iter().zip(replies).map(|(partition, entries)| {
            let newest = entries.into_iter().next().map(|entry| events_of(*partition, entry)).transpose()?;
            Ok((*partition, newest.and_then(|events| events.last().map(|event| event.id)).unwrap_or_default()))
        });
        newest.collect()
    }

    /// The partitions among these whose event at this position is gone: a stream keeps a bounded number, so later
    /// events may be gone as well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forgotten_events(&self, places: &[(u16, EventId)]) -> Result<Vec<u16>, StoreError> {
        let requested: Vec<&(u16, EventId)> = places.iter().filter(|(_, id)| *id != EventId::default()).collect();
        if requested.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (partition, id) in &requested {
            pipeline.cmd("XRANGE").arg(self.queues.events(*partition)).arg(id.entry()).arg(id.entry());
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let gone = requested.into_iter().zip(replies).filter(|(_, entries)| entries.is_empty());
        Ok(gone.map(|((partition, _), _)| *partition).collect())
    }

    /// Watches the streams of all partitions from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watch_events(&self) -> Result<EventWatch, StoreError> {
        let places = self.newest_events(&self.partitions()).await?;
        let streams = self.queues.partitions().map(|partition| self.queues.events(partition)).collect();
        Ok(EventWatch { connection: self.dedicated_connection(), streams, places })
    }
}

impl EventWatch {
    /// The next events, stream by stream; none if nothing happens for a second.
    ///
    /// # Errors
    /// [`StoreError`]: wait a moment and call again.
    pub async fn next(&mut self) -> Result<Vec<Event>, StoreError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(TAKEN).arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(&self.streams);
        for (_, place) in &self.places {
            command.arg(place.entry());
        }
        let reply: Option<Vec<(String, Vec<Entry>)>> =
            command.query_async(&mut self.connection).await.map_err(|source| StoreError::of("XREAD", source))?;
        let mut events = Vec::new();
        for (stream, entries) in reply.unwrap_or_default() {
            let Some(index) = self.streams.iter().position(|known| *known == stream) else { continue };
            let Some((partition, place)) = self.places.get_mut(index) else { continue };
            for entry in entries {
                for event in events_of(*partition, entry)? {
                    *place = event.id;
                    events.push(event);
                }
            }
        }
        Ok(events)
    }
}

/// An entry's events, in order. An entry that this build cannot read is an event as well, so that readers continue
/// after it.
pub(crate) fn events_of(partition: u16, (id, fields): Entry) -> Result<Vec<Event>, StoreError> {
    let entry: EventId = id.parse().map_err(|_| unreadable(&id))?;
    let mut fields = fields.into_iter().map(|(name, value)| (lossy(name), lossy(value))).peekable();
    let queue = fields.next_if(|(name, _)| name == "queue").map(|(_, queue)| queue).unwrap_or_default();
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        if name.parse::<State>().is_ok() {
            let of_key = |key: &str| vec![("key".to_owned(), key.to_owned()), ("state".to_owned(), name.clone())];
            found.extend(value.split(' ').map(of_key));
        } else {
            others.push((name, value));
        }
    }
    if found.is_empty() || !others.is_empty() {
        found.push(others);
    }
    let event = |(part, fields)| Event { id: EventId { part, ..entry }, partition, queue: queue.clone(), fields };
    Ok((0..).zip(found).map(event).collect())
}

fn unreadable(id: &str) -> StoreError {
    StoreError::Unreadable { what: "an event".into(), detail: format!("{id:?} is no id") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(words: &[&str]) -> Entry {
        let word = |at: usize| words[at].as_bytes().to_vec();
        ("5-1".into(), (0..words.len() / 2).map(|at| (word(2 * at), word(2 * at + 1))).collect())
    }

    #[test]
    fn an_entry_is_one_event_for_each_job_or_one_of_the_queue() {
        let events = events_of(7, entry(&["queue", "main/transfer", "failed", "A B", "pending", "C"])).unwrap();
        let seen: Vec<_> = events.iter().map(|event| (event.id.to_string(), event.key(), event.state())).collect();
        let key = |text: &str| text.parse().ok();
        assert_eq!(
            seen,
            [
                ("5-1".to_owned(), key("A"), Some(State::Failed)),
                ("5-1.1".to_owned(), key("B"), Some(State::Failed)),
                ("5-1.2".to_owned(), key("C"), Some(State::Pending)),
            ]
        );
        assert!(events.iter().all(|event| event.queue() == "main/transfer".parse().ok() && event.partition == 7));
        let reason = Reason::LostWrites.recorded();
        let paused =
            events_of(7, entry(&["queue", "main/transfer", "event", "paused", "reason", &reason])).unwrap().remove(0);
        assert_eq!((paused.field("event"), paused.reason()), (Some("paused"), Some(Reason::LostWrites)));
        let given_up =
            events_of(7, entry(&["queue", "main/transfer", "event", "webhook_given_up", "key", "A"])).unwrap();
        assert_eq!(given_up.len(), 1);
        assert_eq!((given_up[0].field("event"), given_up[0].key()), (Some("webhook_given_up"), key("A")));
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_an_event_too() {
        for words in [&["queue", "main/transfer"][..], &["what", "ever"], &["key", "A", "queue", "main/transfer"]] {
            let events = events_of(0, entry(words)).unwrap();
            assert_eq!((events.len(), events[0].id.to_string().as_str()), (1, "5-1"), "{words:?}");
        }
        assert_eq!(events_of(0, ("5-1".into(), vec![(vec![0xff], vec![0xfe])])).unwrap().len(), 1);
    }
}
