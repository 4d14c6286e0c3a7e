//! A circuit per lane: a gateway that is down, or most of whose responses are lost, is probed and not hammered. Asks go on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::Received;
use tokio::time::Instant;

/// Sends that are looked back on.
const WINDOW: usize = 20;

/// Sends that must have been seen before anything is concluded from them.
const ENOUGH: usize = 10;

/// The circuit opens when at least this many of a hundred sends got no response that can be relied on.
const TOO_MANY_PERCENT: usize = 75;

/// The first rest after it opens, and the longest: it doubles with every probe that fails.
const RESTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A probe that has told nothing for so long was given back, or its worker's code failed: another one may go.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);

/// How many sends a lane may claim now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// As many as there is room for.
    All,
    /// One, to see whether the gateway is back.
    Probe,
    /// None before this moment.
    NotBefore(Instant),
}

/// What changed, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Opened(Duration),
    Closed,
}

/// One lane's circuit.
#[derive(Default)]
pub(crate) struct Circuit {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Whether each of the last sends was of use.
    window: VecDeque<bool>,
    open: Option<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    until: Instant,
    rest: Duration,
    probe: Option<Instant>,
}

impl Circuit {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn allowance(&self, now: Instant) -> Allowance {
        let Some(open) = self.lock().open else { return Allowance::All };
        let rested = open.probe.map_or(open.until, |probe| probe + PROBE_PATIENCE);
        if now < rested { Allowance::NotBefore(rested) } else { Allowance::Probe }
    }

    /// A send was claimed as a probe: no other one until it has told.
    pub(crate) fn probing(&self, now: Instant) {
        if let Some(open) = &mut self.lock().open {
            open.probe = Some(now);
        }
    }

    /// Takes note of a send. It counts against the gateway that nothing came of it which can be relied on; what a response said
    /// does not: one whose code nobody knows is its job's trouble, and comes from a gateway that works.
    pub(crate) fn sent(&self, received: Received, now: Instant) -> Option<Turn> {
        let of_use = match received {
            Received::Response => true,
            Received::Nothing => false,
        };
        let mut inner = self.lock();
        match (inner.open, of_use) {
            (Some(_), true) => {
                *inner = Inner::default();
                Some(Turn::Closed)
            }
            (Some(open), false) if open.probe.is_some() => Some(inner.rest(now, (open.rest * 2).min(RESTS.1))),
            (Some(_), false) => None, // it was out when the circuit opened, and says nothing new
            (None, _) => {
                inner.window.push_back(of_use);
                if inner.window.len() > WINDOW {
                    inner.window.pop_front();
                }
                let (seen, useless) = (inner.window.len(), inner.window.iter().filter(|of_use| !**of_use).count());
                (seen >= ENOUGH && useless * 100 >= seen * TOO_MANY_PERCENT).then(|| inner.rest(now, RESTS.0))
            }
        }
    }
}

impl Inner {
    fn rest(&mut self, now: Instant, rest: Duration) -> Turn {
        self.window.clear();
        self.open = Some(Open { until: now + rest, rest, probe: None });
        Turn::Opened(rest)
    }
}

#[cfg(test)]
mod tests {
    use Received::{Nothing, Response};

    use super::*;

    fn after(circuit: &Circuit, received: &[Received], now: Instant) -> Option<Turn> {
        received.iter().filter_map(|received| circuit.sent(*received, now)).last()
    }

    #[test]
    fn it_opens_when_three_of_four_sends_get_no_response_and_not_before() {
        let now = Instant::now();
        let circuit = Circuit::default();
        assert_eq!(after(&circuit, &[Nothing; ENOUGH - 1], now), None, "too few to tell");
        assert_eq!(circuit.sent(Nothing, now), Some(Turn::Opened(RESTS.0)));
        assert_eq!(circuit.allowance(now), Allowance::NotBefore(now + RESTS.0));

        let mixed = Circuit::default();
        for _ in 0..50 {
            let half = [Nothing, Response, Nothing, Response, Nothing];
            assert_eq!(after(&mixed, &half, now), None, "three of five are borne");
        }
    }

    #[test]
    fn one_probe_after_each_rest_closes_it_or_doubles_the_rest() {
        let start = Instant::now();
        let circuit = Circuit::default();
        after(&circuit, &[Nothing; ENOUGH], start);
        let (mut now, mut rest) = (start, RESTS.0);
        for _ in 0..8 {
            assert_eq!(circuit.sent(Nothing, now), None, "what was out when it opened is no probe");
            now += rest;
            assert_eq!(circuit.allowance(now), Allowance::Probe);
            circuit.probing(now);
            assert_eq!(circuit.allowance(now), Allowance::NotBefore(now + PROBE_PATIENCE), "one at a time");
            rest = (rest * 2).min(RESTS.1);
            assert_eq!(circuit.sent(Nothing, now), Some(Turn::Opened(rest)));
        }
        now += rest;
        assert_eq!(circuit.sent(Response, now), Some(Turn::Closed));
        assert_eq!(circuit.allowance(now), Allowance::All);
    }

    #[test]
    fn responses_open_nothing_whatever_they_say_and_one_closes_it() {
        let circuit = Circuit::default();
        assert_eq!(after(&circuit, &[Response; WINDOW * 2], Instant::now()), None);
        let now = Instant::now();
        after(&circuit, &[Nothing; WINDOW], now);
        assert_eq!(circuit.sent(Response, now), Some(Turn::Closed), "also one that was out when it opened");
        assert_eq!(circuit.allowance(now), Allowance::All);
    }
}
