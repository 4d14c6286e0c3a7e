//! Where a client is in the events: a place in the stream of each partition, written as the id of every event.

use bursar_store::{Event, EventId};

/// The longest id that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A place in some partitions' streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<(u16, EventId)>);

impl Place {
    pub(super) fn at(places: Vec<(u16, EventId)>) -> Self {
        Self(places)
    }

    /// Reads an id for these partitions: `0` is the beginning. A partition that the id does not name is at its beginning; a partition that is
    /// not wanted is ignored. `None` if the text is no id.
    pub(super) fn read(id: &str, partitions: &[u16]) -> Option<Self> {
        let mut places: Vec<(u16, EventId)> =
            partitions.iter().map(|partition| (*partition, EventId::default())).collect();
        if id == "0" {
            return Some(Self(places));
        }
        if id.len() > MAX_BYTES {
            return None;
        }
        for part in id.split(',') {
            let (name, at) = part.split_once('=')?;
            let (name, at): (u16, EventId) = (name.parse().ok()?, at.parse().ok()?);
            if let Some((_, place)) = places.iter_mut().find(|(partition, _)| *partition == name) {
                *place = at;
            }
        }
        Some(Self(places))
    }

    pub(super) fn streams(&self) -> &[(u16, EventId)] {
        &self.0
    }

    /// Continues behind this event.
    pub(super) fn behind(&mut self, event: &Event) {
        if let Some(place) = self.of(event.partition) {
            *place = event.id;
        }
    }

    /// Continues behind this event at the latest.
    pub(super) fn no_later_than(&mut self, partition: u16, latest: EventId) {
        if let Some(place) = self.of(partition) {
            *place = latest.min(*place);
        }
    }

    fn of(&mut self, partition: u16) -> Option<&mut EventId> {
        self.0.iter_mut().find(|(known, _)| *known == partition).map(|(_, place)| place)
    }
}

/// The partitions in which anything has happened, with their places.
impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut named = self.0.iter().filter(|(_, id)| *id != EventId::default()).peekable();
        if named.peek().is_none() {
            return out.write_str("0");
        }
        for (index, (partition, id)) in named.enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{partition}={id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bursar_domain::Millis;

    use super::*;

    #[test]
    fn a_place_reads_back_for_the_requested_partitions() {
        for id in ["0", "7=17-0", "7=17-0,31=9-3.2", "12=4-0"] {
            assert_eq!(Place::read(id, &[7, 12, 31]).unwrap().to_string(), id);
        }
        let fewer = Place::read("7=17-0,31=9-3", &[12, 31]).unwrap();
        assert_eq!(fewer.to_string(), "31=9-3");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in ["", "1", "7", "7=x", "main/transfer=1-0", "7=1-0,", "-1=1-0", "70000=1-0"] {
            assert_eq!(Place::read(wrong, &[7]), None, "{wrong}");
        }
    }

    #[test]
    fn a_place_moves_past_an_event_and_back_to_the_oldest_left() {
        let mut place = Place::read("7=17-0", &[7]).unwrap();
        let id = |text: &str| text.parse::<EventId>().unwrap();
        place.behind(&Event { id: id("20-1.3"), partition: 7, queue: "main/transfer".into(), fields: Vec::new() });
        assert_eq!(place.to_string(), "7=20-1.3");
        place.no_later_than(7, id("25-0"));
        assert_eq!(place.to_string(), "7=20-1.3");
        place.no_later_than(7, EventId { at: Millis(19), ..EventId::default() });
        assert_eq!(place.to_string(), "7=19-0");
    }
}
