//! A circuit per queue: a gateway that is down, or most of whose responses are lost, gets single probes only. Queries
//! go on.
//!
//! A gateway is not down because one merchant's responses cannot be read. If other groups get responses, only that
//! merchant's group is blocked; if no other group sends, the next probe is taken from another group as soon as there is
//! one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::Received;
use tokio::time::Instant;

/// Sends that are looked back on.
const WINDOW: usize = 20;

/// The number of sends before the circuit can open.
const ENOUGH: usize = 10;

/// The circuit opens if at least this many of a hundred sends got no reliable response.
const TOO_MANY_PERCENT: usize = 75;

/// The first pause after it opens, and the longest: it doubles with every probe that fails.
const RESTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The longest pause if only one group was seen: jobs of another group that arrive meanwhile must soon be able to show
/// that the gateway works.
const LONGEST_FOR_ONE_GROUP: Duration = Duration::from_secs(5);

/// A probe without a result for this long was released, or its handler failed: another one may go.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// The greatest number of groups that are tracked. Only groups whose last sends got no response are.
const GROUPS: usize = 1_000;

/// The number of sends that a queue may claim now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendBudget {
    /// As many as there is room for.
    All,
    /// One, to test if the gateway is back.
    Probe,
    /// None before this moment.
    NotBefore(Instant),
}

/// The change, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CircuitChange {
    Opened(Duration),
    Closed,
    /// The sends of one group are blocked.
    GroupBlocked(Duration),
}

/// One queue's circuit.
#[derive(Default)]
pub(crate) struct CircuitBreaker {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The last sends.
    window: VecDeque<Sent>,
    open: Option<Open>,
    /// The only group that was seen when the circuit opened; empty for several, or none.
    only: String,
    groups: HashMap<String, Group>,
}

struct Sent {
    group: String,
    /// True if the send got a reliable response.
    of_use: bool,
}

/// A group whose last sends got no response.
#[derive(Clone, Copy, Default)]
struct Group {
    useless: usize,
    blocked: Option<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    until: Instant,
    rest: Duration,
    probe: Option<Instant>,
}

impl Open {
    fn rests(now: Instant, rest: Duration) -> Self {
        Self { until: now + rest, rest, probe: None }
    }

    /// The time of the next probe.
    fn rested(&self) -> Instant {
        self.probe.map_or(self.until, |probe| probe + PROBE_TIMEOUT)
    }
}

impl CircuitBreaker {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn budget(&self, now: Instant) -> SendBudget {
        let Some(open) = self.lock().open else { return SendBudget::All };
        let rested = open.rested();
        if now < rested { SendBudget::NotBefore(rested) } else { SendBudget::Probe }
    }

    /// The group that a probe should not be of; empty for none.
    pub(crate) fn sick_group(&self) -> String {
        self.lock().only.clone()
    }

    /// Notes that a send was claimed as a probe: no other one goes until it has a result.
    pub(crate) fn probing(&self, now: Instant) {
        if let Some(open) = &mut self.lock().open {
            open.probe = Some(now);
        }
    }

    /// The time for which a send of this group is blocked. The first send after it is the group's probe.
    pub(crate) fn blocks(&self, group: &str, now: Instant) -> Option<Duration> {
        let mut inner = self.lock();
        let blocked = inner.groups.get_mut(group)?.blocked.as_mut()?;
        let rested = blocked.rested();
        if now < rested {
            return Some(rested - now);
        }
        blocked.probe = Some(now);
        None
    }

    /// Records a send of this group (empty if jobs have none). Only a missing or unreliable response counts against the
    /// gateway. The content of a response does not: an unknown code is the job's problem, and comes from a gateway that
    /// works.
    pub(crate) fn sent(&self, group: &str, received: Received, now: Instant) -> Option<CircuitChange> {
        let of_use = match received {
            Received::Response => true,
            Received::Nothing => false,
        };
        let mut inner = self.lock();
        let of_group = inner.note_group(group, of_use, now);
        match (inner.open, of_use) {
            (Some(_), true) => Some(inner.close(group, now)),
            (Some(open), false) if open.probe.is_some() => {
                let longest = if inner.only.is_empty() { RESTS.1 } else { LONGEST_FOR_ONE_GROUP };
                Some(inner.rest(now, (open.rest * 2).min(longest)))
            }
            (Some(_), false) => None, // it was out when the circuit opened, and says nothing new
            (None, _) => {
                inner.window.push_back(Sent { group: group.to_owned(), of_use });
                if inner.window.len() > WINDOW {
                    inner.window.pop_front();
                }
                inner.judge(group, now).or(of_group)
            }
        }
    }
}

