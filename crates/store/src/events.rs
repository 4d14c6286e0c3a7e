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
    /// The number of its entry among those of the same millisecond.
    pub number: u64,
    /// Its place in that entry: what one commit changed stands together.
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
            // From its own entry on, of which there may be more.
            pipeline.cmd("XRANGE").arg(stream).arg(behind.entry()).arg("+").arg("COUNT").arg(limit.saturating_add(1));
        }
        let replies: Vec<Vec<Entry>> = self.query("XRANGE", &pipeline).await?;
        let mut events = Vec::new();
        for ((origin, behind), entries) in places.iter().zip(replies) {
            let mut of_stream = Vec::new();
            for entry in entries {
                of_stream.extend(events_of(origin, entry)?.into_iter().filter(|event| event.id > *behind));
            }
            of_stream.truncate(limit);
            events.append(&mut of_stream);
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
            let newest = entries.into_iter().next().map(|entry| events_of(origin, entry)).transpose()?;
            let newest = newest.and_then(|events| events.last().map(|event| event.id));
            Ok((origin.clone(), newest.unwrap_or_default()))
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
            pipeline.cmd("XRANGE").arg(self.keys.set(origin, "events")).arg(id.entry()).arg(id.entry());
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
        Ok(EventWatch { connection: self.dedicated_connection(), streams, places })
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
            command.arg(place.entry());
        }
        let reply: Option<Vec<(String, Vec<Entry>)>> =
            command.query_async(&mut self.connection).await.map_err(|source| StoreError::of("XREAD", source))?;
        let mut events = Vec::new();
        for (stream, entries) in reply.unwrap_or_default() {
            let Some(index) = self.streams.iter().position(|known| *known == stream) else { continue };
            let Some((origin, place)) = self.places.get_mut(index) else { continue };
            for entry in entries {
                for event in events_of(origin, entry)? {
                    *place = event.id;
                    events.push(event);
                }
            }
        }
        Ok(events)
    }
}

/// An entry's events, in their order: each that is about a job begins with its key.
pub(crate) fn events_of(origin: &(impl Clone + Into<Origin>), (id, fields): Entry) -> Result<Vec<Event>, StoreError> {
    let entry: EventId = id.parse().map_err(|_| unreadable(&id))?;
    let mut events: Vec<Event> = Vec::new();
    for field in fields {
        match events.last_mut() {
            Some(event) if field.0 != "key" => event.fields.push(field),
            Some(_) | None => {
                let part = u64::try_from(events.len()).unwrap_or(u64::MAX);
                events.push(Event {
                    id: EventId { part, ..entry },
                    origin: origin.clone().into(),
                    fields: vec![field],
                });
            }
        }
    }
    Ok(events)
}

fn unreadable(id: &str) -> StoreError {
    StoreError::Unreadable { what: "an event".into(), detail: format!("{id:?} is no id") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written_and_sorts_by_time() {
        let [id, second] = ["1732571335000-7", "1732571335000-7.1"].map(|text| {
            let id: EventId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            id
        });
        assert!(id > "1732571334999-9".parse().unwrap() && id > EventId::default());
        assert!(second > id && second < "1732571335000-8".parse().unwrap());
        for wrong in ["", "1", "-1", "1-", "a-1", "1-1-1", "1-1.", "1-.1", "1.1-1"] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }
}
