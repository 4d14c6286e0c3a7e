//! The changes of a job: by the worker that called about it, by an operator, by a notification, by age.

use bursar_domain::{ActionKind, Call, GatewayText, Operation, Reason, State};
use bursar_store::Committed;

use super::{Queue, Sends};
use crate::model::story::{Handed, Outcome, Then};

/// The gateway's numbers that a record keeps, the newest ones.
const TRADE_NOS_KEPT: usize = 8;

impl Queue {
    pub(super) fn commit(&mut self, handed: &Handed, outcome: Outcome) -> Committed {
        let (key, now) = (handed.key, self.now);
        let next = Ending::of(handed, outcome);
        if next.never_left {
            self.maybe_sent.remove(&(key, handed.fence));
        }
        let job = self.jobs.get_mut(key).expect("what was handed out has a record");
        if !job.expired && job.ended == Some(handed.fence) {
            return Committed::Again;
        }
        let Some(claim) = job.claims.last().copied().filter(|claim| claim.fence == handed.fence) else {
            if !job.expired {
                job.late.insert(format!("response #{} too late", handed.fence));
            }
            return Committed::Late;
        };
        let before = job.state;
        *job = job.found();
        job.claims.clear();
        (job.fence, job.ended) = (claim.fence, Some(claim.fence));
        job.queries += u32::from(claim.call == Call::Query);
        if claim.call == Call::Send {
            job.count_send(claim.at, !next.never_left);
        }
        if matches!(outcome, Outcome::Accepted(_)) {
            job.trade_nos.push(format!("T{}", handed.fence));
            let surplus = job.trade_nos.len().saturating_sub(TRADE_NOS_KEPT);
            job.trade_nos.drain(..surplus);
        }
        job.reason.clone_from(&next.reason);
        job.history.push(format!("response #{}", handed.fence));
        job.state = next.state;
        (job.to_query, job.in_review) = (None, None);
        match next.then {
            Some(Then::SendIn(ticks)) => job.to_send = Some(Sends::At(now.plus(ticks))),
            Some(Then::QueryIn(ticks)) => job.to_query = Some(now.plus(ticks)),
            None => {}
        }
        match next.state {
            State::NeedsReview => job.in_review = Some(now),
            state if state.is_terminal() => job.done = job.done.or(Some(now)),
            _ => {}
        }
        if next.state != before {
            self.events.push(format!("{key} {}", next.state));
        }
        if next.state == State::Failed && matches!(outcome, Outcome::LastWord(_)) {
            self.called_failed.insert(key);
        }
        if next.pauses {
            self.pause();
        }
        Committed::Done
    }

    /// True if there was a claim to release.
    pub(super) fn release(&mut self, key: &'static str, fence: u64) -> bool {
        let now = self.now;
        let job = self.jobs.get_mut(key).expect("what was handed out has a record");
        let Some(claim) = job.claims.pop_if(|claim| claim.fence == fence) else { return false };
        if claim.call == Call::Send && job.claims.is_empty() {
            (job.to_send, job.to_query) = (Some(Sends::At(now)), None);
        } else {
            job.to_query = Some(now);
        }
        true
    }

    /// True if there was a claim to withdraw. The record then includes the claim, and those that were lost before it.
    pub(super) fn withdraw(&mut self, key: &'static str, fence: u64) -> bool {
        let now = self.now;
        let job = self.jobs.get_mut(key).expect("what was handed out has a record");
        let Some(claim) = job.claims.last().copied().filter(|claim| claim.fence == fence) else { return false };
        let before = job.state;
        *job = job.found();
        job.claims.clear();
        (job.fence, job.ended) = (fence, Some(fence));
        (job.to_send, job.to_query) = match claim.call {
            Call::Send => (Some(Sends::At(now)), None),
            Call::Query => (None, Some(now)),
        };
        if job.state != before {
            self.events.push(format!("{key} {}", job.state));
        }
        true
    }