impl Inner {
    fn rest(&mut self, now: Instant, rest: Duration) -> CircuitChange {
        self.window.clear();
        self.open = Some(Open::rests(now, rest));
        CircuitChange::Opened(rest)
    }

    /// A response came. If only one group had been seen and the response is another group's, the trouble was that
    /// group's.
    fn close(&mut self, group: &str, now: Instant) -> CircuitChange {
        let only = std::mem::take(&mut self.only);
        self.window.clear();
        self.open = None;
        if !only.is_empty() && only != group {
            self.block(&only, now, RESTS.0);
        }
        CircuitChange::Closed
    }

    /// Updates the group with the result of its send.
    fn note_group(&mut self, group: &str, of_use: bool, now: Instant) -> Option<CircuitChange> {
        if of_use || group.is_empty() {
            self.groups.remove(group);
            return None;
        }
        if self.groups.len() >= GROUPS && !self.groups.contains_key(group) {
            return None;
        }
        let known = self.groups.entry(group.to_owned()).or_default();
        known.useless += 1;
        let blocked = known.blocked.filter(|blocked| blocked.probe.is_some())?;
        Some(self.block(group, now, (blocked.rest * 2).min(RESTS.1)))
    }

    fn block(&mut self, group: &str, now: Instant, rest: Duration) -> CircuitChange {
        self.groups.entry(group.to_owned()).or_default().blocked = Some(Open::rests(now, rest));
        CircuitChange::GroupBlocked(rest)
    }

    /// Decides from the last sends if the gateway is down, or if this group's responses cannot be read.
    fn judge(&mut self, group: &str, now: Instant) -> Option<CircuitChange> {
        let useless = || self.window.iter().filter(|sent| !sent.of_use);
        let one = |mut groups: Box<dyn Iterator<Item = &Sent> + '_>| {
            let first = groups.next().map(|sent| sent.group.as_str()).filter(|group| !group.is_empty())?;
            groups.all(|sent| sent.group == first).then(|| first.to_owned())
        };
        let (seen, count) = (self.window.len(), useless().count());
        let is_sick = seen >= ENOUGH && count * 100 >= seen * TOO_MANY_PERCENT;
        let (only_seen, only_useless) = (one(Box::new(self.window.iter())), one(Box::new(useless())));
        if is_sick && (only_seen.is_some() || only_useless.is_none()) {
            self.only = only_seen.unwrap_or_default();
            return Some(self.rest(now, RESTS.0));
        }
        // Others get responses.
        let known = self.groups.get(group).copied()?;
        let others_are_well = self.window.iter().any(|sent| sent.of_use && sent.group != group);
        (known.useless >= ENOUGH && known.blocked.is_none() && others_are_well).then(|| self.block(group, now, RESTS.0))
    }
}

#[cfg(test)]
mod tests {
    use Received::{Nothing, Response};

    use super::*;

    fn after(circuit: &CircuitBreaker, received: &[Received], now: Instant) -> Option<CircuitChange> {
        received.iter().filter_map(|received| circuit.sent("", *received, now)).last()
    }

    #[test]
    fn it_opens_when_three_of_four_sends_get_no_response() {
        let now = Instant::now();
        let circuit = CircuitBreaker::default();
        assert_eq!(after(&circuit, &[Nothing; ENOUGH - 1], now), None, "too few to decide");
        assert_eq!(circuit.sent("", Nothing, now), Some(CircuitChange::Opened(RESTS.0)));
        assert_eq!(circuit.budget(now), SendBudget::NotBefore(now + RESTS.0));

        let mixed = CircuitBreaker::default();
        for _ in 0..50 {
            let half = [Nothing, Response, Nothing, Response, Nothing];
            assert_eq!(after(&mixed, &half, now), None, "three of five are borne");
        }
    }

    #[test]
    fn one_probe_after_each_rest_closes_it_or_doubles_the_rest() {
        let start = Instant::now();
        let circuit = CircuitBreaker::default();
        after(&circuit, &[Nothing; ENOUGH], start);
        let (mut now, mut rest) = (start, RESTS.0);
        for _ in 0..8 {
            assert_eq!(circuit.sent("", Nothing, now), None, "what was out when it opened is no probe");
            now += rest;
            assert_eq!(circuit.budget(now), SendBudget::Probe);
            circuit.probing(now);
            assert_eq!(circuit.budget(now), SendBudget::NotBefore(now + PROBE_TIMEOUT), "one at a time");
            rest = (rest * 2).min(RESTS.1);
            assert_eq!(circuit.sent("", Nothing, now), Some(CircuitChange::Opened(rest)));
        }
        now += rest;
        assert_eq!(circuit.sent("", Response, now), Some(CircuitChange::Closed));
        assert_eq!(circuit.budget(now), SendBudget::All);
    }

