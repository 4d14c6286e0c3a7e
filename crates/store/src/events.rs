//! The lanes' streams of events: what changed, in the order in which it did; read from any place on, and watched.

use std::str::FromStr;

use bursar_domain::{IdError, Key, Lane, Millis};
use redis::Pipeline;

use crate::link::Connection;
use crate::{Store, StoreError};

/// How long one look at the streams waits for news. Shorter than the time a command may take.
const BLOCK_MS: usize = 1_000;

/// Events of one lane that one look takes.
const TAKEN: usize = 1_000;

/// A place in one lane's stream; the default is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// When it happened.
    pub at: Millis,
    /// Its number among those of the same millisecond.
    pub number: u64,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}-{}", self.at.0, self.number)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let (at, number) = text.split_once('-')?;
            Some(Self { at: Millis(at.parse().ok()?), number: number.parse().ok()? })
        };
        read().ok_or(IdError("an event's id is written MILLISECONDS-NUMBER"))
    }
}

/// One event: a job's new state (`key`, `state`), or what became of a lane (`lane`, `why`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the lane's stream.
    pub id: EventId,
    /// Of which lane.
    pub lane: Lane,
    /// Its fields in their order.
    pub fields: Vec<(String, String)>,
}

impl Event {
    /// The job that it is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        self.fields.iter().find(|(name, _)| name == "key").and_then(|(_, key)| key.parse().ok())
    }
}

/// A watch over some lanes' streams, on a connection of its own. It goes on after errors where it was.
pub struct EventWatch {
    connection: Connection,
    streams: Vec<String>,
    places: Vec<(Lane, EventId)>,
}

type Entry = (String, Vec<(String, String)>);

impl Store {
    /// The events of these lanes behind these places, at most `limit` of each lane; sorted by time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(&self, places: &[(Lane, EventId)], limit: usize) -> Result<Vec<Event>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (lane, behind) in places {
            let stream = self.keys.set(lane, "events");
            pipeline.cmd("XRANGE").arg(stream).arg(format!("({behind}")).arg("+").arg("COUNT").arg(limit);
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let mut events = Vec::new();
        for ((lane, _), entries) in places.iter().zip(replies) {
            for entry in entries {
                events.push(event(lane, entry)?);
            }
        }
        events.sort_by(|left, right| (left.id, &left.lane).cmp(&(right.id, &right.lane)));
        Ok(events)
    }

    /// The place of each lane's newest event; before everything where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_events(&self, lanes: &[Lane]) -> Result<Vec<(Lane, EventId)>, StoreError> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for lane in lanes {
            pipeline.cmd("XREVRANGE").arg(self.keys.set(lane, "events")).arg("+").arg("-").arg("COUNT").arg(1);
        }
        let replies: Vec<Vec<Entry>> = self.query("XREVRANGE", &pipeline).await?;
        let newest = lanes.iter().zip(replies).map(|(lane, entries)| {
            let id = entries.first().map(|(id, _)| id.parse().map_err(|_| unreadable(id))).transpose()?;
            Ok((lane.clone(), id.unwrap_or_default()))
        });
        newest.collect()
    }

    /// The lanes among these whose event at this place is no longer there: the stream keeps so many, and what came right
    /// after it may be gone as well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forgotten_events(&self, places: &[(Lane, EventId)]) -> Result<Vec<Lane>, StoreError> {
        let asked: Vec<&(Lane, EventId)> = places.iter().filter(|(_, id)| *id != EventId::default()).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (lane, id) in &asked {
            pipeline.cmd("XRANGE").arg(self.keys.set(lane, "events")).arg(id.to_string()).arg(id.to_string());
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let gone = asked.into_iter().zip(replies).filter(|(_, entries)| entries.is_empty());
        Ok(gone.map(|((lane, _), _)| lane.clone()).collect())
    }

    /// Watches these lanes from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watch_events(&self, lanes: &[Lane]) -> Result<EventWatch, StoreError> {
        let places = self.newest_events(lanes).await?;
        let streams = lanes.iter().map(|lane| self.keys.set(lane, "events")).collect();
        Ok(EventWatch { connection: self.dedicated_connection()?, streams, places })
    }
}

impl EventWatch {
    /// The next events, sorted by lane; none when nothing happens for a second.
    ///
    /// # Errors
    /// [`StoreError`]: wait a moment and call again.
    pub async fn next(&mut self) -> Result<Vec<Event>, StoreError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(TAKEN).arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(&self.streams);
        for (_, place) in &self.places {
            command.arg(place.to_string());
        }
        let reply: Option<Vec<(String, Vec<Entry>)>> =
            command.query_async(&mut self.connection).await.map_err(|source| StoreError::of("XREAD", source))?;
        let mut events = Vec::new();
        for (stream, entries) in reply.unwrap_or_default() {
            let Some(index) = self.streams.iter().position(|known| *known == stream) else { continue };
            let Some((lane, place)) = self.places.get_mut(index) else { continue };
            for entry in entries {
                let event = event(lane, entry)?;
                *place = event.id;
                events.push(event);
            }
        }
        Ok(events)
    }
}

pub(crate) fn event(lane: &Lane, (id, fields): Entry) -> Result<Event, StoreError> {
    Ok(Event { id: id.parse().map_err(|_| unreadable(&id))?, lane: lane.clone(), fields })
}

fn unreadable(id: &str) -> StoreError {
    StoreError::Unreadable { what: "an event".into(), detail: format!("{id:?} is no id") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written_and_sorts_by_time() {
        let id: EventId = "1732571335000-7".parse().unwrap();
        assert_eq!(id.to_string(), "1732571335000-7");
        assert!(id > "1732571334999-9".parse().unwrap() && id > EventId::default());
        for wrong in ["", "1", "-1", "1-", "a-1", "1-1-1"] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }
}