    pub(super) fn operate(&mut self, key: &'static str, operation: Operation) -> &'static str {
        use State::{Cancelled, InDoubt, NeedsReview, Pending, Queued, Succeeded};
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key) else { return "unknown" };
        let (to, sends, queries) = match (operation, job.seen().state) {
            (Operation::Query, state @ (InDoubt | Pending | Succeeded)) => (state, false, true),
            (Operation::Query, NeedsReview) => (InDoubt, false, true),
            (Operation::Send, NeedsReview) => (InDoubt, true, false),
            (Operation::Send, Queued) => (Queued, true, false),
            (Operation::Resolve(end), NeedsReview) if end.is_terminal() => (end, false, false),
            (Operation::Cancel, Queued) => (Cancelled, false, false),
            _ => return "refused",
        };
        if job.expired {
            return "refused";
        }
        if !job.claims.is_empty() {
            return "claimed";
        }
        if to != job.state {
            self.events.push(format!("{key} {to}"));
        }
        job.state = to;
        job.reason = Some(Reason::operator_action(operation.into(), "li", "because"));
        job.history.push(format!("operator_action {}", ActionKind::from(operation).as_str()));
        job.in_review = None;
        job.to_send = sends.then_some(Sends::At(now));
        job.to_query = queries.then_some(now);
        if sends || queries {
            job.ordered = Some(now);
        } else {
            job.done = job.done.or(Some(now));
        }
        if operation == Operation::Resolve(State::Failed) {
            self.called_failed.insert(key);
        }
        "done"
    }

    pub(super) fn pause(&mut self) -> bool {
        let changed = !std::mem::replace(&mut self.paused, true);
        if changed {
            self.events.push("paused".into());
        }
        changed
    }

    pub(super) fn purge(&mut self, retention: u64, limit: usize) -> usize {
        let now = self.now;
        let ended = self.jobs.iter().filter_map(|(key, job)| Some((job.done?, *key)));
        let mut ended: Vec<_> = ended.filter(|(done, _)| done.tick + retention <= now.tick).collect();
        ended.sort_unstable();
        let mut reduced = 0;
        for (_, key) in ended.into_iter().take(limit) {
            let job = self.jobs.get_mut(key).expect("what is done has a record");
            if !job.claims.is_empty() || job.to_query.is_some() {
                job.done = Some(now);
            } else {
                (job.expired, job.done) = (true, None);
                reduced += 1;
            }
        }
        reduced
    }

    pub(super) fn wake(&mut self, key: &'static str) -> bool {
        let now = self.now;
        let job = self.jobs.get_mut(key).filter(|job| job.claims.is_empty());
        let waits = job.and_then(|job| job.to_query.as_mut()).filter(|at| **at > now);
        waits.map(|at| *at = now).is_some()
    }
}

/// The end of a claim.
pub(crate) struct Ending {
    pub(crate) state: State,
    pub(crate) then: Option<Then>,
    /// The send of this claim certainly did nothing.
    pub(crate) never_left: bool,
    pub(crate) pauses: bool,
    pub(crate) reason: Option<Reason>,
}

impl Ending {
    pub(crate) fn of(handed: &Handed, outcome: Outcome) -> Self {
        let (state, then) = match outcome {
            Outcome::NotExecuted(then) | Outcome::Misconfigured(then) => (handed.state, Some(then)),
            Outcome::Rejected => (State::Failed, None),
            Outcome::Accepted(then) => (State::Pending, Some(then)),
            Outcome::NoResponse(then) => (State::InDoubt, Some(then)),
            Outcome::LastWord(state) => (state, None),
            Outcome::Review => (State::NeedsReview, None),
            Outcome::AsBefore => (handed.state, None),
        };
        let never_left = matches!(outcome, Outcome::NotExecuted(_) | Outcome::Misconfigured(_) | Outcome::Rejected);
        let reason = match outcome {
            Outcome::Review => Some(Reason::WorkersLost),
            Outcome::Misconfigured(_) => Some(Reason::Misconfigured(GatewayText::default())),
            Outcome::Rejected => Some(Reason::Rejected(GatewayText::default())),
            Outcome::NotExecuted(_)
            | Outcome::Accepted(_)
            | Outcome::NoResponse(_)
            | Outcome::LastWord(_)
            | Outcome::AsBefore => None,
        };
        Self { state, then, never_left, pauses: matches!(outcome, Outcome::Misconfigured(_)), reason }
    }
}