    #[test]
    fn responses_open_nothing_whatever_they_say_and_one_closes_it() {
        let circuit = CircuitBreaker::default();
        assert_eq!(after(&circuit, &[Response; WINDOW * 2], Instant::now()), None);
        let now = Instant::now();
        after(&circuit, &[Nothing; WINDOW], now);
        assert_eq!(
            circuit.sent("", Response, now),
            Some(CircuitChange::Closed),
            "also one that was out when it opened"
        );
        assert_eq!(circuit.budget(now), SendBudget::All);
    }

    /// Sends of each of these groups in turn; those of `sick` get no response.
    fn sends(
        circuit: &CircuitBreaker,
        groups: &[&str],
        sick: &[&str],
        rounds: usize,
        now: Instant,
    ) -> Vec<CircuitChange> {
        let all = std::iter::repeat_n(groups, rounds).flatten();
        all.filter_map(|group| circuit.sent(group, if sick.contains(group) { Nothing } else { Response }, now))
            .collect()
    }

    #[test]
    fn one_group_without_responses_is_stopped_alone() {
        let now = Instant::now();
        for groups in [&["a", "b"][..], &["a", "b", "c", "d", "e"], &["a", "a", "a", "a", "a", "b"]] {
            let circuit = CircuitBreaker::default();
            assert_eq!(
                sends(&circuit, groups, &["a"], ENOUGH, now)[..1],
                [CircuitChange::GroupBlocked(RESTS.0)],
                "{groups:?}"
            );
            assert_eq!(circuit.budget(now), SendBudget::All);
            assert_eq!((circuit.blocks("a", now), circuit.blocks("b", now)), (Some(RESTS.0), None));
        }
    }

    #[test]
    fn a_stopped_groups_probe_frees_it_or_doubles_its_wait() {
        let mut now = Instant::now();
        let circuit = CircuitBreaker::default();
        sends(&circuit, &["a", "b"], &["a"], ENOUGH, now);
        for rest in [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs) {
            assert_eq!(circuit.sent("a", Nothing, now), None, "what was out when it was held is no probe");
            assert_eq!(circuit.blocks("a", now), Some(rest));
            now += rest;
            assert_eq!(circuit.blocks("a", now), None, "its probe");
            assert_eq!(circuit.blocks("a", now), Some(PROBE_TIMEOUT), "one at a time");
            assert_eq!(circuit.sent("a", Nothing, now), Some(CircuitChange::GroupBlocked((rest * 2).min(RESTS.1))));
        }
        now += RESTS.1;
        assert_eq!(circuit.blocks("a", now), None);
        assert_eq!(circuit.sent("a", Response, now), None);
        assert_eq!(circuit.blocks("a", now), None, "it is free");
    }

    #[test]
    fn a_probe_of_another_group_shows_where_the_fault_is() {
        let now = Instant::now();
        let circuit = CircuitBreaker::default();
        assert_eq!(sends(&circuit, &["a"], &["a"], ENOUGH, now), [CircuitChange::Opened(RESTS.0)]);
        assert_eq!(circuit.sick_group(), "a");
        for _ in 0..8 {
            circuit.probing(now);
            let Some(CircuitChange::Opened(rest)) = circuit.sent("a", Nothing, now) else { panic!("it rests") };
            assert!(rest <= LONGEST_FOR_ONE_GROUP, "{rest:?}");
        }
        circuit.probing(now);
        assert_eq!(circuit.sent("b", Response, now), Some(CircuitChange::Closed));
        assert_eq!((circuit.blocks("a", now), circuit.sick_group()), (Some(RESTS.0), String::new()));
    }

    #[test]
    fn a_gateway_that_answers_no_one_is_down() {
        let now = Instant::now();
        for groups in [&["a", "b"][..], &["a", "b", "c", "d"], &["a", ""]] {
            let circuit = CircuitBreaker::default();
            assert_eq!(
                sends(&circuit, groups, groups, ENOUGH, now)[..1],
                [CircuitChange::Opened(RESTS.0)],
                "{groups:?}"
            );
            assert_eq!(circuit.sick_group(), "", "no group in particular");
        }
    }

    #[test]
    fn what_is_remembered_of_groups_is_bounded() {
        let (now, circuit) = (Instant::now(), CircuitBreaker::default());
        for number in 0..2 * GROUPS {
            circuit.sent(&number.to_string(), Nothing, now);
        }
        assert_eq!(circuit.lock().groups.len(), GROUPS);
    }
}
