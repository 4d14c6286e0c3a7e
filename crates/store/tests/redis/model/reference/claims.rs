//! What claiming comes to: which jobs, for which call, and what is remembered of it.

use bursar_domain::{Call, State};
use bursar_store::Committed;

use super::{HandedOut, Model, Moment, NextDue, RECEIPT_KEPT, Receipt, Told, Waits, from_now};
use crate::model::story::{Handed, Reply, Wish};

impl Model {
    pub(super) fn claim(&mut self, wish: &Wish) -> Told {
        let memory = self.workers.entry(wish.worker).or_default();
        memory.claims += 1;
        let number = memory.claims;
        match wish.reply {
            Reply::Arrives => {}
            Reply::IsLost => memory.lost_a_reply = true,
            Reply::IsGivenUpFirst => {
                self.receipts
                    .insert(wish.worker, Receipt { number, gave: Vec::new(), until: self.now.tick + RECEIPT_KEPT });
                memory.epoch = self.epoch;
                return Told::Claimed(Vec::new(), Some(0));
            }
        }
        let (told, next) = self.take(wish, number);
        let memory = self.workers.entry(wish.worker).or_default();
        if wish.reply == Reply::IsLost {
            return Told::Nothing;
        }
        memory.epoch = self.epoch;
        if !told.is_empty() {
            memory.receipt = Some((number, self.now.tick));
        }
        for job in &told {
            if job.handed.call == Call::Send {
                self.maybe_sent.insert((job.handed.key, job.handed.fence));
            }
            self.handed.push(job.handed.clone());
        }
        Told::Claimed(told, next)
    }

    /// A claim that reaches Redis in time.
    fn take(&mut self, wish: &Wish, number: u64) -> (Vec<HandedOut>, NextDue) {
        let now = self.now.tick;
        // The bucket holds one call at most (a rate as low as these has no burst).
        let mut arrival = self.bucket.max(now);
        let mut allowance = wish.slots;
        if let Some(every) = wish.every {
            if arrival > now + 2 * every {
                arrival = now;
            }
            allowance = usize::from(arrival == now);
        }
        if allowance == 0 {
            return (Vec::new(), Some(from_now(arrival, now)));
        }
        let room = wish.slots.min(allowance);
        let asks_only = self.paused || !wish.sends;
        let mut sends = if asks_only { Vec::new() } else { self.due(Waits::ToSend) };
        let mut asks = self.due(Waits::ToAsk);
        sends.truncate(room);
        asks.truncate(room);
        if sends.len() + asks.len() > room {
            let mut half = room.div_ceil(2);
            if room == 1 {
                half = usize::from(!self.asks_turn);
                self.asks_turn = !self.asks_turn;
            }
            sends.truncate(half.max(room - asks.len()));
            asks.truncate(room - sends.len());
        }
        if !sends.is_empty() {
            self.epoch += 1;
        }
        let sends = sends.into_iter().map(|key| (key, Call::Send));
        let taken: Vec<_> = sends.chain(asks.into_iter().map(|key| (key, Call::Ask))).collect();
        let told: Vec<HandedOut> = taken.into_iter().map(|(key, call)| self.hand_out(key, call, wish)).collect();
        if !told.is_empty() {
            let gave = told.iter().map(|job| (job.handed.key, job.handed.fence)).collect();
            self.receipts.insert(wish.worker, Receipt { number, gave, until: now + RECEIPT_KEPT });
            if let Some(every) = wish.every {
                arrival += every;
                self.bucket = arrival;
            }
        }
        let waiting = |set| self.jobs.values().filter_map(|job| job.due).filter(move |(waits, _)| *waits == set);
        let sets: &[Waits] = if asks_only { &[Waits::ToAsk] } else { &[Waits::ToSend, Waits::ToAsk] };
        let mut next = sets.iter().flat_map(|set| waiting(*set)).map(|(_, at)| at.tick).min();
        if told.len() == allowance && wish.every.is_some() {
            next = next.map(|at| at.max(arrival));
        }
        (told, next.map(|at| from_now(at, now)))
    }

    /// What is due there, the longest first.
    fn due(&self, set: Waits) -> Vec<&'static str> {
        let waiting = self.jobs.iter().filter_map(|(key, job)| Some((job.due?, *key)));
        let mut due: Vec<(Moment, &'static str)> = waiting
            .filter(|((waits, at), _)| *waits == set && at.tick <= self.now.tick)
            .map(|((_, at), key)| (at, key))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }

    fn hand_out(&mut self, key: &'static str, call: Call, wish: &Wish) -> HandedOut {
        let now = self.now;
        let job = self.jobs.get_mut(key).expect("what is due has a record");
        let (state, sent_before) = (job.state, job.last_sent);
        job.fence += 1;
        job.due = Some((Waits::ToAsk, now.plus(wish.lease)));
        match call {
            Call::Send => {
                job.sends += 1;
                job.resends += u32::from(state != State::Queued);
                job.first_sent = job.first_sent.or(Some(now));
                job.sent_before = job.last_sent.replace(now);
                job.before = Some(state);
                job.state = State::InDoubt;
            }
            Call::Ask => {
                job.losses += u32::from(job.worker.is_some());
                if let Some(before) = job.before.take() {
                    let fence = job.fence - 1;
                    job.log.extend([format!("send_intent #{fence}"), format!("worker_lost #{fence}")]);
                    if before != state {
                        self.events.push(format!("{key} {state}"));
                    }
                }
            }
        }
        job.worker = Some(wish.worker);
        let ago = |moment: Option<Moment>| moment.map(|moment| now.tick - moment.tick);
        HandedOut {
            handed: Handed { worker: wish.worker, key, fence: job.fence, call, state },
            counts: [job.sends, job.resends, job.asks, job.losses],
            first_sent: ago(job.first_sent),
            last_sent: ago(job.last_sent),
            sent_before: ago(sent_before),
            ordered: ago(job.ordered),
            trade_nos: job.trade_nos.clone(),
        }
    }

    pub(super) fn unclaim(&mut self, worker: &'static str) -> Told {
        let memory = self.workers.entry(worker).or_default();
        memory.lost_a_reply = false;
        let number = memory.claims;
        let until = self.now.tick + RECEIPT_KEPT;
        let receipt = self.receipts.entry(worker).or_default();
        if receipt.number < number {
            *receipt = Receipt { number, gave: Vec::new(), until };
            return Told::Count(0);
        }
        let gave = receipt.gave.clone();
        let given_back = gave.into_iter().filter(|(key, fence)| self.release(key, *fence) == Committed::Ok);
        Told::Count(given_back.count())
    }

    pub(super) fn renew(&mut self, handed: &Handed, lease: u64) -> Told {
        let until = self.now.plus(lease);
        let job = self.jobs.get_mut(handed.key).filter(|job| !job.expired && job.fence == handed.fence);
        let Some(job) = job.filter(|job| job.worker == Some(handed.worker)) else {
            return Told::Keys(vec![handed.key]);
        };
        job.due = Some((Waits::ToAsk, until));
        Told::Keys(Vec::new())
    }
}
