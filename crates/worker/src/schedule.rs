//! Which lane is claimed from next, and when. Nothing here takes longer for lanes in which nothing is due.
//!
//! Lanes in which something is due have turns, one after the other. A lane that was idle until something there became due a moment ago
//! does not wait behind them all: its first turn comes next, or the next but one.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::lanes::LaneNumber;

/// How soon after the last claim a wake message makes a blocked lane be claimed from: what is due there is mostly what it is blocked for.
const BLOCKED_WAKE: Duration = Duration::from_millis(100);

/// A lane with something due that this worker may not claim now: Redis calls it ready all the same, for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// When it was last claimed from.
    pub(crate) since: Instant,
    /// When it is to be claimed from although it is blocked: something else may be due by then.
    pub(crate) claim_at: Instant,
}

/// A lane whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) lane: LaneNumber,
    pub(crate) blocked: Option<Blocked>,
    /// How many lanes share what is free with it, this one included.
    pub(crate) sharing: usize,
}

/// The lanes that are not idle.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    lanes: HashMap<LaneNumber, Entry>,
    /// Those that are due later.
    later: BTreeSet<(Instant, LaneNumber)>,
    /// Those in which something is due, in the order of their turns.
    turns: VecDeque<LaneNumber>,
    /// How many of these turns are left of this round: each lane has one in a round.
    round: usize,
    /// Those that were idle until something there became due a moment ago.
    woken: VecDeque<LaneNumber>,
    /// Whether the last turn was a woken lane's: then the next one is not, so that wakes starve nobody.
    was_woken: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    place: Place,
    blocked: Option<Blocked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Later(Instant),
    Turns,
    Woken,
}

impl Schedule {
    /// Redis calls the lane ready from that moment on. Of a blocked one that is no news.
    pub(crate) fn is_ready(&mut self, lane: LaneNumber, at: Instant) {
        if !self.is_blocked(lane) {
            self.put_later(lane, at, None);
        }
    }

    /// This worker itself has made something due in the lane at that moment.
    pub(crate) fn will_be_due(&mut self, lane: LaneNumber, at: Instant) {
        let blocked = self.lanes.get(&lane).and_then(|entry| entry.blocked);
        let blocked = blocked.map(|blocked| Blocked { claim_at: blocked.claim_at.min(at), ..blocked });
        self.put_later(lane, at, blocked);
    }

    /// Something has become due in the lane.
    pub(crate) fn wake(&mut self, lane: LaneNumber, now: Instant) {
        let entry = self.lanes.get(&lane).copied();
        let Some(Blocked { since, claim_at }) = entry.and_then(|entry| entry.blocked) else {
            return self.put_woken(lane, None);
        };
        let at = since + BLOCKED_WAKE;
        if at <= now {
            self.put_woken(lane, None);
        } else {
            self.put_later(lane, at, Some(Blocked { since, claim_at: claim_at.min(at) }));
        }
    }

    /// What the lane is blocked for may be over.
    pub(crate) fn reconsider(&mut self, lane: LaneNumber) {
        if let Some(Entry { blocked: Some(blocked), .. }) = self.lanes.get(&lane).copied() {
            self.put_woken(lane, Some(blocked));
        }
    }

    /// After its turn: the lane is due again at that moment, behind those that are due already.
    pub(crate) fn again(&mut self, lane: LaneNumber, at: Instant, blocked: Option<Blocked>) {
        self.put_later(lane, at, blocked);
    }

