//! The number of workers that the due jobs could keep busy: for autoscalers. Jobs that wait for their time, for a paused queue or
//! for the account's rate want no worker, because none could do anything for them.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_domain::{AccountName, Queue};
use bursar_store::{QueueDemand, QueueStatus};

/// A backlog without a rate's limit is to be gone after this time, so that a burst that a few workers finish in seconds starts none.
const BACKLOG_GONE_WITHIN: u64 = 30;

/// A claim takes as many tokens as a bucket of this time of the rate has (`take_rate_token.lua`).
const BURST: Duration = Duration::from_millis(50);

/// The longest time between two calls: nothing overflows by a rate of almost zero.
const SLOWEST: Duration = Duration::from_secs(86_400);

/// The limits by which wanted workers are counted.
#[derive(Clone, Debug, Default)]
pub struct Scaling {
    /// Slots of one worker (`worker.concurrency`).
    pub concurrency: usize,
    /// Calls a second of each account over all workers. 0: no limit.
    pub rates: BTreeMap<AccountName, f64>,
}

/// The work of a queue that could begin now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Startable {
    /// Due sends; 0 while the queue's sends are stopped.
    pub(crate) sends: u64,
    /// Due queries.
    pub(crate) queries: u64,
    /// Slots in use.
    pub(crate) claimed: u64,
    /// Further slots that the due jobs could use now.
    pub(crate) slots: u64,
}

impl Scaling {
    /// The work of one queue that could begin now.
    pub(crate) fn startable(&self, queue: &Queue, status: &QueueStatus, demand: &QueueDemand) -> Startable {
        // Behind an open circuit more workers would only send more probes to a gateway that does not respond.
        let stopped = status.paused.is_some() || !status.circuits_open.is_empty();
        let sends = if stopped { 0 } else { demand.due_sends };
        let due = sends + demand.due_queries;
        let rate = self.rates.get(&queue.account).copied().unwrap_or_default();
        // A slot makes about one call a second: gateways respond faster, and slots in use count by themselves.
        let slots = match tokens(rate, demand.rate_ahead) {
            Some(tokens) => due.min(tokens),
            None => due.div_ceil(BACKLOG_GONE_WITHIN),
        };
        Startable { sends, queries: demand.due_queries, claimed: demand.claimed, slots }
    }

    /// The workers whose slots all of this would use.
    pub(crate) fn workers_wanted<'a>(&self, queues: impl Iterator<Item = &'a Startable>) -> u64 {
        let slots: u64 = queues.map(|startable| startable.claimed + startable.slots).sum();
        slots.div_ceil(u64::try_from(self.concurrency).unwrap_or(u64::MAX).max(1))
    }
}

