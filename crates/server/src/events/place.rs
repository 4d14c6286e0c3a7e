//! Where a client is in the events: a place in each lane's stream, written as the id of every event.

use bursar_domain::Lane;
use bursar_store::{Event, EventId};

/// The longest id that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A place in the streams of some lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<(Lane, EventId)>);

impl Place {
    pub(super) fn at(places: Vec<(Lane, EventId)>) -> Self {
        Self(places)
    }

    /// Reads an id for these lanes: `0` is the beginning; a lane that it does not name is at its beginning, one that is not
    /// asked for is passed over. `None` when it is no id.
    pub(super) fn read(id: &str, lanes: &[Lane]) -> Option<Self> {
        let mut places: Vec<(Lane, EventId)> = lanes.iter().map(|lane| (lane.clone(), EventId::default())).collect();
        if id == "0" {
            return Some(Self(places));
        }
        if id.len() > MAX_BYTES {
            return None;
        }
        for part in id.split(',') {
            let (name, at) = part.split_once('=')?;
            let (name, at): (Lane, EventId) = (name.parse().ok()?, at.parse().ok()?);
            if let Some((_, place)) = places.iter_mut().find(|(lane, _)| *lane == name) {
                *place = at;
            }
        }
        Some(Self(places))
    }

    pub(super) fn lanes(&self) -> &[(Lane, EventId)] {
        &self.0
    }

    /// Goes on behind this event.
    pub(super) fn behind(&mut self, event: &Event) {
        if let Some((_, place)) = self.0.iter_mut().find(|(lane, _)| *lane == event.lane) {
            *place = event.id;
        }
    }
}

/// The lanes in which anything has happened, with their places.
impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut named = self.0.iter().filter(|(_, id)| *id != EventId::default()).peekable();
        if named.peek().is_none() {
            return out.write_str("0");
        }
        for (index, (lane, id)) in named.enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{lane}={id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Vec<Lane> {
        ["main/transfer", "shop/split"].map(|lane| lane.parse().unwrap()).to_vec()
    }

    #[test]
    fn a_place_reads_as_it_is_written_for_the_lanes_that_are_asked_for() {
        for id in ["0", "main/transfer=17-0", "main/transfer=17-0,shop/split=9-3"] {
            assert_eq!(Place::read(id, &lanes()).unwrap().to_string(), id);
        }
        let fewer = Place::read("main/transfer=17-0,shop/split=9-3", &lanes()[1..]).unwrap();
        assert_eq!(fewer.to_string(), "shop/split=9-3");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in ["", "1", "main/transfer", "main/transfer=x", "pay/transfer/=1-0", "main/transfer=1-0,"] {
            assert_eq!(Place::read(wrong, &lanes()), None, "{wrong}");
        }
    }
}
