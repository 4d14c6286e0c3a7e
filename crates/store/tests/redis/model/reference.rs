//! The store as it should be, in plain Rust: the rules of `lua/` written down a second time, for reading.

mod claims;
mod ends;

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::{Reason, State};
use bursar_store::Committed;

use super::story::{Handed, Order, Step};
pub(crate) use ends::Ending;

/// How long Redis keeps a receipt, and how long a worker relies on that, in ticks.
const RECEIPT_KEPT: u64 = 6;
const RECEIPT_TRUSTED: u64 = 5;

/// A moment: how many ticks have passed, and within one tick, which step of the story it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) tick: u64,
    step: u64,
}

impl Moment {
    fn plus(self, ticks: u64) -> Self {
        Self { tick: self.tick + ticks, ..self }
    }

    /// How many ticks after `now` it is; below zero when it is over.
    pub(crate) fn from(self, now: Self) -> i64 {
        from_now(self.tick, now.tick)
    }
}

/// What the store answered to a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Told {
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

/// When to claim again, in ticks from now.
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
}

/// Where a due job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    ToSend,
    ToAsk,
}

#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) order: Order,
    pub(crate) state: State,
    /// Reduced to its key, content and end.
    pub(crate) expired: bool,
    pub(crate) fence: u64,
    pub(crate) sends: u32,
    pub(crate) resends: u32,
    pub(crate) asks: u32,
    pub(crate) losses: u32,
    pub(crate) worker: Option<&'static str>,
    /// The state before the send that is out.
    pub(crate) before: Option<State>,
    pub(crate) first_sent: Option<Moment>,
    pub(crate) last_sent: Option<Moment>,
    /// What it is again when the send that is out turns out not to have been made.
    pub(crate) sent_before: Option<Moment>,
    pub(crate) ordered: Option<Moment>,
    pub(crate) due: Option<(Waits, Moment)>,
    pub(crate) in_review: Option<Moment>,
    pub(crate) done: Option<Moment>,
    pub(crate) trade_nos: Vec<String>,
    pub(crate) reason: Option<Reason>,
    /// The claim that ended last by its worker's word.
    pub(crate) ended: Option<u64>,
    /// What became of the first claim, where it was a send: told in the record.
    pub(crate) first: Option<String>,
    /// The list beside the record. The intent of a send that is out is not in it yet.
    pub(crate) log: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Receipt {
    number: u64,
    gave: Vec<(&'static str, u64)>,
    until: u64,
}

/// What one worker remembers.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) claims: u64,
    lost_a_reply: bool,
    receipt: Option<(u64, u64)>,
    pub(crate) epoch: u64,
}

/// Redis, the workers, and what the last step was told.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) now: Moment,
    pub(crate) jobs: BTreeMap<&'static str, Job>,
    /// What a job is about, where that is not its key.
    abouts: BTreeMap<String, &'static str>,
    pub(crate) paused: bool,
    pub(crate) epoch: u64,
    /// When the rate's bucket will be empty, in ticks.
    bucket: u64,
    /// Whose turn it is when one slot is free for both.
    asks_turn: bool,
    receipts: BTreeMap<&'static str, Receipt>,
    pub(crate) events: Vec<String>,

    pub(crate) workers: BTreeMap<&'static str, Memory>,
    /// Everything that was ever handed out to a worker that learnt of it.
    pub(crate) handed: Vec<Handed>,
    /// How workers ended their claims, to be repeated.
    pub(crate) finished: BTreeMap<(&'static str, u64), Step>,
    /// Claims under which the bytes may have left for the gateway.
    maybe_sent: BTreeSet<(&'static str, u64)>,
    /// Jobs that the gateway, or a person, has called failed.
    called_failed: BTreeSet<&'static str>,
    pub(crate) told: Told,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a lane with {} jobs", self.jobs.len())
    }
}

impl Model {
    pub(crate) fn lost_a_reply(&self, worker: &str) -> bool {
        self.workers.get(worker).is_some_and(|memory| memory.lost_a_reply)
    }

    /// What a worker knows of its last receipt and of the lane's epoch.
    pub(crate) fn known(&self, worker: &str) -> (u64, u64) {
        let Some(memory) = self.workers.get(worker) else { return (0, 0) };
        let trusted = memory.receipt.filter(|(_, at)| self.now.tick < at + RECEIPT_TRUSTED);
        (trusted.map_or(0, |(number, _)| number), memory.epoch)
    }

