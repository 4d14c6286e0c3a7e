//! Claims: the jobs taken, for which call, and the knowledge kept of them.

use bursar_domain::Call;

use super::{Claim, HandedOut, Moment, NextDue, Queue, RECEIPT_KEPT, Receipt, Reported, Sends, from_now};
use crate::model::story::{Handed, Reply, Wish};

impl Queue {
    pub(super) fn claim(&mut self, wish: &Wish) -> Reported {
        let memory = self.workers.entry(wish.worker).or_default();
        memory.claims += 1;
        let number = memory.claims;
        match wish.reply {
            Reply::Arrives => {}
            Reply::IsLost => memory.lost_a_reply = true,
            Reply::IsGivenUpFirst => {
                self.receipts
                    .insert(wish.worker, Receipt { number, gave: Vec::new(), until: self.now.tick + RECEIPT_KEPT });
                memory.fence = self.fence;
                return Reported::Claimed(Vec::new(), Some(0));
            }
        }
        let (reported, next) = self.take(wish, number);
        let memory = self.workers.entry(wish.worker).or_default();
        if wish.reply == Reply::IsLost {
            return Reported::Nothing;
        }
        memory.fence = self.fence;
        if !reported.is_empty() {
            memory.receipt = Some((number, self.now.tick));
        }
        for job in &reported {
            if job.handed.call == Call::Send {
                self.maybe_sent.insert((job.handed.key, job.handed.fence));
            }
            self.handed.push(job.handed.clone());
        }
        Reported::Claimed(reported, next)
    }

    /// A claim that reaches Redis in time.
    fn take(&mut self, wish: &Wish, number: u64) -> (Vec<HandedOut>, NextDue) {
        let now = self.now.tick;
        // The bucket has room for one call at most (a rate this low has no burst).
        let mut arrival = self.bucket.max(now);
        let mut allowance = wish.slots;
        if let Some(every) = wish.every {
            if arrival > now + 2 * every {
                arrival = now;
            }
            allowance = usize::from(arrival == now);
        }
        if allowance == 0 {
            return (Vec::new(), self.next_due(wish, arrival));
        }
        let room = wish.slots.min(allowance);
        let mut sends = if self.paused || !wish.sends { Vec::new() } else { self.ranked() };
        let mut queries = self.due_queries();
        sends.truncate(room);
        queries.truncate(room);
        if sends.len() + queries.len() > room {
            let mut half = room.div_ceil(2);
            if room == 1 {
                half = usize::from(!self.queries_turn);
                self.queries_turn = !self.queries_turn;
            }
            sends.truncate(half.max(room - queries.len()));
            queries.truncate(room - sends.len());
        }
        self.serve(&sends);
        let sends = sends.into_iter().map(|(_, key)| (key, Call::Send));
        let taken: Vec<_> = sends.chain(queries.into_iter().map(|key| (key, Call::Query))).collect();
        self.fence += u64::from(!taken.is_empty());
        let reported: Vec<HandedOut> = taken.into_iter().map(|(key, call)| self.hand_out(key, call, wish)).collect();
        if !reported.is_empty() {
            let gave = reported.iter().map(|job| (job.handed.key, job.handed.fence)).collect();
            self.receipts.insert(wish.worker, Receipt { number, gave, until: now + RECEIPT_KEPT });
            if let Some(every) = wish.every {
                arrival += every;
                self.bucket = arrival;
            }
        }
        let not_before = if reported.len() == allowance && wish.every.is_some() { arrival } else { 0 };
        (reported, self.next_due(wish, not_before))
    }

    /// The time of this worker's next claim.
    fn next_due(&self, wish: &Wish, not_before: u64) -> NextDue {
        let now = self.now.tick;
        let query = self.jobs.values().filter_map(|job| job.to_query).map(|at| at.tick).min();
        let sends = self.jobs.values().filter_map(|job| job.to_send);
        let mut send = sends
            .map(|sends| match sends {
                Sends::At(at) => at.tick,
                Sends::Ranked(_) => now,
            })
            .min();
        if self.paused {
            send = send.map(|at| at.max(now)); // checked each minute
        } else if !wish.sends {
            send = send.filter(|at| *at > now);
        }
        let next = query.into_iter().chain(send).min();
        next.map(|at| from_now(at.max(not_before), now))
    }

