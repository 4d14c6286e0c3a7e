//! A circuit per lane: a gateway that is down, or that loses most answers, is probed and not hammered. Asks go on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::Answer;
use tokio::time::Instant;

/// Sends that are looked back on.
const WINDOW: usize = 20;

/// Sends that must have been seen before anything is concluded from them.
const ENOUGH: usize = 10;

/// The circuit opens when at least this many of a hundred sends came to nothing or were left in doubt.
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

    /// Takes note of what came of a send.
    pub(crate) fn sent(&self, answer: Answer, now: Instant) -> Option<Turn> {
        let of_use = match answer {
            Answer::NotExecuted | Answer::Silent => false,
            Answer::NotReady
            | Answer::ConfigFault
            | Answer::Refused
            | Answer::Accepted
            | Answer::Succeeded
            | Answer::Failed
            | Answer::Refunded
            | Answer::Unseen
            | Answer::Contradiction => true,
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
    use super::*;

    fn after(circuit: &Circuit, answers: &[Answer], now: Instant) -> Option<Turn> {
        answers.iter().filter_map(|answer| circuit.sent(*answer, now)).last()
    }

    #[test]
    fn it_opens_when_three_of_four_sends_come_to_nothing_and_not_before() {
        let now = Instant::now();
        let circuit = Circuit::default();
        assert_eq!(after(&circuit, &[Answer::NotExecuted; ENOUGH - 1], now), None, "too few to tell");
        assert_eq!(circuit.sent(Answer::NotExecuted, now), Some(Turn::Opened(RESTS.0)));
        assert_eq!(circuit.allowance(now), Allowance::NotBefore(now + RESTS.0));

        let mixed = Circuit::default();
        for _ in 0..50 {
            let half = [Answer::Silent, Answer::Accepted, Answer::Silent, Answer::Succeeded, Answer::Silent];
            assert_eq!(after(&mixed, &half, now), None, "three of five are borne");
        }
    }

    #[test]
    fn one_probe_after_each_rest_closes_it_or_doubles_the_rest() {
        let start = Instant::now();
        let circuit = Circuit::default();
        after(&circuit, &[Answer::Silent; ENOUGH], start);
        let (mut now, mut rest) = (start, RESTS.0);
        for _ in 0..8 {
            assert_eq!(circuit.sent(Answer::Silent, now), None, "what was out when it opened is no probe");
            now += rest;
            assert_eq!(circuit.allowance(now), Allowance::Probe);
            circuit.probing(now);
            assert_eq!(circuit.allowance(now), Allowance::NotBefore(now + PROBE_PATIENCE), "one at a time");
            rest = (rest * 2).min(RESTS.1);
            assert_eq!(circuit.sent(Answer::NotExecuted, now), Some(Turn::Opened(rest)));
        }
        now += rest;
        assert_eq!(circuit.sent(Answer::Accepted, now), Some(Turn::Closed));
        assert_eq!(circuit.allowance(now), Allowance::All);
    }

    #[test]
    fn refusals_are_answers_and_open_nothing() {
        let circuit = Circuit::default();
        assert_eq!(after(&circuit, &[Answer::Refused; WINDOW], Instant::now()), None);
    }
}
