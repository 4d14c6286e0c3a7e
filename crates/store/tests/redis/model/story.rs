//! What the actors do, step by step, and how a step reads when it is part of a story that went wrong.

use std::fmt;

use bursar_domain::{Call, Operation, State};
use proptest::prelude::*;
use proptest::sample::select;

use super::reference::Model;

/// Time goes in steps of this many minutes: far longer than a whole story takes, so that the real seconds in it never
/// decide whether something is due.
pub(crate) const TICK_MINUTES: u64 = 10;

const WORKERS: [&str; 3] = ["w1", "w2", "w3"];

/// The last one is named like what the first one is about.
pub(crate) const KEYS: [&str; 6] = ["K1", "K2", "K3", "K4", "K5", "O1/1"];
const ORDERS: [&str; 6] = ["O1", "O2", "O3", "O4", "O5", "O1"];

/// One step of a story. Its `Debug` is a sentence.
#[derive(Clone, PartialEq)]
pub(crate) enum Step {
    Submit(Vec<Order>),
    Claim(Wish),
    /// A worker that lost the reply of its last claim returns what that had given.
    Unclaim(&'static str),
    Renew(Handed, u64),
    Commit(Handed, Outcome),
    Release(Handed),
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
    pub(crate) run_in: u64,
}

impl Order {
    pub(crate) fn about(&self) -> String {
        format!("{}/1", self.order)
    }
}

/// One claim, and what becomes of its reply.
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
    /// The worker never learns what it was given.
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

/// What a worker's call came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Certainly not executed: later.
    DidNothing(Then),
    /// Certainly not executed, and the lane must stop.
    ConfigFault(Then),
    /// Certainly not executed, and never will be.
    Refused,
    Accepted(Then),
    Silent(Then),
    LastWord(State),
    Review,
    /// A job that had ended was asked about, and nothing new was learnt.
    AsBefore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    SendIn(u64),
    AskIn(u64),
}

impl Outcome {
    /// Whether a worker can come to this about what it was handed (the domain's rules, much shortened).
    fn fits(self, handed: &Handed) -> bool {
        let asked = handed.call == Call::Ask;
        match (self, handed.state) {
            (Self::AsBefore, state) => state.is_terminal(),
            (Self::LastWord(State::Refunded), State::Succeeded) => true,
            (_, state) if state.is_terminal() => false,
            (Self::DidNothing(then) | Self::ConfigFault(then), State::Queued) => matches!(then, Then::SendIn(_)),
            (Self::DidNothing(_) | Self::ConfigFault(_), _) => !asked,
            (Self::Refused, state) => !asked && state == State::Queued,
            (Self::Silent(_), state) => state != State::Pending,
            (Self::Accepted(_) | Self::LastWord(_) | Self::Review, _) => true,
        }
    }

    fn all() -> Vec<Self> {
        let thens = [Then::SendIn(0), Then::AskIn(0), Then::SendIn(1), Then::AskIn(1), Then::AskIn(3)];
        let ends = [State::Succeeded, State::Succeeded, State::Failed, State::Refunded];
        let mut all = vec![Self::Refused, Self::Review, Self::AsBefore];
        all.extend(ends.map(Self::LastWord));
        for then in thens {
            all.extend([Self::DidNothing(then), Self::ConfigFault(then), Self::Accepted(then), Self::Silent(then)]);
        }
        all
    }
}

