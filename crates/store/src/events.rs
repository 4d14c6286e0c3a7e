//! The streams of events, of each lane and of each account's notifications: what changed, in the order in which it did; read
//! from any place on, and watched.

use std::str::FromStr;

use bursar_domain::{IdError, Key, Millis};
use redis::Pipeline;

use crate::link::Connection;
use crate::{Origin, Store, StoreError};

/// How long one look at the streams waits for news. Shorter than the time a command may take.
const BLOCK_MS: usize = 1_000;

/// Events of one stream that one look takes.
const TAKEN: usize = 1_000;

/// A place in one stream; the default is before everything.
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

/// One event: a job's new state (`key`, `state`), what became of a lane (`lane`, `why`), or a notification that is kept
/// (`notification`, `method`, `outcome`, and the `kind` of the job that it names).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in its stream.
    pub id: EventId,
    /// Whose stream that is.
    pub origin: Origin,
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

/// A watch over some streams, on a connection of its own. It goes on after errors where it was.
pub struct EventWatch {
    connection: Connection,
    streams: Vec<String>,
    places: Vec<(Origin, EventId)>,
}

type Entry = (String, Vec<(String, String)>);

impl Store {
    /// The events behind these places, at most `limit` of each stream; sorted by time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(&self, places: &[(Origin, EventId)], limit: usize) -> Result<Vec<Event>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (origin, behind) in places {
            let stream = self.keys.set(origin, "events");
            pipeline.cmd("XRANGE").arg(stream).arg(format!("({behind}")).arg("+").arg("COUNT").arg(limit);
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let mut events = Vec::new();
        for ((origin, _), entries) in places.iter().zip(replies) {
            for entry in entries {
                events.push(event(origin, entry)?);
            }
        }
        events.sort_by(|left, right| (left.id, &left.origin).cmp(&(right.id, &right.origin)));
        Ok(events)
    }

    /// The place of each stream's newest event; before everything where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_events(&self, origins: &[Origin]) -> Result<Vec<(Origin, EventId)>, StoreError> {
        if origins.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for origin in origins {
            pipeline.cmd("XREVRANGE").arg(self.keys.set(origin, "events")).arg("+").arg("-").arg("COUNT").arg(1);
        }
        let replies: Vec<Vec<Entry>> = self.query("XREVRANGE", &pipeline).await?;
        let newest = origins.iter().zip(replies).map(|(origin, entries)| {
            let id = entries.first().map(|(id, _)| id.parse().map_err(|_| unreadable(id))).transpose()?;
            Ok((origin.clone(), id.unwrap_or_default()))
        });
        newest.collect()
    }

    /// Those among these whose event at this place is no longer there: the stream keeps so many, and what came right
    /// after it may be gone as well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forgotten_events(&self, places: &[(Origin, EventId)]) -> Result<Vec<Origin>, StoreError> {
        let asked: Vec<&(Origin, EventId)> = places.iter().filter(|(_, id)| *id != EventId::default()).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (origin, id) in &asked {
            pipeline.cmd("XRANGE").arg(self.keys.set(origin, "events")).arg(id.to_string()).arg(id.to_string());
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let gone = asked.into_iter().zip(replies).filter(|(_, entries)| entries.is_empty());
        Ok(gone.map(|((origin, _), _)| origin.clone()).collect())
    }

    /// Watches these streams from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watch_events(&self, origins: &[Origin]) -> Result<EventWatch, StoreError> {
        let places = self.newest_events(origins).await?;
        let streams = origins.iter().map(|origin| self.keys.set(origin, "events")).collect();
        Ok(EventWatch { connection: self.dedicated_connection()?, streams, places })
    }
}

impl EventWatch {
    /// The next events, stream by stream; none when nothing happens for a second.
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
            let Some((origin, place)) = self.places.get_mut(index) else { continue };
            for entry in entries {
                let event = event(origin, entry)?;
                *place = event.id;
                events.push(event);
            }
        }
        Ok(events)
    }
}

pub(crate) fn event(origin: &(impl Clone + Into<Origin>), (id, fields): Entry) -> Result<Event, StoreError> {
    Ok(Event { id: id.parse().map_err(|_| unreadable(&id))?, origin: origin.clone().into(), fields })
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