    /// Whether the actors of a story could do this now.
    pub(crate) fn allows(&self, step: &Step) -> bool {
        match step {
            Step::Claim(wish) => !self.lost_a_reply(wish.worker),
            Step::Unclaim(worker) => self.lost_a_reply(worker),
            Step::Renew(handed, _) => self.handed.contains(handed),
            Step::Commit(handed, _) | Step::Release(handed) => {
                // Whoever ends a claim twice ends it the same way.
                let finished = self.finished.get(&(handed.key, handed.fence));
                self.handed.contains(handed) && finished.is_none_or(|finished| finished == step)
            }
            Step::Submit(_)
            | Step::Operate(..)
            | Step::Pause
            | Step::Resume
            | Step::Purge { .. }
            | Step::Wake(_)
            | Step::TimePasses(_) => true,
        }
    }

    pub(crate) fn after(mut self, step: &Step) -> Self {
        self.now.step += 1;
        self.told = match step {
            Step::Submit(orders) => Told::Submitted(orders.iter().map(|order| self.submit(order)).collect()),
            Step::Claim(wish) => self.claim(wish),
            Step::Unclaim(worker) => self.unclaim(worker),
            Step::Renew(handed, lease) => self.renew(handed, *lease),
            Step::Commit(handed, outcome) => {
                self.finished.insert((handed.key, handed.fence), step.clone());
                Told::Committed(self.commit(handed, *outcome))
            }
            Step::Release(handed) => {
                self.finished.insert((handed.key, handed.fence), step.clone());
                self.maybe_sent.remove(&(handed.key, handed.fence));
                Told::Committed(self.release(handed.key, handed.fence))
            }
            Step::Operate(key, operation) => Told::Operated(self.operate(key, *operation)),
            Step::Pause => Told::Changed(self.pause()),
            Step::Resume => {
                if self.paused {
                    self.events.push("resumed".into());
                }
                Told::Changed(std::mem::take(&mut self.paused))
            }
            Step::Purge { retention, limit } => Told::Count(self.purge(*retention, *limit)),
            Step::Wake(key) => Told::Changed(self.wake(key)),
            Step::TimePasses(ticks) => {
                self.now = self.now.plus(*ticks);
                let now = self.now.tick;
                self.receipts.retain(|_, receipt| receipt.until > now);
                Told::Nothing
            }
        };
        self
    }

    fn submit(&mut self, order: &Order) -> String {
        if let Some(job) = self.jobs.get(order.key) {
            let same = job.order.order == order.order && job.order.fen == order.fen;
            return if same { format!("existing {}", job.state) } else { format!("conflict {}", order.key) };
        }
        let about = order.about();
        let named_so = self.jobs.get_key_value(about.as_str()).map(|(key, _)| *key).filter(|_| about != order.key);
        if let Some(first) = self.abouts.get(&about).copied().or(named_so) {
            return format!("conflict {first}");
        }
        if about != order.key {
            self.abouts.insert(about, order.key);
        }
        let due = self.now.plus(order.run_in);
        self.jobs.insert(order.key, Job::queued(order.clone(), due));
        "new".into()
    }

    /// What must hold whatever the rules above are: nothing is forgotten, and no maybe becomes a no.
    pub(crate) fn keeps_its_promises(&self) {
        for (key, job) in &self.jobs {
            let maybe_sent = self.maybe_sent.iter().any(|(sent, _)| sent == key);
            let says_unsent = match job.state {
                State::Queued | State::Cancelled => true,
                State::Failed => !self.called_failed.contains(key),
                State::InDoubt | State::Pending | State::NeedsReview | State::Succeeded | State::Refunded => false,
            };
            assert!(!(says_unsent && maybe_sent), "{key} may have been sent and is {}", job.state);
            let followed = match job.state {
                State::Queued | State::InDoubt | State::Pending => job.due.is_some(),
                State::NeedsReview => job.in_review.is_some(),
                State::Succeeded | State::Failed | State::Refunded | State::Cancelled => {
                    job.expired || job.done.is_some()
                }
            };
            assert!(followed, "{key} is {} and nobody will look at it", job.state);
        }
    }
}

impl Job {
    fn queued(order: Order, due: Moment) -> Self {
        Self {
            order,
            state: State::Queued,
            expired: false,
            fence: 0,
            sends: 0,
            resends: 0,
            asks: 0,
            losses: 0,
            worker: None,
            before: None,
            first_sent: None,
            last_sent: None,
            sent_before: None,
            ordered: None,
            due: Some((Waits::ToSend, due)),
            in_review: None,
            done: None,
            trade_nos: Vec::new(),
            reason: None,
            ended: None,
            first: None,
            log: Vec::new(),
        }
    }
}

fn from_now(at: u64, now: u64) -> i64 {
    i64::try_from(at).expect("few ticks") - i64::try_from(now).expect("few ticks")
}
