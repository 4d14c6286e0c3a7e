//! The times at which origins are visited next. It contains only origins with known work, so idle origins cost nothing.

use std::collections::{BTreeSet, HashMap};

use bursar_store::Origin;
use tokio::time::Instant;

/// Origins by the time of their next visit.
#[derive(Default)]
pub(crate) struct Agenda {
    times: HashMap<Origin, Instant>,
    order: BTreeSet<(Instant, Origin)>,
}

impl Agenda {
    /// Schedules a visit of an origin at this time or earlier.
    pub(crate) fn bring_forward(&mut self, origin: &Origin, at: Instant) {
        match self.times.get(origin) {
            Some(known) if *known <= at => return,
            Some(known) => drop(self.order.remove(&(*known, origin.clone()))),
            None => {}
        }
        self.times.insert(origin.clone(), at);
        self.order.insert((at, origin.clone()));
    }

    /// Takes out the origin whose time came first, if any has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Origin> {
        let (at, origin) = self.order.pop_first()?;
        if at > now {
            self.order.insert((at, origin));
            return None;
        }
        self.times.remove(&origin);
        Some(origin)
    }

    /// Forgets the visits of other origins.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Origin) -> bool) {
        self.times.retain(|origin, _| keep(origin));
        self.order.retain(|(_, origin)| keep(origin));
    }

    /// The time of the next visit.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_one_that_is_longest_due_comes_first_and_once() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        let second = Duration::from_secs(1);
        let [a, b]: [Origin; 2] = ["a/transfer", "b/notify"].map(|name| name.parse().unwrap());
        agenda.bring_forward(&a, now + 3 * second);
        agenda.bring_forward(&b, now + 2 * second);
        agenda.bring_forward(&a, now + 5 * second); // later than it is known to be due
        assert_eq!((agenda.next(), agenda.take_due(now + second)), (Some(now + 2 * second), None));
        agenda.bring_forward(&a, now + second);
        let c: Origin = "c/transfer".parse().unwrap();
        agenda.bring_forward(&c, now);
        agenda.retain(|origin| *origin != c);
        assert_eq!(agenda.take_due(now + 9 * second), Some(a));
        assert_eq!(agenda.take_due(now + 9 * second), Some(b));
        assert_eq!((agenda.take_due(now + 9 * second), agenda.next()), (None, None));
    }
}