/// Calls that the rate leaves now; `None` without a limit. A rate that is used up leaves none, however many workers there are.
fn tokens(rate_per_second: f64, ahead: Duration) -> Option<u64> {
    if rate_per_second <= 0.0 {
        return None;
    }
    let interval = Duration::try_from_secs_f64(rate_per_second.recip()).unwrap_or(SLOWEST);
    let interval = interval.clamp(Duration::from_micros(1), SLOWEST);
    let burst = BURST.max(interval);
    // As in the script: a time that far ahead was written before a clock was set back.
    let ahead = if ahead > burst + interval { Duration::ZERO } else { ahead };
    let tokens = burst.saturating_sub(ahead).as_micros() / interval.as_micros();
    Some(u64::try_from(tokens).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use bursar_domain::{Millis, QueueCounts, Reason};

    use super::*;

    const FUTURE: u64 = 500;

    fn scaling(rate: f64) -> Scaling {
        Scaling { concurrency: 64, rates: BTreeMap::from([("main".parse().unwrap(), rate)]) }
    }

    fn status(is_paused: bool, circuits: usize) -> QueueStatus {
        QueueStatus {
            counts: QueueCounts { to_send: FUTURE, to_query: 0, review: 0, done: 0, undelivered: 0 },
            quarantined: 0,
            deliveries_quarantined: 0,
            next_due: None,
            now: Millis(1),
            next_send: None,
            next_query: None,
            paused: is_paused.then(|| Reason::read("{}")),
            circuits_open: vec![Millis(9); circuits],
            served_at: None,
        }
    }

    fn wanted(rate: f64, status: &QueueStatus, demand: QueueDemand) -> (u64, u64, u64) {
        let scaling = scaling(rate);
        let startable = scaling.startable(&"main/transfer".parse().unwrap(), status, &demand);
        (startable.sends, startable.slots, scaling.workers_wanted(std::iter::once(&startable)))
    }

    #[test]
    fn workers_are_wanted_for_calls_that_could_begin_now() {
        let ms = Duration::from_millis;
        let (runs, paused, broken) = (status(false, 0), status(true, 0), status(false, 1));
        let none = 0.0;
        // (case, rate, queue, due sends, due queries, claimed, ahead, (sends, further slots, workers))
        for (case, rate, status, due_sends, due_queries, claimed, ahead, expected) in [
            ("nothing is due: all is for later", none, &runs, 0, 0, 0, ms(0), (0, 0, 0)),
            ("a burst that one worker finishes", none, &runs, 1_900, 0, 0, ms(0), (1_900, 64, 1)),
            ("one more job", none, &runs, 1_921, 0, 0, ms(0), (1_921, 65, 2)),
            ("a backlog behind full slots", none, &runs, 19_200, 0, 128, ms(0), (19_200, 640, 12)),
            ("full slots and nothing due", none, &runs, 0, 0, 128, ms(0), (0, 0, 2)),
            ("a rate that is used up", 200.0, &runs, 2_129, 0, 4, ms(50), (2_129, 0, 1)),
            ("a rate whose slots are short", 200.0, &runs, 2_129, 0, 64, ms(0), (2_129, 10, 2)),
            ("half of the bucket", 200.0, &runs, 2_129, 0, 0, ms(25), (2_129, 5, 1)),
            ("a slow rate has one token", 2.0, &runs, 9, 0, 0, ms(0), (9, 1, 1)),
            ("a slow rate that is used up", 2.0, &runs, 9, 0, 0, ms(500), (9, 0, 0)),
            ("almost no rate", 1e-300, &runs, 9, 0, 0, ms(0), (9, 1, 1)),
            ("less due than tokens", 10_000.0, &runs, 3, 0, 0, ms(0), (3, 3, 1)),
            ("a clock that was set back", 200.0, &runs, 5, 0, 0, ms(3_600_000), (5, 5, 1)),
            ("a paused queue", none, &paused, 5_000, 0, 0, ms(0), (0, 0, 0)),
            ("queries of a paused queue go on", none, &paused, 5_000, 1_950, 0, ms(0), (0, 65, 2)),
            ("an open circuit", none, &broken, 5_000, 0, 0, ms(0), (0, 0, 0)),
            ("claims of a paused queue", none, &paused, 5_000, 0, 65, ms(0), (0, 0, 2)),
        ] {
            let demand = QueueDemand { due_sends, due_queries, claimed, rate_ahead: ahead };
            assert_eq!(wanted(rate, status, demand), expected, "{case}");
        }
    }

    #[test]
    fn all_queues_share_the_slots_of_a_worker() {
        let of = |claimed, slots| Startable { claimed, slots, ..Startable::default() };
        let scaling = scaling(0.0);
        for (queues, expected) in [
            (vec![], 0),
            (vec![of(0, 1), of(1, 0), of(30, 32)], 1),
            (vec![of(0, 1), of(1, 0), of(30, 33)], 2),
            (vec![of(64, 0); 5], 5),
        ] {
            assert_eq!(scaling.workers_wanted(queues.iter()), expected, "{queues:?}");
        }
        assert_eq!(Scaling::default().workers_wanted(std::iter::once(&of(3, 0))), 3, "no division by zero");
    }
}
