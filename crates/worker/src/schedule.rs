//! The queue to claim from next, and when. Queues in which nothing is due cost no time here.
//!
//! Queues with due work have turns, one after the other. A queue that was idle until a moment ago does not wait behind
//! them all: its first turn is the next one, or the one after it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::queues::QueueNumber;

/// The shortest time between a claim and a wake message's claim from a blocked queue: most due work there is what the
/// queue is blocked for.
const BLOCKED_WAKE: Duration = Duration::from_millis(100);

/// A queue with due work that this worker may not claim now: Redis lists it as ready all the same, for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// The time of the last claim from it.
    pub(crate) since: Instant,
    /// The time of the next claim in spite of the block: other work may be due by then.
    pub(crate) claim_at: Instant,
}

/// A queue whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueTurn {
    pub(crate) queue: QueueNumber,
    pub(crate) blocked: Option<Blocked>,
    /// The number of queues that share the free slots with it, this one included.
    pub(crate) sharing: usize,
}

/// The queues that are not idle.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    queues: HashMap<QueueNumber, Entry>,
    /// Those that are due later.
    later: BTreeSet<(Instant, QueueNumber)>,
    /// The queues with due work, in the order of their turns.
    turns: VecDeque<QueueNumber>,
    /// The remaining turns of this round: each queue has one turn in a round.
    round: usize,
    /// The queues that were idle until work came due a moment ago.
    woken: VecDeque<QueueNumber>,
    /// True if the last turn was a woken queue's. The next turn is not, so that wake messages starve no queue.
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
    /// Redis lists the queue as ready from that moment on. For a blocked one that changes nothing.
    pub(crate) fn is_ready(&mut self, queue: QueueNumber, at: Instant) {
        if !self.is_blocked(queue) {
            self.put_later(queue, at, None);
        }
    }

    /// This worker has made work in the queue due at that moment.
    pub(crate) fn will_be_due(&mut self, queue: QueueNumber, at: Instant) {
        let blocked = self.queues.get(&queue).and_then(|entry| entry.blocked);
        let blocked = blocked.map(|blocked| Blocked { claim_at: blocked.claim_at.min(at), ..blocked });
        self.put_later(queue, at, blocked);
    }

    /// Something has become due in the queue.
    pub(crate) fn wake(&mut self, queue: QueueNumber, now: Instant) {
        let entry = self.queues.get(&queue).copied();
        let Some(Blocked { since, claim_at }) = entry.and_then(|entry| entry.blocked) else {
            return self.put_woken(queue, None);
        };
        let at = since + BLOCKED_WAKE;
        if at <= now {
            self.put_woken(queue, None);
        } else {
            self.put_later(queue, at, Some(Blocked { since, claim_at: claim_at.min(at) }));
        }
    }

    /// The reason for the block may be over.
    pub(crate) fn reconsider(&mut self, queue: QueueNumber) {
        if let Some(Entry { blocked: Some(blocked), .. }) = self.queues.get(&queue).copied() {
            self.put_woken(queue, Some(blocked));
        }
    }

    /// After its turn: the queue is due again at that moment, after those that are due already.
    pub(crate) fn again(&mut self, queue: QueueNumber, at: Instant, blocked: Option<Blocked>) {
        self.put_later(queue, at, blocked);
    }

    /// Gives turns to the queues that are due by now, the longest due first.
    pub(crate) fn come_due(&mut self, now: Instant) {
        while let Some((at, queue)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, queue));
            if let Some(entry) = self.queues.get_mut(&queue) {
                entry.place = Place::Turns;
                self.turns.push_back(queue);
            }
        }
    }

    /// True if a queue has its turn now.
    pub(crate) fn has_turn(&self) -> bool {
        !self.turns.is_empty() || !self.woken.is_empty()
    }

    /// The time at which the next of the later queues becomes due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Takes the next turn. The queue is idle until it is scheduled again.
    pub(crate) fn next_turn(&mut self) -> Option<QueueTurn> {
        if self.round == 0 {
            self.round = self.turns.len();
        }
        let sharing = self.round + self.woken.len();
        self.was_woken = !self.woken.is_empty() && (!self.was_woken || self.turns.is_empty());
        let queue = if self.was_woken {
            self.woken.pop_front()?
        } else {
            self.round = self.round.saturating_sub(1);
            self.turns.pop_front()?
        };
        let blocked = self.queues.remove(&queue).and_then(|entry| entry.blocked);
        Some(QueueTurn { queue, blocked, sharing })
    }

    /// True if the queue is blocked.
    pub(crate) fn is_blocked(&self, queue: QueueNumber) -> bool {
        self.queues.get(&queue).is_some_and(|entry| entry.blocked.is_some())
    }

    /// Makes it due at that moment at the latest. A queue whose turn is near keeps it.
    fn put_later(&mut self, queue: QueueNumber, at: Instant, blocked: Option<Blocked>) {
        let place = match self.queues.get(&queue).map(|entry| entry.place) {
            Some(near @ (Place::Turns | Place::Woken)) => near,
            Some(Place::Later(before)) => {
                self.later.remove(&(before, queue));
                Place::Later(before.min(at))
            }
            None => Place::Later(at),
        };
        if let Place::Later(at) = place {
            self.later.insert((at, queue));
        }
        self.queues.insert(queue, Entry { place, blocked });
    }

    /// Has its turn come soon, unless it is near already.
    fn put_woken(&mut self, queue: QueueNumber, blocked: Option<Blocked>) {
        let place = match self.queues.get(&queue).map(|entry| entry.place) {
            Some(near @ (Place::Turns | Place::Woken)) => near,
            Some(Place::Later(at)) => {
                self.later.remove(&(at, queue));
                self.woken.push_back(queue);
                Place::Woken
            }
            None => {
                self.woken.push_back(queue);
                Place::Woken
            }
        };
        self.queues.insert(queue, Entry { place, blocked });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn queue(number: usize) -> QueueNumber {
        QueueNumber::of(number)
    }

    /// Takes turns until there are none; returns the queues, and the number that each shared with.
    fn turns(schedule: &mut Schedule) -> Vec<(usize, usize)> {
        std::iter::from_fn(|| schedule.next_turn()).map(|turn| (turn.queue.index(), turn.sharing)).collect()
    }

    #[test]
    fn the_longest_due_queue_is_first_with_one_turn_a_round() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        for (number, ago) in [(1, 1), (2, 3), (3, 2)] {
            schedule.is_ready(queue(number), now - SECOND * ago);
        }
        schedule.is_ready(queue(4), now + SECOND);
        schedule.come_due(now);
        let mut order = Vec::new();
        for _ in 0..6 {
            let turn = schedule.next_turn().unwrap();
            order.push((turn.queue.index(), turn.sharing));
            schedule.again(turn.queue, now, None); // more is due there
            schedule.come_due(now);
        }
        assert_eq!(order, [(2, 3), (3, 2), (1, 1), (2, 3), (3, 2), (1, 1)]);
        assert_eq!(schedule.next_due(), Some(now + SECOND));
        schedule.come_due(now + SECOND);
        assert_eq!(turns(&mut schedule).last(), Some(&(4, 1)));
        assert!(!schedule.has_turn() && schedule.next_turn().is_none());
    }

    #[test]
    fn a_woken_queue_skips_the_line_and_starves_none() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        (10..20).for_each(|number| schedule.is_ready(queue(number), now));
        schedule.come_due(now);
        for number in [1, 2, 1, 10] {
            schedule.wake(queue(number), now);
        }
        let order: Vec<usize> = turns(&mut schedule).into_iter().map(|(queue, _)| queue).collect();
        assert_eq!(order, [1, 10, 2, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    }

    #[test]
    fn what_is_due_soonest_counts_and_a_turn_is_kept() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.is_ready(queue(1), now + SECOND * 5);
        schedule.will_be_due(queue(1), now + SECOND);
        schedule.is_ready(queue(1), now + SECOND * 3);
        assert_eq!(schedule.next_due(), Some(now + SECOND));
        schedule.wake(queue(1), now);
        schedule.will_be_due(queue(1), now + SECOND);
        assert_eq!((turns(&mut schedule), schedule.next_due()), (vec![(1, 1)], None));
    }

    #[test]
    fn a_blocked_queue_is_left_alone_despite_wakes() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let blocked = Blocked { since: now, claim_at: now + SECOND * 5 };
        schedule.again(queue(1), now + SECOND, Some(blocked));
        schedule.is_ready(queue(1), now - SECOND);
        assert_eq!(schedule.next_due(), Some(now + SECOND));
        schedule.wake(queue(1), now);
        assert_eq!(schedule.next_due(), Some(now + BLOCKED_WAKE));
        schedule.come_due(now + BLOCKED_WAKE);
        let turn = schedule.next_turn().unwrap();
        assert_eq!(turn.blocked, Some(Blocked { claim_at: now + BLOCKED_WAKE, ..blocked }), "it is claimed from then");

        schedule.again(queue(1), now + SECOND, Some(blocked));
        schedule.wake(queue(1), now + SECOND / 2);
        assert_eq!(schedule.next_turn().map(|turn| turn.blocked), Some(None), "the last claim was long ago");

        schedule.again(queue(1), now + SECOND, Some(blocked));
        schedule.reconsider(queue(1));
        assert_eq!(schedule.next_turn().map(|turn| turn.blocked), Some(Some(blocked)));
        schedule.reconsider(queue(1));
        assert!(!schedule.has_turn(), "an idle one has nothing to be reconsidered");
    }
}