/// The next step from where the model stands.
pub(crate) fn next(model: &Model) -> BoxedStrategy<Step> {
    let mut steps = vec![
        (4, proptest::collection::vec(order(), 1..4).prop_map(Step::Submit).boxed()),
        (6, wish().prop_map(Step::Claim).boxed()),
        (4, (1..4_u64).prop_map(Step::TimePasses).boxed()),
        (2, (select(&KEYS[..]), operation()).prop_map(|(key, operation)| Step::Operate(key, operation)).boxed()),
        (1, Just(Step::Pause).boxed()),
        (1, Just(Step::Resume).boxed()),
        (1, (0..3_u64, 1..3_usize).prop_map(|(retention, limit)| Step::Purge { retention, limit }).boxed()),
        (1, select(&KEYS[..]).prop_map(Step::Wake).boxed()),
    ];
    let waiting: Vec<&'static str> = WORKERS.into_iter().filter(|worker| model.lost_a_reply(worker)).collect();
    if !waiting.is_empty() {
        steps.push((3, select(waiting).prop_map(Step::Unclaim).boxed()));
    }
    if !model.handed.is_empty() {
        let finished = model.finished.clone();
        let handed = || select(model.handed.clone());
        let newest: Vec<Handed> = model.handed.iter().rev().take(3).cloned().collect();
        let commit = move |handed: Handed| match finished.get(&(handed.key, handed.fence)) {
            Some(finish) => Just(finish.clone()).boxed(), // a repetition
            None => commit(handed),
        };
        steps.push((7, select(newest).prop_flat_map(commit.clone()).boxed()));
        steps.push((2, handed().prop_flat_map(commit).boxed()));
        steps.push((1, (handed(), 1..3_u64).prop_map(|(handed, lease)| Step::Renew(handed, lease)).boxed()));
        steps.push((2, handed().prop_map(Step::Release).boxed()));
    }
    proptest::strategy::Union::new_weighted(steps).boxed()
}

fn commit(handed: Handed) -> BoxedStrategy<Step> {
    let outcomes: Vec<Outcome> = Outcome::all().into_iter().filter(|outcome| outcome.fits(&handed)).collect();
    select(outcomes).prop_map(move |outcome| Step::Commit(handed.clone(), outcome)).boxed()
}

fn order() -> impl Strategy<Value = Order> {
    let amounts = prop_oneof![5 => Just(100), 1 => Just(200_u64)];
    let moves = prop_oneof![6 => Just(0), 1 => Just(1_usize)];
    let run_in = prop_oneof![5 => Just(0), 1 => Just(2_u64)];
    (0..KEYS.len(), moves, amounts, run_in).prop_map(|(at, other, fen, run_in)| Order {
        key: KEYS[at],
        order: ORDERS[(at + other) % ORDERS.len()],
        fen,
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
    let calls = [Operation::Ask, Operation::Ask, Operation::Send, Operation::Send, Operation::Cancel];
    select([&calls[..], &ends[..]].concat())
}

fn minutes(ticks: u64) -> String {
    format!("{} min", ticks * TICK_MINUTES)
}

impl fmt::Debug for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submit(orders) => write!(out, "submit {orders:?}"),
            Self::Claim(wish) => write!(out, "{wish:?}"),
            Self::Unclaim(worker) => write!(out, "{worker} returns what its last claim gave, whose reply was lost"),
            Self::Renew(handed, lease) => write!(out, "{} renews {handed:?} for {}", handed.worker, minutes(*lease)),
            Self::Commit(handed, outcome) => write!(out, "{} commits {handed:?}: {outcome:?}", handed.worker),
            Self::Release(handed) => write!(out, "{} gives back {handed:?}, not called about", handed.worker),
            Self::Operate(key, operation) => write!(out, "a person: {operation:?} {key}"),
            Self::Pause => out.write_str("a person pauses the lane"),
            Self::Resume => out.write_str("a person resumes the lane"),
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
        write!(out, "{} about {} ({} fen", self.key, self.about(), self.fen)?;
        if self.run_in > 0 {
            write!(out, ", due in {}", minutes(self.run_in))?;
        }
        out.write_str(")")
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.sends { "calls" } else { "asks" };
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
            Self::DidNothing(then) => write!(out, "certainly not executed, {then:?}"),
            Self::ConfigFault(then) => write!(out, "certainly not executed, pause the lane, {then:?}"),
            Self::Refused => out.write_str("refused for good"),
            Self::Accepted(then) => write!(out, "accepted, {then:?}"),
            Self::Silent(then) => write!(out, "no answer, {then:?}"),
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
            Self::AskIn(ticks) => write!(out, "ask in {}", minutes(*ticks)),
        }
    }
}
