//! Where a client is in the events: a place in each stream, written as the id of every event.

use bursar_store::{Event, EventId, Origin};

/// The longest id that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A place in some streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<(Origin, EventId)>);

impl Place {
    pub(super) fn at(places: Vec<(Origin, EventId)>) -> Self {
        Self(places)
    }

    /// Reads an id for these streams: `0` is the beginning; one that it does not name is at its beginning, one that is not
    /// asked for is passed over. `None` when it is no id.
    pub(super) fn read(id: &str, origins: &[Origin]) -> Option<Self> {
        let mut places: Vec<(Origin, EventId)> =
            origins.iter().map(|origin| (origin.clone(), EventId::default())).collect();
        if id == "0" {
            return Some(Self(places));
        }
        if id.len() > MAX_BYTES {
            return None;
        }
        for part in id.split(',') {
            let (name, at) = part.split_once('=')?;
            let (name, at): (Origin, EventId) = (name.parse().ok()?, at.parse().ok()?);
            if let Some((_, place)) = places.iter_mut().find(|(origin, _)| *origin == name) {
                *place = at;
            }
        }
        Some(Self(places))
    }

    pub(super) fn streams(&self) -> &[(Origin, EventId)] {
        &self.0
    }

    /// Goes on behind this event.
    pub(super) fn behind(&mut self, event: &Event) {
        if let Some((_, place)) = self.0.iter_mut().find(|(origin, _)| *origin == event.origin) {
            *place = event.id;
        }
    }
}

/// The streams in which anything has happened, with their places.
impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut named = self.0.iter().filter(|(_, id)| *id != EventId::default()).peekable();
        if named.peek().is_none() {
            return out.write_str("0");
        }
        for (index, (origin, id)) in named.enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{origin}={id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Vec<Origin> {
        ["main/transfer", "main/notify", "shop/split"].map(|name| name.parse().unwrap()).to_vec()
    }

    #[test]
    fn a_place_reads_as_it_is_written_for_the_streams_that_are_asked_for() {
        for id in ["0", "main/transfer=17-0", "main/transfer=17-0,shop/split=9-3", "main/notify=4-0"] {
            assert_eq!(Place::read(id, &origins()).unwrap().to_string(), id);
        }
        let fewer = Place::read("main/transfer=17-0,shop/split=9-3", &origins()[1..]).unwrap();
        assert_eq!(fewer.to_string(), "shop/split=9-3");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in ["", "1", "main/transfer", "main/transfer=x", "pay/transfer/=1-0", "main/transfer=1-0,"] {
            assert_eq!(Place::read(wrong, &origins()), None, "{wrong}");
        }
    }
}