    /// Gives turns to the lanes that are due by now, the one first that has been due longest.
    pub(crate) fn come_due(&mut self, now: Instant) {
        while let Some((at, lane)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, lane));
            if let Some(entry) = self.lanes.get_mut(&lane) {
                entry.place = Place::Turns;
                self.turns.push_back(lane);
            }
        }
    }

    /// Whether a lane has its turn now.
    pub(crate) fn has_turn(&self) -> bool {
        !self.turns.is_empty() || !self.woken.is_empty()
    }

    /// When the next lane is due, of those that are due later.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Takes the next turn. The lane is idle until it is said to be due again.
    pub(crate) fn next_turn(&mut self) -> Option<Turn> {
        if self.round == 0 {
            self.round = self.turns.len();
        }
        let sharing = self.round + self.woken.len();
        self.was_woken = !self.woken.is_empty() && (!self.was_woken || self.turns.is_empty());
        let lane = if self.was_woken {
            self.woken.pop_front()?
        } else {
            self.round = self.round.saturating_sub(1);
            self.turns.pop_front()?
        };
        let blocked = self.lanes.remove(&lane).and_then(|entry| entry.blocked);
        Some(Turn { lane, blocked, sharing })
    }

    /// Whether the lane is blocked.
    pub(crate) fn is_blocked(&self, lane: LaneNumber) -> bool {
        self.lanes.get(&lane).is_some_and(|entry| entry.blocked.is_some())
    }

    /// Has it be due at that moment at the latest. One whose turn is near keeps it.
    fn put_later(&mut self, lane: LaneNumber, at: Instant, blocked: Option<Blocked>) {
        let place = match self.lanes.get(&lane).map(|entry| entry.place) {
            Some(near @ (Place::Turns | Place::Woken)) => near,
            Some(Place::Later(before)) => {
                self.later.remove(&(before, lane));
                Place::Later(before.min(at))
            }
            None => Place::Later(at),
        };
        if let Place::Later(at) = place {
            self.later.insert((at, lane));
        }
        self.lanes.insert(lane, Entry { place, blocked });
    }

    /// Has its turn come soon, unless it is near already.
    fn put_woken(&mut self, lane: LaneNumber, blocked: Option<Blocked>) {
        let place = match self.lanes.get(&lane).map(|entry| entry.place) {
            Some(near @ (Place::Turns | Place::Woken)) => near,
            Some(Place::Later(at)) => {
                self.later.remove(&(at, lane));
                self.woken.push_back(lane);
                Place::Woken
            }
            None => {
                self.woken.push_back(lane);
                Place::Woken
            }
        };
        self.lanes.insert(lane, Entry { place, blocked });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(number: usize) -> LaneNumber {
        LaneNumber::of(number)
    }

    /// Takes turns until there are none: the lanes, and what each shared with.
    fn turns(schedule: &mut Schedule) -> Vec<(usize, usize)> {
        std::iter::from_fn(|| schedule.next_turn()).map(|turn| (turn.lane.index(), turn.sharing)).collect()
    }

    #[test]
    fn who_has_been_due_longest_is_first_and_each_has_one_turn_in_a_round() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        for (number, ago) in [(1, 1), (2, 3), (3, 2)] {
            schedule.is_ready(lane(number), now - SECOND * ago);
        }
        schedule.is_ready(lane(4), now + SECOND);
        schedule.come_due(now);
        let mut order = Vec::new();
        for _ in 0..6 {
            let turn = schedule.next_turn().unwrap();
            order.push((turn.lane.index(), turn.sharing));
            schedule.again(turn.lane, now, None); // more is due there
            schedule.come_due(now);
        }
        assert_eq!(order, [(2, 3), (3, 2), (1, 1), (2, 3), (3, 2), (1, 1)]);
        assert_eq!(schedule.next_due(), Some(now + SECOND));
        schedule.come_due(now + SECOND);
        assert_eq!(turns(&mut schedule).last(), Some(&(4, 1)));
        assert!(!schedule.has_turn() && schedule.next_turn().is_none());
    }

    #[test]
    fn a_lane_that_wakes_does_not_wait_behind_all_others_and_starves_none() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        (10..20).for_each(|number| schedule.is_ready(lane(number), now));
        schedule.come_due(now);
        for number in [1, 2, 1, 10] {
            schedule.wake(lane(number), now);
        }
        let order: Vec<usize> = turns(&mut schedule).into_iter().map(|(lane, _)| lane).collect();
        assert_eq!(order, [1, 10, 2, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    }

    #[test]
    fn what_is_due_soonest_counts_and_a_turn_is_kept() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.is_ready(lane(1), now + SECOND * 5);
        schedule.will_be_due(lane(1), now + SECOND);
        schedule.is_ready(lane(1), now + SECOND * 3);
        assert_eq!(schedule.next_due(), Some(now + SECOND));
        schedule.wake(lane(1), now);
        schedule.will_be_due(lane(1), now + SECOND);
        assert_eq!((turns(&mut schedule), schedule.next_due()), (vec![(1, 1)], None));
    }

    #[test]
    fn a_blocked_lane_is_left_alone_whatever_redis_calls_it_and_wakes_it_at_most_ten_times_a_second() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let blocked = Blocked { since: now, claim_at: now + SECOND * 5 };
        schedule.again(lane(1), now + SECOND, Some(blocked));
        schedule.is_ready(lane(1), now - SECOND);
        assert_eq!(schedule.next_due(), Some(now + SECOND));
        schedule.wake(lane(1), now);
        assert_eq!(schedule.next_due(), Some(now + BLOCKED_WAKE));
        schedule.come_due(now + BLOCKED_WAKE);
        let turn = schedule.next_turn().unwrap();
        assert_eq!(turn.blocked, Some(Blocked { claim_at: now + BLOCKED_WAKE, ..blocked }), "it is claimed from then");

        schedule.again(lane(1), now + SECOND, Some(blocked));
        schedule.wake(lane(1), now + SECOND / 2);
        assert_eq!(schedule.next_turn().map(|turn| turn.blocked), Some(None), "the last claim was long ago");

        schedule.again(lane(1), now + SECOND, Some(blocked));
        schedule.reconsider(lane(1));
        assert_eq!(schedule.next_turn().map(|turn| turn.blocked), Some(Some(blocked)));
        schedule.reconsider(lane(1));
        assert!(!schedule.has_turn(), "an idle one has nothing to be reconsidered");
    }
}
