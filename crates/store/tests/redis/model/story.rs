//! The actors' steps, and their text in a failing story.

use std::fmt;

use bursar_domain::{Call, Operation, State};
use proptest::prelude::*;
use proptest::sample::select;

use super::reference::{Model, Queue};

/// Time passes in ticks of this many minutes: far longer than a whole story takes, so that the real seconds in it never
/// decide if something is due.
pub(crate) const TICK_MINUTES: u64 = 10;

const WORKERS: [&str; 3] = ["w1", "w2", "w3"];

/// Queues of one partition.
pub(crate) const QUEUES: [&str; 2] = ["main/bill_upload", "pay/bill_upload"];

/// Groups that share a queue, each with its weight.
pub(crate) const GROUPS: [(&str, f64); 2] = [("s1", 1.0), ("s2", 3.0)];

/// The last one is equal to the first one's business key.
pub(crate) const KEYS: [&str; 6] = ["K1", "K2", "K3", "K4", "K5", "O1/1"];
const ORDERS: [&str; 6] = ["O1", "O2", "O3", "O4", "O5", "O1"];

/// One step of a story. Its `Debug` is a sentence.
#[derive(Clone, PartialEq)]
pub(crate) struct Step {
    /// The queue in which it is, by its place among [`QUEUES`]; time passes in all.
    pub(crate) at_queue: usize,
    pub(crate) deed: Deed,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Deed {
    Submit(Vec<Order>),
    Claim(Wish),
    /// A worker that lost the reply of its last claim releases the claimed jobs.
    Recover(&'static str),
    Renew(Handed, u64),
    Commit(Handed, Outcome),
    Release(Handed),
    Withdraw(Handed),
    Operate(&'static str, Operation),
    Pause,
    Resume,
    Purge {
        retention: u64,
        limit: usize,
    },
    Wake(&'static str),
    TimePasses(u64),
}

/// A job as it is submitted: a bill.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) key: &'static str,
    pub(crate) order: &'static str,
    pub(crate) fen: u64,
    pub(crate) group: &'static str,
    pub(crate) run_in: u64,
}

impl Order {
    pub(crate) fn business_key(&self) -> String {
        format!("{}/1", self.order)
    }
}

/// One claim, and the fate of its reply.
#[derive(Clone, PartialEq)]
pub(crate) struct Wish {
    pub(crate) worker: &'static str,
    pub(crate) slots: usize,
    pub(crate) lease: u64,
    pub(crate) sends: bool,
    /// One call in so many ticks.
    pub(crate) every: Option<u64>,
    pub(crate) reply: Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Arrives,
    /// The worker never receives it.
    IsLost,
    /// The claim itself is late: it reaches Redis after the worker has given it up.
    IsGivenUpFirst,
}

/// A job in a worker's hands, as it believes; it may be long wrong.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) worker: &'static str,
    pub(crate) key: &'static str,
    pub(crate) fence: u64,
    pub(crate) call: Call,
    pub(crate) state: State,
}

/// The outcome of a worker's call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Certainly not executed: later.
    NotExecuted(Then),
    /// Certainly not executed, and the queue must stop.
    Misconfigured(Then),
    /// Certainly not executed, and never will be.
    Rejected,
    Accepted(Then),
    NoResponse(Then),
    LastWord(State),
    Review,
    /// A job that had ended was queried, and nothing new was learnt.
    AsBefore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    SendIn(u64),
    QueryIn(u64),
}

impl Outcome {
    /// True if a worker's call can have this outcome (the domain's rules, much shortened).
    fn fits(self, handed: &Handed) -> bool {
        let is_query = handed.call == Call::Query;
        match (self, handed.state) {
            (Self::AsBefore, state) => state.is_terminal(),
            (Self::LastWord(State::Refunded), State::Succeeded) => true,
            (_, state) if state.is_terminal() => false,
            (Self::NotExecuted(then) | Self::Misconfigured(then), State::Queued) => matches!(then, Then::SendIn(_)),
            (Self::NotExecuted(_) | Self::Misconfigured(_), _) => !is_query,
            (Self::Rejected, state) => !is_query && state == State::Queued,
            (Self::NoResponse(_), state) => state != State::Pending,
            (Self::Accepted(_) | Self::LastWord(_) | Self::Review, _) => true,
        }
    }

