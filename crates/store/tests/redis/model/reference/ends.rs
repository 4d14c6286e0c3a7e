//! What becomes of a job: by the worker that called about it, by a person, by a notification, by age.

use bursar_domain::{ActionKind, Call, GatewayText, Operation, Reason, State};
use bursar_store::Committed;

use super::{Model, Waits};
use crate::model::story::{Handed, Outcome, Then};

impl Model {
    pub(super) fn commit(&mut self, handed: &Handed, outcome: Outcome) -> Committed {
        let (key, now) = (handed.key, self.now);
        let next = Ending::of(handed, outcome);
        if next.never_left {
            self.maybe_sent.remove(&(key, handed.fence));
        }
        let Some(job) = self.jobs.get_mut(key) else { return Committed::Stale };
        if !job.expired && job.ended == Some(handed.fence) {
            return Committed::Again;
        }
        if job.expired || job.fence != handed.fence {
            let late = format!("response #{} too late", handed.fence);
            if !job.expired && job.log.last() != Some(&late) {
                job.log.push(late);
            }
            return Committed::Stale;
        }
        job.ended = Some(handed.fence);
        let before = job.before.take();
        job.asks += u32::from(handed.call == Call::Ask);
        if next.never_left && before.is_some_and(|before| before != State::Queued) {
            job.resends -= 1;
        }
        if matches!(outcome, Outcome::Accepted(_)) {
            job.trade_nos = vec![format!("T{}", handed.fence)];
        }
        job.reason.clone_from(&next.reason);
        job.worker = None;
        let answer = format!("response #{}", handed.fence);
        if before.is_some() && handed.fence == 1 {
            job.first = Some(format!("first {answer}"));
        } else {
            job.log.extend(before.map(|_| format!("send_intent #{}", handed.fence)));
            job.log.push(answer);
        }
        if next.state != before.unwrap_or(job.state) {
            self.events.push(format!("{key} {}", next.state));
        }
        job.state = next.state;
        job.due = next.then.map(|then| match then {
            Then::SendIn(ticks) => (Waits::ToSend, now.plus(ticks)),
            Then::AskIn(ticks) => (Waits::ToAsk, now.plus(ticks)),
        });
        match next.state {
            State::NeedsReview => job.in_review = Some(now),
            state if state.is_terminal() => job.done = job.done.or(Some(now)),
            _ => {}
        }
        if next.state == State::Failed && matches!(outcome, Outcome::LastWord(_)) {
            self.called_failed.insert(key);
        }
        if next.pauses {
            self.pause();
        }
        Committed::Ok
    }

    pub(super) fn release(&mut self, key: &'static str, fence: u64) -> Committed {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key).filter(|job| !job.expired) else { return Committed::Stale };
        if job.ended == Some(fence) {
            return Committed::Again;
        }
        if job.fence != fence || job.worker.take().is_none() {
            return Committed::Stale;
        }
        job.ended = Some(fence);
        job.due = Some((Waits::ToAsk, now));
        if let Some(before) = job.before.take() {
            job.state = before;
            job.sends -= 1;
            job.resends -= u32::from(before != State::Queued);
            job.last_sent = job.sent_before;
            job.first_sent = job.first_sent.filter(|_| job.sends > 0);
            job.log.extend([format!("send_intent #{fence}"), format!("claim_released #{fence}")]);
            job.due = Some((Waits::ToSend, now));
        }
        Committed::Ok
    }

    pub(super) fn operate(&mut self, key: &'static str, operation: Operation) -> &'static str {
        use State::{Cancelled, InDoubt, NeedsReview, Pending, Queued, Succeeded};
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key) else { return "unknown" };
        let (to, waits) = match (operation, job.state) {
            (Operation::Ask, state @ (InDoubt | Pending | Succeeded)) => (state, Some(Waits::ToAsk)),
            (Operation::Ask, NeedsReview) => (InDoubt, Some(Waits::ToAsk)),
            (Operation::Send, NeedsReview) => (InDoubt, Some(Waits::ToSend)),
            (Operation::Send, Queued) => (Queued, Some(Waits::ToSend)),
            (Operation::Resolve(end), NeedsReview) if end.is_terminal() => (end, None),
            (Operation::Cancel, Queued) => (Cancelled, None),
            _ => return "refused",
        };
        if job.expired {
            return "refused";
        }
        if job.worker.is_some() {
            return "held";
        }
        if to != job.state {
            self.events.push(format!("{key} {to}"));
        }
        job.state = to;
        job.reason = Some(Reason::operator_action(operation.into(), "li", "because"));
        job.log.push(format!("operator_action {}", ActionKind::from(operation).as_str()));
        job.in_review = None;
        job.due = waits.map(|waits| (waits, now));
        match waits {
            Some(_) => job.ordered = Some(now),
            None => job.done = job.done.or(Some(now)),
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
            if job.worker.is_some() || job.due.is_some() {
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
        match self.jobs.get_mut(key) {
            Some(job) if job.worker.is_none() => match &mut job.due {
                Some((Waits::ToAsk, at)) if *at > now => {
                    *at = now;
                    true
                }
                Some(_) | None => false,
            },
            Some(_) | None => false,
        }
    }
}

/// How a claim ends.
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
            Outcome::DidNothing(then) | Outcome::ConfigFault(then) => (handed.state, Some(then)),
            Outcome::Refused => (State::Failed, None),
            Outcome::Accepted(then) => (State::Pending, Some(then)),
            Outcome::Silent(then) => (State::InDoubt, Some(then)),
            Outcome::LastWord(state) => (state, None),
            Outcome::Review => (State::NeedsReview, None),
            Outcome::AsBefore => (handed.state, None),
        };
        let never_left = matches!(outcome, Outcome::DidNothing(_) | Outcome::ConfigFault(_) | Outcome::Refused);
        let reason = match outcome {
            Outcome::Review => Some(Reason::WorkersLost),
            Outcome::ConfigFault(_) => Some(Reason::Misconfigured(GatewayText::default())),
            Outcome::Refused => Some(Reason::Rejected(GatewayText::default())),
            Outcome::DidNothing(_)
            | Outcome::Accepted(_)
            | Outcome::Silent(_)
            | Outcome::LastWord(_)
            | Outcome::AsBefore => None,
        };
        Self { state, then, never_left, pauses: matches!(outcome, Outcome::ConfigFault(_)), reason }
    }
}
