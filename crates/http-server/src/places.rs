//! The places of a listener: who has one, who is idle, and which connection is closed for a new one. Pure: [`Listener`](crate::Listener) acts.

use std::collections::{BTreeMap, HashMap};

use bursar_telemetry::ConnectionLimit;

use crate::peer::Peer;

/// The number of a connection's place.
pub(crate) type PlaceId = u64;

/// A limit that was reached counts as over once this part of its places is free, in eighths: a change is logged once, not per connection.
const FREE_AGAIN_EIGHTHS: usize = 1;

/// The places of one listener.
pub(crate) struct Places<C> {
    connections: usize,
    per_address: usize,
    /// Counts places and waits: both only rise.
    counted: u64,
    taken: HashMap<PlaceId, Place<C>>,
    /// The idle ones, by the count at which their wait began.
    idle: BTreeMap<u64, PlaceId>,
    peers: HashMap<Peer, OfPeer>,
    /// True since all places were taken, until enough are free.
    is_full: bool,
}

struct Place<C> {
    peer: Peer,
    idle_since: Option<u64>,
    /// The means to close the connection.
    close: C,
}

#[derive(Default)]
struct OfPeer {
    open: usize,
    idle: BTreeMap<u64, PlaceId>,
    is_full: bool,
}

/// A new connection's fate.
pub(crate) struct Admission<C> {
    /// The new connection's place, which is idle; none where it must be closed.
    pub(crate) place: Option<PlaceId>,
    /// The idle connection that must be closed for it.
    pub(crate) displaced: Option<C>,
    /// The limit that was reached.
    pub(crate) reached: Option<Reached>,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) limit: ConnectionLimit,
    /// True for the first connection that meets it since it was last over.
    pub(crate) is_news: bool,
}

impl<C> Places<C> {
    /// At most so many connections in all, and of each address.
    pub(crate) fn new(connections: usize, per_address: usize) -> Self {
        let (taken, idle, peers) = (HashMap::new(), BTreeMap::new(), HashMap::new());
        Self { connections, per_address, counted: 0, taken, idle, peers, is_full: false }
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.taken.len()
    }

    /// The number of connections that wait for their client.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// A place for a new connection of `peer`, by closing the one that has been idle longest where a limit is reached.
    pub(crate) fn admit(&mut self, peer: Peer, close: C) -> Admission<C> {
        let reached = self.reached(peer);
        let oldest = reached.and_then(|reached| self.oldest_idle(reached.limit, peer));
        if reached.is_some() && oldest.is_none() {
            return Admission { place: None, displaced: None, reached };
        }
        let displaced = oldest.and_then(|place| self.leave(place));
        let place = self.count();
        self.taken.insert(place, Place { peer, idle_since: None, close });
        self.peers.entry(peer).or_default().open += 1;
        self.rest(place);
        Admission { place: Some(place), displaced, reached }
    }

    fn reached(&mut self, peer: Peer) -> Option<Reached> {
        let is_bounded = self.per_address < self.connections;
        let of_peer = self.peers.get_mut(&peer).filter(|of_peer| is_bounded && of_peer.open >= self.per_address);
        if let Some(of_peer) = of_peer {
            let is_news = !std::mem::replace(&mut of_peer.is_full, true);
            return Some(Reached { limit: ConnectionLimit::Address, is_news });
        }
        (self.taken.len() >= self.connections).then(|| {
            let is_news = !std::mem::replace(&mut self.is_full, true);
            Reached { limit: ConnectionLimit::Places, is_news }
        })
    }

    fn oldest_idle(&self, limit: ConnectionLimit, peer: Peer) -> Option<PlaceId> {
        let idle = match limit {
            ConnectionLimit::Places => &self.idle,
            ConnectionLimit::Address => &self.peers.get(&peer)?.idle,
        };
        idle.first_key_value().map(|(_, place)| *place)
    }

    /// The connection of this place has a request that is whole, or that is being answered.
    pub(crate) fn work(&mut self, place: PlaceId) {
        let Some(taken) = self.taken.get_mut(&place) else { return };
        let Some(since) = taken.idle_since.take() else { return };
        self.idle.remove(&since);
        if let Some(of_peer) = self.peers.get_mut(&taken.peer) {
            of_peer.idle.remove(&since);
        }
    }

    /// The connection of this place waits for its client.
    pub(crate) fn rest(&mut self, place: PlaceId) {
        let now = self.count();
        let Some(taken) = self.taken.get_mut(&place).filter(|taken| taken.idle_since.is_none()) else { return };
        taken.idle_since = Some(now);
        self.idle.insert(now, place);
        self.peers.entry(taken.peer).or_default().idle.insert(now, place);
    }