    fn all() -> Vec<Self> {
        let thens = [Then::SendIn(0), Then::QueryIn(0), Then::SendIn(1), Then::QueryIn(1), Then::QueryIn(3)];
        let ends = [State::Succeeded, State::Succeeded, State::Failed, State::Refunded];
        let mut all = vec![Self::Rejected, Self::Review, Self::AsBefore];
        all.extend(ends.map(Self::LastWord));
        for then in thens {
            all.extend([
                Self::NotExecuted(then),
                Self::Misconfigured(then),
                Self::Accepted(then),
                Self::NoResponse(then),
            ]);
        }
        all
    }
}

/// The next step from the model's state.
pub(crate) fn next(model: &Model) -> BoxedStrategy<Step> {
    let in_queue =
        |at_queue: usize| next_in(&model.queues[at_queue]).prop_map(move |deed| Step { at_queue, deed }).boxed();
    proptest::strategy::Union::new_weighted(vec![(3, in_queue(0)), (1, in_queue(1))]).boxed()
}

fn next_in(at_queue: &Queue) -> BoxedStrategy<Deed> {
    let mut steps = vec![
        (4, proptest::collection::vec(order(), 1..4).prop_map(Deed::Submit).boxed()),
        (6, wish().prop_map(Deed::Claim).boxed()),
        (4, (1..4_u64).prop_map(Deed::TimePasses).boxed()),
        (2, (select(&KEYS[..]), operation()).prop_map(|(key, operation)| Deed::Operate(key, operation)).boxed()),
        (1, Just(Deed::Pause).boxed()),
        (1, Just(Deed::Resume).boxed()),
        (1, (0..3_u64, 1..3_usize).prop_map(|(retention, limit)| Deed::Purge { retention, limit }).boxed()),
        (1, select(&KEYS[..]).prop_map(Deed::Wake).boxed()),
    ];
    let waiting: Vec<&'static str> = WORKERS.into_iter().filter(|worker| at_queue.lost_a_reply(worker)).collect();
    if !waiting.is_empty() {
        steps.push((3, select(waiting).prop_map(Deed::Recover).boxed()));
    }
    if !at_queue.handed.is_empty() {
        let finished = at_queue.finished.clone();
        let handed = || select(at_queue.handed.clone());
        let newest: Vec<Handed> = at_queue.handed.iter().rev().take(3).cloned().collect();
        let commit = move |handed: Handed| match finished.get(&(handed.key, handed.fence)) {
            Some(finish) => Just(finish.clone()).boxed(), // a repetition
            None => commit(handed),
        };
        steps.push((7, select(newest).prop_flat_map(commit.clone()).boxed()));
        steps.push((2, handed().prop_flat_map(commit).boxed()));
        steps.push((1, (handed(), 1..3_u64).prop_map(|(handed, lease)| Deed::Renew(handed, lease)).boxed()));
        steps.push((2, handed().prop_map(Deed::Release).boxed()));
        steps.push((1, handed().prop_map(Deed::Withdraw).boxed()));
    }
    proptest::strategy::Union::new_weighted(steps).boxed()
}

fn commit(handed: Handed) -> BoxedStrategy<Deed> {
    let outcomes: Vec<Outcome> = Outcome::all().into_iter().filter(|outcome| outcome.fits(&handed)).collect();
    select(outcomes).prop_map(move |outcome| Deed::Commit(handed.clone(), outcome)).boxed()
}

fn order() -> impl Strategy<Value = Order> {
    let amounts = prop_oneof![5 => Just(100), 1 => Just(200_u64)];
    let moves = prop_oneof![6 => Just(0), 1 => Just(1_usize)];
    let groups = prop_oneof![3 => Just(GROUPS[0].0), 2 => Just(GROUPS[1].0)];
    let run_in = prop_oneof![5 => Just(0), 1 => Just(2_u64)];
    (0..KEYS.len(), moves, amounts, groups, run_in).prop_map(|(at, other, fen, group, run_in)| Order {
        key: KEYS[at],
        order: ORDERS[(at + other) % ORDERS.len()],
        fen,
        group,
        run_in,
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    let every = prop_oneof![4 => Just(None), 1 => (1..3_u64).prop_map(Some)];
    let reply = prop_oneof![8 => Just(Reply::Arrives), 2 => Just(Reply::IsLost), 1 => Just(Reply::IsGivenUpFirst)];
    let sends = prop_oneof![5 => Just(true), 1 => Just(false)];
    (select(&WORKERS[..]), 1..4_usize, 1..3_u64, sends, every, reply)
        .prop_map(|(worker, slots, lease, sends, every, reply)| Wish { worker, slots, lease, sends, every, reply })
}

fn operation() -> impl Strategy<Value = Operation> {
    let ends = [State::Succeeded, State::Failed, State::Refunded, State::Queued].map(Operation::Resolve);
    let calls = [Operation::Query, Operation::Query, Operation::Send, Operation::Send, Operation::Cancel];
    select([&calls[..], &ends[..]].concat())
}

fn minutes(ticks: u64) -> String {
    format!("{} min", ticks * TICK_MINUTES)
}

impl fmt::Debug for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {:?}", QUEUES[self.at_queue], self.deed)
    }
}

impl fmt::Debug for Deed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submit(orders) => write!(out, "submit {orders:?}"),
            Self::Claim(wish) => write!(out, "{wish:?}"),
            Self::Recover(worker) => write!(out, "{worker} releases its last claim, whose reply was lost"),
            Self::Renew(handed, lease) => write!(out, "{} renews {handed:?} for {}", handed.worker, minutes(*lease)),
            Self::Commit(handed, outcome) => write!(out, "{} commits {handed:?}: {outcome:?}", handed.worker),
            Self::Release(handed) => write!(out, "{} releases {handed:?}, not called about", handed.worker),
            Self::Withdraw(handed) => write!(out, "{} withdraws {handed:?}, not called about", handed.worker),
            Self::Operate(key, operation) => write!(out, "a person: {operation:?} {key}"),
            Self::Pause => out.write_str("a person pauses the queue"),
            Self::Resume => out.write_str("a person resumes the queue"),
            Self::Purge { retention, limit } => {
                write!(out, "at most {limit} that ended {} ago are reduced", minutes(*retention))
            }
            Self::Wake(key) => write!(out, "a notification wakes {key}"),
            Self::TimePasses(ticks) => write!(out, "{} pass", minutes(*ticks)),
        }
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} for {} ({} fen of {}", self.key, self.business_key(), self.fen, self.group)?;
        if self.run_in > 0 {
            write!(out, ", due in {}", minutes(self.run_in))?;
        }
        out.write_str(")")
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.sends { "calls" } else { "queries" };
        write!(out, "{} claims at most {} {calls} for {}", self.worker, self.slots, minutes(self.lease))?;
        if let Some(every) = self.every {
            write!(out, ", one in {}", minutes(every))?;
        }
        match self.reply {
            Reply::Arrives => Ok(()),
            Reply::IsLost => out.write_str("; the reply is lost"),
            Reply::IsGivenUpFirst => out.write_str("; it gives up before that reaches Redis"),
        }
    }
}

impl fmt::Debug for Handed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}#{} ({}, was {})", self.key, self.fence, self.call.as_str(), self.state)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotExecuted(then) => write!(out, "certainly not executed, {then:?}"),
            Self::Misconfigured(then) => write!(out, "certainly not executed, pause the at_queue, {then:?}"),
            Self::Rejected => out.write_str("refused for good"),
            Self::Accepted(then) => write!(out, "accepted, {then:?}"),
            Self::NoResponse(then) => write!(out, "no answer, {then:?}"),
            Self::LastWord(state) => write!(out, "{state}"),
            Self::Review => out.write_str("a person must look"),
            Self::AsBefore => out.write_str("nothing new"),
        }
    }
}

impl fmt::Debug for Then {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SendIn(ticks) => write!(out, "send in {}", minutes(*ticks)),
            Self::QueryIn(ticks) => write!(out, "ask in {}", minutes(*ticks)),
        }
    }
}
