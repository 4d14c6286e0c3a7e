//! The store as it should be, in plain Rust: its rules written down a second time, for reading.

mod claims;
mod ends;
mod overlay;

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::{Call, Reason, State};
use bursar_store::Committed;

use super::story::{Deed, GROUPS, Handed, Order, QUEUES, Step};
pub(crate) use ends::Ending;

/// The time for which Redis keeps a receipt, and for which a worker relies on it, in ticks.
const RECEIPT_KEPT: u64 = 6;
const RECEIPT_TRUSTED: u64 = 5;

/// A moment: the number of passed ticks, and within one tick, the number of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) tick: u64,
    step: u64,
}

impl Moment {
    fn plus(self, ticks: u64) -> Self {
        Self { tick: self.tick + ticks, ..self }
    }

    /// Its distance from `now` in ticks; negative if it has passed.
    pub(crate) fn from(self, now: Self) -> i64 {
        from_now(self.tick, now.tick)
    }
}

/// The store's reply to a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Reported {
    #[default]
    Nothing,
    Submitted(Vec<String>),
    Claimed(Vec<HandedOut>, NextDue),
    Count(usize),
    Committed(Committed),
    Keys(Vec<&'static str>),
    Operated(&'static str),
    Changed(bool),
}

/// The time of the next claim, in ticks from now.
pub(crate) type NextDue = Option<i64>;

/// A job as a claim hands it out; times in ticks ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandedOut {
    pub(crate) handed: Handed,
    pub(crate) counts: [u32; 4],
    pub(crate) first_sent: Option<u64>,
    pub(crate) last_sent: Option<u64>,
    pub(crate) sent_before: Option<u64>,
    pub(crate) ordered: Option<u64>,
    pub(crate) trade_nos: Vec<String>,
    pub(crate) group: &'static str,
}

/// The place of a job that waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sends {
    /// Due at this moment.
    At(Moment),
    /// In the fair order, by its rank.
    Ranked(f64),
}

/// A claim in force, or a lost one that the next claim includes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) worker: &'static str,
    pub(crate) call: Call,
    pub(crate) fence: u64,
    pub(crate) at: Moment,
}

/// A job's record, and its claims.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) order: Order,
    created: Moment,
    pub(crate) state: State,
    /// Reduced to its key, content and end.
    pub(crate) expired: bool,
    pub(crate) fence: u64,
    pub(crate) sends: u32,
    pub(crate) resends: u32,
    pub(crate) queries: u32,
    pub(crate) claims_lost: u32,
    pub(crate) first_sent: Option<Moment>,
    pub(crate) last_sent: Option<Moment>,
    pub(crate) ordered: Option<Moment>,
    pub(crate) trade_nos: Vec<String>,
    pub(crate) reason: Option<Reason>,
    /// The claim that ended last by its worker's word.
    ended: Option<u64>,
    pub(crate) history: Vec<String>,
    /// Responses that came too late.
    pub(crate) late: BTreeSet<String>,

    /// The claims since, the lost ones first; the last one is in force.
    pub(crate) claims: Vec<Claim>,
    pub(crate) to_send: Option<Sends>,
    pub(crate) to_query: Option<Moment>,
    pub(crate) in_review: Option<Moment>,
    pub(crate) done: Option<Moment>,
}

#[derive(Clone, Default)]
pub(crate) struct Receipt {
    number: u64,
    gave: Vec<(&'static str, u64)>,
    until: u64,
}

/// One worker's knowledge.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) claims: u64,
    lost_a_reply: bool,
    receipt: Option<(u64, u64)>,
    pub(crate) fence: u64,
}

/// A queue in Redis, the workers, and their knowledge of it.
#[derive(Clone, Default)]
pub(crate) struct Queue {
    pub(crate) now: Moment,
    pub(crate) jobs: BTreeMap<&'static str, Job>,
    /// Business keys that are not their job's key.
    business_keys: BTreeMap<String, &'static str>,
    pub(crate) paused: bool,
    pub(crate) fence: u64,
    /// The time at which the rate's bucket will be empty, in ticks.
    bucket: u64,
    /// The side that gets the next slot if both sends and queries are due.
    queries_turn: bool,
    /// The rank that was served last.
    pub(crate) virtual_time: f64,
    /// The last rank of each group.
    pub(crate) ranks: BTreeMap<&'static str, f64>,
    receipts: BTreeMap<&'static str, Receipt>,
    pub(crate) events: Vec<String>,