    /// The due sends in fair order; sends that have come due since get their rank.
    fn ranked(&mut self) -> Vec<(f64, &'static str)> {
        let now = self.now.tick;
        let at = |job: &super::Job| match job.to_send? {
            Sends::At(at) if at.tick <= now => Some(at),
            Sends::At(_) | Sends::Ranked(_) => None,
        };
        let mut due: Vec<(Moment, String, &'static str)> =
            self.jobs.iter().filter_map(|(key, job)| Some((at(job)?, job.member(), *key))).collect();
        due.sort();
        for (_, _, key) in due {
            let rank = self.rank_of(self.jobs[key].order.group);
            self.jobs.get_mut(key).expect("it is due").to_send = Some(Sends::Ranked(rank));
        }
        let rank = |job: &super::Job| match job.to_send? {
            Sends::Ranked(rank) => Some(rank),
            Sends::At(_) => None,
        };
        let mut ranked: Vec<(f64, String, &'static str)> =
            self.jobs.iter().filter_map(|(key, job)| Some((rank(job)?, job.member(), *key))).collect();
        ranked.sort_by(|left, right| left.0.total_cmp(&right.0).then_with(|| left.1.cmp(&right.1)));
        ranked.into_iter().map(|(rank, _, key)| (rank, key)).collect()
    }

    /// The virtual time is the rank that was served last; a group whose last rank is no higher begins there again.
    fn serve(&mut self, sends: &[(f64, &'static str)]) {
        if let Some((rank, _)) = sends.last() {
            self.virtual_time = *rank;
            self.ranks.retain(|_, last| *last > *rank);
        }
    }

    /// The due queries, the oldest first.
    fn due_queries(&self) -> Vec<&'static str> {
        let waiting = self.jobs.iter().filter_map(|(key, job)| Some((job.to_query?, *key)));
        let mut due: Vec<(Moment, &'static str)> = waiting.filter(|(at, _)| at.tick <= self.now.tick).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }

    fn hand_out(&mut self, key: &'static str, call: Call, wish: &Wish) -> HandedOut {
        let (now, fence) = (self.now, self.fence);
        let job = self.jobs.get_mut(key).expect("what is due has a record");
        job.claims.push(Claim { worker: wish.worker, call, fence, at: now });
        job.to_query = Some(now.plus(wish.lease));
        if call == Call::Send {
            job.to_send = None;
        }
        let (found, seen) = (job.found(), job.seen());
        let ago = |moment: Option<Moment>| moment.map(|moment| now.tick - moment.tick);
        HandedOut {
            handed: Handed { worker: wish.worker, key, fence, call, state: found.state },
            counts: [seen.sends, seen.resends, found.queries, found.claims_lost],
            first_sent: ago(seen.first_sent),
            last_sent: ago(seen.last_sent),
            sent_before: ago(found.last_sent),
            ordered: ago(found.ordered),
            trade_nos: found.trade_nos,
            group: found.order.group,
        }
    }

    pub(super) fn recover(&mut self, worker: &'static str) -> Reported {
        let memory = self.workers.entry(worker).or_default();
        memory.lost_a_reply = false;
        let number = memory.claims;
        let until = self.now.tick + RECEIPT_KEPT;
        let receipt = self.receipts.entry(worker).or_default();
        if receipt.number < number {
            *receipt = Receipt { number, gave: Vec::new(), until };
            return Reported::Count(0);
        }
        let gave = receipt.gave.clone();
        let released = gave.into_iter().filter(|(key, fence)| self.release(key, *fence));
        Reported::Count(released.count())
    }

    pub(super) fn renew(&mut self, handed: &Handed, lease: u64) -> Reported {
        let until = self.now.plus(lease);
        let job = self.jobs.get_mut(handed.key);
        let job = job.filter(|job| job.claims.last().is_some_and(|claim| claim.fence == handed.fence));
        let Some(job) = job else { return Reported::Keys(vec![handed.key]) };
        job.to_query = Some(until);
        Reported::Keys(Vec::new())
    }
}