    /// The connection of this place has ended, or must end. Returns the means to close it; `None` if it had left before.
    pub(crate) fn leave(&mut self, place: PlaceId) -> Option<C> {
        self.work(place); // out of the idle ones
        let Place { peer, close, .. } = self.taken.remove(&place)?;
        if self.taken.len() <= eased(self.connections) {
            self.is_full = false;
        }
        if let Some(of_peer) = self.peers.get_mut(&peer) {
            of_peer.open -= 1;
            of_peer.is_full &= of_peer.open > eased(self.per_address);
            if of_peer.open == 0 {
                self.peers.remove(&peer);
            }
        }
        Some(close)
    }

    fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }
}

/// The number of open connections at which a limit that was reached is over.
const fn eased(limit: usize) -> usize {
    limit.saturating_sub((limit * FREE_AGAIN_EIGHTHS).div_ceil(8))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::from(address.parse::<IpAddr>().unwrap())
    }

    /// A place is closed by its name.
    fn admitted(places: &mut Places<&'static str>, address: &str, name: &'static str) -> PlaceId {
        let admission = places.admit(peer(address), name);
        assert!(admission.displaced.is_none() && admission.reached.is_none(), "{name}");
        admission.place.unwrap()
    }

    #[test]
    fn the_longest_idle_connection_is_closed_for_a_new_one() {
        let mut places = Places::new(3, 10);
        let a = admitted(&mut places, "10.0.0.1", "a");
        let b = admitted(&mut places, "10.0.0.2", "b");
        let c = admitted(&mut places, "10.0.0.3", "c");
        places.work(a);
        places.work(c);
        places.rest(a); // idle since later than b
        let admission = places.admit(peer("10.0.0.4"), "d");
        assert_eq!((admission.displaced, places.open()), (Some("b"), 3));
        assert_eq!(places.leave(b), None, "it has left already");
        places.work(admission.place.unwrap());
        assert_eq!(places.admit(peer("10.0.0.5"), "e").displaced, Some("a"));
    }

    #[test]
    fn a_new_connection_is_refused_where_none_is_idle() {
        let mut places = Places::new(2, 10);
        for (address, name) in [("10.0.0.1", "a"), ("10.0.0.2", "b")] {
            let place = admitted(&mut places, address, name);
            places.work(place);
        }
        let admission = places.admit(peer("10.0.0.3"), "c");
        assert_eq!((admission.place, admission.displaced, places.open()), (None, None, 2));
        let reached = Reached { limit: ConnectionLimit::Places, is_news: true };
        assert_eq!(admission.reached, Some(reached));
    }

    #[test]
    fn an_address_at_its_limit_pays_with_its_own_connections() {
        let mut places = Places::new(10, 2);
        admitted(&mut places, "10.0.0.1", "theirs");
        let first = admitted(&mut places, "2001:db8::1", "first");
        admitted(&mut places, "2001:db8::2", "second");
        let admission = places.admit(peer("2001:db8::3"), "third");
        assert_eq!((admission.displaced, places.open()), (Some("first"), 3));
        let reached = Reached { limit: ConnectionLimit::Address, is_news: true };
        assert_eq!(admission.reached, Some(reached));
        assert_eq!(places.leave(first), None);
        admitted(&mut places, "2001:db8:0:1::1", "another network");
    }

    #[test]
    fn a_limit_is_news_once_until_an_eighth_is_free() {
        let mut places = Places::new(16, 100);
        let ids: Vec<PlaceId> = (0..16).map(|_| admitted(&mut places, "10.0.0.1", "x")).collect();
        let news = |places: &mut Places<&'static str>| places.admit(peer("10.0.0.2"), "y").reached.unwrap().is_news;
        assert!(news(&mut places) && !news(&mut places) && !news(&mut places));
        places.leave(ids[15]); // one place is free, and soon taken again
        admitted(&mut places, "10.0.0.2", "z");
        assert!(!news(&mut places));
        for id in &ids[10..15] {
            places.leave(*id);
        }
        for _ in 0..5 {
            admitted(&mut places, "10.0.0.2", "z");
        }
        assert!(news(&mut places));
    }

    #[test]
    fn an_address_that_left_is_forgotten() {
        let mut places = Places::new(10, 2);
        for _ in 0..1_000 {
            let place = admitted(&mut places, "10.0.0.1", "x");
            places.work(place);
            places.rest(place);
            assert!(places.leave(place).is_some());
        }
        assert!(places.peers.is_empty() && places.idle.is_empty() && places.taken.is_empty());
    }
}