    pub(crate) workers: BTreeMap<&'static str, Memory>,
    /// All jobs that a worker received, ever.
    pub(crate) handed: Vec<Handed>,
    /// The workers' ends of claims, to be repeated.
    pub(crate) finished: BTreeMap<(&'static str, u64), Deed>,
    /// Claims under which the bytes may have left for the gateway.
    maybe_sent: BTreeSet<(&'static str, u64)>,
    /// Jobs that the gateway, or a person, has called failed.
    called_failed: BTreeSet<&'static str>,
}

/// All queues, and the reply to the last step.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) queues: [Queue; QUEUES.len()],
    pub(crate) reported: Reported,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let jobs: Vec<usize> = self.queues.iter().map(|at_queue| at_queue.jobs.len()).collect();
        write!(out, "queues with {jobs:?} jobs")
    }
}

impl Model {
    /// True if the actors of a story could do this now.
    pub(crate) fn allows(&self, step: &Step) -> bool {
        self.queues[step.at_queue].allows(&step.deed)
    }

    pub(crate) fn after(mut self, step: &Step) -> Self {
        for at_queue in &mut self.queues {
            at_queue.now.step += 1;
            if let Deed::TimePasses(ticks) = step.deed {
                at_queue.grows_older(ticks);
            }
        }
        self.reported = self.queues[step.at_queue].report(&step.deed);
        self
    }

    pub(crate) fn keeps_its_promises(&self) {
        self.queues.iter().for_each(Queue::keeps_its_promises);
    }
}

impl Queue {
    pub(crate) fn lost_a_reply(&self, worker: &str) -> bool {
        self.workers.get(worker).is_some_and(|memory| memory.lost_a_reply)
    }

    /// A worker's knowledge of its last receipt and of the queue's fence.
    pub(crate) fn known(&self, worker: &str) -> (u64, u64) {
        let Some(memory) = self.workers.get(worker) else { return (0, 0) };
        let trusted = memory.receipt.filter(|(_, at)| self.now.tick < at + RECEIPT_TRUSTED);
        (trusted.map_or(0, |(number, _)| number), memory.fence)
    }

    fn allows(&self, deed: &Deed) -> bool {
        match deed {
            Deed::Claim(wish) => !self.lost_a_reply(wish.worker),
            Deed::Recover(worker) => self.lost_a_reply(worker),
            Deed::Renew(handed, _) => self.handed.contains(handed),
            Deed::Commit(handed, _) | Deed::Release(handed) | Deed::Withdraw(handed) => {
                // A repeated end of a claim is the same as the first.
                let finished = self.finished.get(&(handed.key, handed.fence));
                self.handed.contains(handed) && finished.is_none_or(|finished| finished == deed)
            }
            Deed::Submit(_)
            | Deed::Operate(..)
            | Deed::Pause
            | Deed::Resume
            | Deed::Purge { .. }
            | Deed::Wake(_)
            | Deed::TimePasses(_) => true,
        }
    }

    fn grows_older(&mut self, ticks: u64) {
        self.now = self.now.plus(ticks);
        let now = self.now.tick;
        self.receipts.retain(|_, receipt| receipt.until > now);
    }

    fn report(&mut self, deed: &Deed) -> Reported {
        match deed {
            Deed::Submit(orders) => Reported::Submitted(orders.iter().map(|order| self.submit(order)).collect()),
            Deed::Claim(wish) => self.claim(wish),
            Deed::Recover(worker) => self.recover(worker),
            Deed::Renew(handed, lease) => self.renew(handed, *lease),
            Deed::Commit(handed, outcome) => {
                self.finished.insert((handed.key, handed.fence), deed.clone());
                Reported::Committed(self.commit(handed, *outcome))
            }
            Deed::Release(handed) => {
                self.finished.insert((handed.key, handed.fence), deed.clone());
                self.maybe_sent.remove(&(handed.key, handed.fence));
                Reported::Count(usize::from(self.release(handed.key, handed.fence)))
            }
            Deed::Withdraw(handed) => {
                self.finished.insert((handed.key, handed.fence), deed.clone());
                self.maybe_sent.remove(&(handed.key, handed.fence));
                Reported::Changed(self.withdraw(handed.key, handed.fence))
            }
            Deed::Operate(key, operation) => Reported::Operated(self.operate(key, *operation)),
            Deed::Pause => Reported::Changed(self.pause()),
            Deed::Resume => {
                if self.paused {
                    self.events.push("resumed".into());
                }
                Reported::Changed(std::mem::take(&mut self.paused))
            }
            Deed::Purge { retention, limit } => Reported::Count(self.purge(*retention, *limit)),
            Deed::Wake(key) => Reported::Changed(self.wake(key)),
            Deed::TimePasses(_) => Reported::Nothing,
        }
    }

    fn submit(&mut self, order: &Order) -> String {
        if let Some(job) = self.jobs.get(order.key) {
            let same = Order { run_in: order.run_in, ..job.order.clone() } == *order;
            return if same { format!("existing {}", job.seen().state) } else { format!("conflict {}", order.key) };
        }
        let business_key = order.business_key();
        let named_so =
            self.jobs.get_key_value(business_key.as_str()).map(|(key, _)| *key).filter(|_| business_key != order.key);
        if let Some(first) = self.business_keys.get(&business_key).copied().or(named_so) {
            return format!("conflict {first}");
        }
        if business_key != order.key {
            self.business_keys.insert(business_key, order.key);
        }
        let sends = if order.run_in > 0 {
            Sends::At(self.now.plus(order.run_in))
        } else {
            Sends::Ranked(self.rank_of(order.group))
        };
        self.jobs.insert(order.key, Job::queued(order.clone(), self.now, sends));
        "new".into()
    }

    /// A unit of work of a group is ranked behind the group's last one, and behind the last served one.
    fn rank_of(&mut self, group: &'static str) -> f64 {
        let weight = GROUPS.into_iter().find(|(known, _)| *known == group).map_or(1.0, |(_, weight)| weight);
        let last = self.ranks.get(group).copied().unwrap_or_default();
        let rank = self.virtual_time.max(last) + 1.0 / weight;
        self.ranks.insert(group, rank);
        rank
    }

    /// The invariants that hold under all rules above: nothing is forgotten, and no maybe becomes a no.
    fn keeps_its_promises(&self) {
        for (key, job) in &self.jobs {
            let maybe_sent = self.maybe_sent.iter().any(|(sent, _)| sent == key);
            let seen = job.seen();
            let says_unsent = match seen.state {
                State::Queued | State::Cancelled => true,
                State::Failed => !self.called_failed.contains(key),
                State::InDoubt | State::Pending | State::NeedsReview | State::Succeeded | State::Refunded => false,
            };
            assert!(!(says_unsent && maybe_sent), "{key} may have been sent and is {}", seen.state);
            let followed = match seen.state {
                State::Queued | State::InDoubt | State::Pending => job.to_send.is_some() || job.to_query.is_some(),
                State::NeedsReview => job.in_review.is_some() || !job.claims.is_empty(),
                State::Succeeded | State::Failed | State::Refunded | State::Cancelled => {
                    job.expired || job.done.is_some()
                }
            };
            assert!(followed, "{key} is {} and due for nothing", seen.state);
        }
    }
}

impl Job {
    fn queued(order: Order, created: Moment, sends: Sends) -> Self {
        Self {
            order,
            created,
            state: State::Queued,
            expired: false,
            fence: 0,
            sends: 0,
            resends: 0,
            queries: 0,
            claims_lost: 0,
            first_sent: None,
            last_sent: None,
            ordered: None,
            trade_nos: Vec::new(),
            reason: None,
            ended: None,
            history: Vec::new(),
            late: BTreeSet::new(),
            claims: Vec::new(),
            to_send: Some(sends),
            to_query: None,
            in_review: None,
            done: None,
        }
    }

    /// Its member of the sets of sends.
    pub(crate) fn member(&self) -> String {
        format!("{} {}", self.order.key, self.order.group)
    }
}

fn from_now(at: u64, now: u64) -> i64 {
    i64::try_from(at).expect("few ticks") - i64::try_from(now).expect("few ticks")
}
