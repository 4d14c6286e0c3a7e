//! The state machine: what to do about a job that came due, and what an answer makes of it.
//!
//! Every legal transition is one arm of the `match` in [`after`]; everything else is illegal. "Maybe" never becomes "no":
//! from `in_doubt` and `pending` only a gateway's last word or a person leads to `failed`.

use std::time::Duration;

use crate::{
    Answer, Call, Confirm, GatewayText, ManualResend, Millis, Names, OnAmbiguous, Policy, Reason, Received, State,
    Suspicion, not_ready_delay, poll_delay, retry_delay, settle_spread,
};

/// The most workers that may be lost while they hold one job before a person must look: the job may be what kills them.
pub const MAX_LOSSES: u32 = 5;

/// No response is at hand where a rule decides; the caller that has one adds its words.
const NO_TEXT: GatewayText = GatewayText { gateway_code: None, gateway_message: None };

/// The most sends of a job that certainly never executed. At the default waits the deadline comes first.
pub const MAX_SENDS: u32 = 1_000;

/// Sends in all after which what the gateway still says is not ready goes before a person (docs/gateways/beingfi.md: a few tries).
pub const MAX_NOT_READY_SENDS: u32 = 5;

/// The time for which "not found" proves nothing where nothing may be sent again: the gateway has queues and replicas
/// (docs/gateways/yzt.md).
const UNSEEN_GRACE: Duration = Duration::from_secs(600);

/// The facts about one job that the record and the gateway have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Before the call; while a send is out the record itself says `in_doubt`.
    pub state: State,
    /// Sends so far, this one included.
    pub sends: u32,
    /// Sends made while an earlier one might have executed, this one included.
    pub resends: u32,
    /// Asks so far, this one included.
    pub queries: u32,
    /// Workers lost while they held the job.
    pub losses: u32,
    /// When the first intent to send was recorded.
    pub first_sent: Option<Millis>,
    /// When the last one was, this one included.
    pub last_sent: Option<Millis>,
    /// When the last one before this one was.
    pub sent_before: Option<Millis>,
    /// When an operator last ordered a call: deadlines are counted from then.
    pub ordered: Option<Millis>,
    /// The outcome in a response that came when its claim was gone: evidence where the gateway cannot be asked.
    pub late_response: Option<Answer>,
    /// True if the gateway can be asked about it, with what is known by now.
    pub can_query: bool,
    /// The job that the response at hand names. Without a response, nothing names one.
    pub names: Names,
    /// The arrival of a response to the last send that can be relied on, whatever it said.
    pub received: Received,
    /// True if the gateway has said that the order which it belongs to is not ready. Some say so of an order that was executed, so the job
    /// never ends as one that was not: a person looks.
    pub not_ready: bool,
    /// True if this gateway answers a repeated send with the first one's status.
    pub resend_tells: bool,
    /// True if the money arrives the next working day only.
    pub next_day: bool,
    /// The seed of the job's jitter.
    pub seed: u64,
}

/// When and for what to look at a job next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send it, not before this moment.
    Send(Millis),
    /// Ask about it, not before this moment.
    Query(Millis),
    /// Not by itself.
    Never,
}

/// A job's state after a decision, and its next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its state.
    pub state: State,
    /// When it is looked at next.
    pub due: Due,
    /// Why, where the state alone does not say it.
    pub reason: Option<Reason>,
    /// True if the queue must stop sending until a person has mended the account.
    pub pause_queue: bool,
}

impl Next {
    fn to(state: State, due: Due) -> Self {
        Self { state, due, reason: None, pause_queue: false }
    }

    fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Also stops the queue. A reason that the job already has says more about it than the queue's pause does.
    fn pausing(mut self) -> Self {
        self.pause_queue = true;
        self.reason = self.reason.or(Some(Reason::Misconfigured(NO_TEXT)));
        self
    }

    /// The same, the queue stopped where the response suggests that the account is misconfigured. A suspicion changes nothing
    /// else: the response that it comes from proves nothing, least of all that the call was not executed.
    #[must_use]
    pub fn heeding(mut self, suspicion: Suspicion) -> Self {
        match suspicion {
            Suspicion::Misconfigured => {
                self.pause_queue = true;
                self.reason = self.reason.or(Some(Reason::SuspectedMisconfiguration(NO_TEXT)));
            }
            Suspicion::Nothing => {}
        }
        self
    }

    /// A person must decide.
    #[must_use]
    pub fn review(reason: Reason) -> Self {
        Self::to(State::NeedsReview, Due::Never).because(reason)
    }
}

/// The action of a worker on a job that it claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the stored bytes.
    Send,
    /// Ask the gateway.
    Query,
    /// No call: record this.
    Commit(Next),
}

/// An answer that cannot follow this call in this state: a defect of ours, or a gateway beyond its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be answered {} while {state}", call.as_str(), answer.as_str())]
pub struct Illegal {
    /// The state before the call.
    pub state: State,
    /// The call.
    pub call: Call,
    /// The answer.
    pub answer: Answer,
}

/// The action on a job that was claimed for `call`.
#[must_use]
pub fn next_action(facts: &Facts, call: Call, policy: &Policy, now: Millis) -> Action {
    if let Some(next) = by_late_response(facts, call, policy, now) {
        return Action::Commit(next);
    }
    match (call, facts.state) {
        (Call::Send, State::Queued) => Action::Send,
        (Call::Send, State::InDoubt | State::Pending) if allowed(facts, policy) => Action::Send,
        (Call::Send, State::InDoubt) => Action::Commit(doubtful(&unsent(facts), policy, now)),
        (Call::Send, State::Pending) => Action::Commit(accepted(&unsent(facts), policy, now)),
        (Call::Query, State::InDoubt | State::Pending) if facts.losses > MAX_LOSSES => {
            Action::Commit(Next::review(Reason::WorkersLost))
        }
        (Call::Query, State::Succeeded) if facts.losses > MAX_LOSSES => {
            Action::Commit(Next::to(State::Succeeded, Due::Never).because(Reason::WorkersLost))
        }
        (Call::Query, State::InDoubt | State::Pending | State::Succeeded) if facts.can_query => Action::Query,
        (Call::Query, State::InDoubt) => Action::Commit(doubtful(facts, policy, now)),
        (Call::Query, State::Pending) => Action::Commit(accepted(facts, policy, now)),
        // The following states should not be due for this call: the job is put where it belongs.
        (Call::Query, State::Queued) => Action::Commit(Next::to(State::Queued, Due::Send(now))),
        (_, State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled) => {
            Action::Commit(Next::to(facts.state, Due::Never))
        }
    }
}

/// The effect of a late response on an open job without a call. Where the gateway can be asked, its answer decides; what it cannot
/// be asked about ends by the last word that came late. Nothing is sent again after a last word but on a person's order.
fn by_late_response(facts: &Facts, call: Call, policy: &Policy, now: Millis) -> Option<Next> {
    let late = facts.late_response?;
    match (call, facts.state, late) {
        (_, State::Queued | State::NeedsReview | State::Succeeded | State::Failed, _)
        | (_, State::Refunded | State::Cancelled, _) => None,
        (Call::Send, State::InDoubt | State::Pending, _) => (late.last_word().is_some()
            && facts.ordered <= facts.sent_before)
            .then(|| Next::review(Reason::LateOutcomeNotFound)),
        (Call::Query, State::InDoubt | State::Pending, _) if facts.can_query => None,
        // A late response is not known to name the job, so it ends the job by itself no more than it would have in time.
        (Call::Query, State::InDoubt | State::Pending, Answer::Failed) => {
            Some(Next::review(Reason::LateOutcomeUnconfirmed { outcome: late }))
        }
        (Call::Query, State::InDoubt | State::Pending, Answer::Refunded) if policy.confirm != Confirm::Never => {
            Some(Next::review(Reason::LateOutcomeUnconfirmed { outcome: late }))
        }
        (Call::Query, State::InDoubt | State::Pending, Answer::Succeeded) if policy.confirm == Confirm::Always => {
            Some(Next::review(Reason::LateOutcomeUnconfirmed { outcome: late }))
        }
        (Call::Query, State::InDoubt, Answer::Accepted) => Some(accepted(facts, policy, now)),
        (Call::Query, State::InDoubt | State::Pending, _) => late.last_word().map(|end| Next::to(end, Due::Never)),
    }
}

/// The effect on a job that waits to be sent although its deadline has passed, because its queue is paused or its circuit
/// open; `None` while there is time.
#[must_use]
pub fn overdue(facts: &Facts, policy: &Policy, now: Millis) -> Option<Next> {
    match facts.state {
        State::Queued if facts.first_sent.is_some() && now >= began(facts, now).plus(policy.retry_deadline) => {
            Some(retried(facts, policy, now))
        }
        State::InDoubt if now >= poll_deadline(facts, policy, now) => Some(doubtful(facts, policy, now)),
        State::Pending if now >= poll_deadline(facts, policy, now) => Some(accepted(facts, policy, now)),
        State::Queued
        | State::InDoubt
        | State::Pending
        | State::NeedsReview
        | State::Succeeded
        | State::Failed
        | State::Refunded
        | State::Cancelled => None,
    }
}

/// The effect of `answer` to `call` on the job. Pure: the caller commits it, with the reading as evidence.
///
/// # Errors
/// [`Illegal`] where the answer cannot follow; the caller keeps the job and puts it before a person.
pub fn after(facts: &Facts, call: Call, answer: Answer, policy: &Policy, now: Millis) -> Result<Next, Illegal> {
    use Answer::{
        Accepted, ConfigFault, Contradiction, Failed, NotExecuted, NotReady, Refunded, Refused, Silent, Succeeded,
        Unseen,
    };
    use Call::{Query, Send};
    let state = facts.state;
    let facts = &counted(facts, call, answer);
    let next = match (state, call, answer) {
        // A last word about no job in particular may be another's: a query, which names key and amount, must say the same.
        (State::Queued | State::InDoubt | State::Pending, Send, Succeeded | Failed | Refunded)
            if is_to_confirm(facts, answer, policy) =>
        {
            to_confirm(facts, now)
        }

        // The gateway's last word ends every job that was open.
        (State::Queued | State::InDoubt | State::Pending, Send | Query, Succeeded | Failed | Refunded)
            if (state, call) != (State::Queued, Query) =>
        {
            Next::to(answer.last_word().unwrap_or(State::NeedsReview), Due::Never)
        }
        (State::Queued | State::InDoubt | State::Pending, Send, Accepted) => accepted(facts, policy, now),
        (State::InDoubt | State::Pending, Query, Accepted) => accepted(facts, policy, now),
        (State::Queued | State::InDoubt | State::Pending, Send, Contradiction) => {
            Next::review(Reason::ResponseMismatch(NO_TEXT))
        }
        (State::InDoubt | State::Pending, Query, Contradiction) => Next::review(Reason::ResponseMismatch(NO_TEXT)),

        // Never executed for certain: the only road on which a failure of ours may end in `failed`.
        (State::Queued, Send, NotExecuted) => retried(facts, policy, now),
        (State::Queued, Send, NotReady) => tried_later(facts, policy, now),
        (State::Queued, Send, ConfigFault) => {
            let due = Due::Send(now.plus(retry_delay(policy, facts.sends, facts.seed)));
            remembering(facts, Next::to(State::Queued, due)).pausing()
        }
        (State::Queued, Send, Refused) if facts.not_ready => Next::review(Reason::StillNotReady(NO_TEXT)),
        (State::Queued, Send, Refused) => Next::to(State::Failed, Due::Never).because(Reason::Rejected(NO_TEXT)),

        // A send that may have taken effect, now or earlier.
        (State::Queued | State::InDoubt, Send, Silent) => doubtful(facts, policy, now),
        (State::InDoubt, Send, NotExecuted | NotReady) => resent_later(facts, policy, now),
        (State::InDoubt, Send, ConfigFault) => resent_later(facts, policy, now).pausing(),
        (State::InDoubt, Send, Refused) if facts.can_query => doubtful(facts, policy, now),
        (State::InDoubt, Send, Refused) => Next::review(Reason::ResendRejected(NO_TEXT)),
        (State::InDoubt, Query, NotExecuted | Silent) => asked_later(facts, policy, now),
        (State::InDoubt, Query, ConfigFault) => asked_later(facts, policy, now).pausing(),
        (State::InDoubt, Query, Unseen) => unseen(facts, policy, now),

        // Accepted and not finished: nothing but a last word or the deadline changes that.
        (State::Pending, Send, NotExecuted | NotReady | Refused | Silent) => accepted(facts, policy, now),
        (State::Pending, Query, NotExecuted | Silent | Unseen) => accepted(facts, policy, now),
        (State::Pending, Send | Query, ConfigFault) => accepted(facts, policy, now).pausing(),

        // Terminal states are asked about on an operator's word only, and leave only from 1 to 2.
        (State::Succeeded, Query, Refunded) => Next::to(State::Refunded, Due::Never),
        (State::Succeeded, Query, Succeeded | NotExecuted | Silent | Unseen) => Next::to(State::Succeeded, Due::Never),
        (State::Succeeded, Query, ConfigFault) => Next::to(State::Succeeded, Due::Never).pausing(),
        (State::Succeeded, Query, Failed | Accepted | Contradiction) => {
            Next::to(State::Succeeded, Due::Never).because(Reason::FinalStatusChanged)
        }
        _ => return Err(Illegal { state, call, answer }),
    };
    Ok(next)
}

/// The effect on a job whose record has lost a send that is known from elsewhere (`facts` count it): it is in doubt.
/// It is asked about at once where that is possible; else it waits out the time of `resend_after` and follows the policy.
#[must_use]
pub fn recalled(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    // A person restores it, however long ago it was sent: deadlines start again.
    let ordered = Facts { ordered: facts.ordered.max(Some(now)), ..facts.clone() };
    let next =
        if facts.can_query { Next::to(State::InDoubt, Due::Query(now)) } else { doubtful(&ordered, policy, now) };
    next.because(Reason::RestoredFromJournal)
}

/// True if a job that may have been executed may be sent again now. An account that holds needs a person's order for each
/// send, given after the one before; resends that were due when it was switched to holding are no such order.
fn allowed(facts: &Facts, policy: &Policy) -> bool {
    match (policy.on_ambiguous, policy.manual_resend) {
        (OnAmbiguous::Resend, ManualResend::Allowed) => true,
        (OnAmbiguous::Hold, ManualResend::Allowed) => facts.ordered > facts.sent_before,
        (OnAmbiguous::Resend | OnAmbiguous::Hold, ManualResend::Refused) => false,
    }
}

/// The facts of a job that was claimed for a send which is not made.
fn unsent(facts: &Facts) -> Facts {
    Facts {
        sends: facts.sends.saturating_sub(1),
        resends: facts.resends.saturating_sub(1),
        last_sent: facts.sent_before,
        ..facts.clone()
    }
}

/// The moment that deadlines are counted from: the first send, or a person's order since.
fn began(facts: &Facts, now: Millis) -> Millis {
    facts.first_sent.max(facts.ordered).unwrap_or(now)
}

/// A repeated send that certainly did nothing does not count as one; the store gives it back too.
fn counted(facts: &Facts, call: Call, answer: Answer) -> Facts {
    let given_back = call == Call::Send && facts.state != State::Queued && answer.did_nothing();
    Facts { resends: facts.resends.saturating_sub(u32::from(given_back)), ..facts.clone() }
}

/// The last moment to hope for an answer without a person.
fn poll_deadline(facts: &Facts, policy: &Policy, now: Millis) -> Millis {
    let patience =
        if facts.next_day { policy.poll_deadline_t1.max(policy.poll_deadline) } else { policy.poll_deadline };
    began(facts, now).plus(patience)
}

fn settled_at(facts: &Facts, policy: &Policy, now: Millis) -> Millis {
    facts.last_sent.unwrap_or(now).plus(policy.resend_after)
}

fn may_resend(facts: &Facts, policy: &Policy) -> bool {
    match (policy.on_ambiguous, policy.manual_resend) {
        (OnAmbiguous::Resend, ManualResend::Allowed) => facts.resends < policy.resend_max,
        (OnAmbiguous::Hold, _) | (OnAmbiguous::Resend, ManualResend::Refused) => false,
    }
}

/// Certainly not executed: later, until the deadline.
fn retried(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    let deadline = began(facts, now).plus(policy.retry_deadline);
    let is_late = now >= deadline;
    if facts.not_ready && (is_late || facts.sends >= MAX_SENDS) {
        return Next::review(Reason::StillNotReady(NO_TEXT));
    }
    if is_late {
        return Next::to(State::Failed, Due::Never).because(Reason::RetryDeadlinePassed(NO_TEXT));
    }
    if facts.sends >= MAX_SENDS {
        return Next::to(State::Failed, Due::Never).because(Reason::RetriesExhausted(NO_TEXT));
    }
    remembering(facts, Next::to(State::Queued, Due::Send(now.plus(retry_delay(policy, facts.sends, facts.seed)))))
}

/// The same, and the record still says that the order was once not ready, whatever else was said since.
fn remembering(facts: &Facts, next: Next) -> Next {
    if facts.not_ready { next.because(Reason::OrderNotReady(NO_TEXT)) } else { next }
}

/// Certainly not executed, and it is not the gateway's way that is shut: a few tries, then a person, who knows the order.
fn tried_later(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    if facts.sends >= MAX_NOT_READY_SENDS {
        return Next::review(Reason::StillNotReady(NO_TEXT));
    }
    Next::to(State::Queued, Due::Send(now.plus(not_ready_delay(policy, facts.sends, facts.seed))))
        .because(Reason::OrderNotReady(NO_TEXT))
}

/// Accepted, not finished: query by the schedule. Some gateways that have no query answer a repeated send with the status.
fn accepted(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    let deadline = poll_deadline(facts, policy, now);
    if now >= deadline {
        return Next::review(Reason::UnfinishedUntilPollDeadline(NO_TEXT));
    }
    let due = if facts.can_query {
        Due::Query(now.plus(poll_delay(policy, facts.queries, facts.seed)).min(deadline))
    } else if facts.resend_tells && may_resend(facts, policy) {
        Due::Send(settled_at(facts, policy, now).max(now))
    } else {
        Due::Query(deadline)
    };
    let next = Next::to(State::Pending, due);
    if facts.can_query { next } else { next.because(Reason::CannotBeQueried) }
}

/// True if a last word ends the job only when a query has confirmed it.
fn is_to_confirm(facts: &Facts, answer: Answer, policy: &Policy) -> bool {
    match (facts.names, policy.confirm) {
        (Names::Job, _) | (Names::Nothing, Confirm::Never) => false,
        (Names::Nothing, Confirm::Failures) => answer != Answer::Succeeded,
        (Names::Nothing, Confirm::Always) => true,
    }
}

/// One query at once, and then by the schedule. Pending, for as long as that takes: the gateway has the job, and nothing is sent
/// again. Without a number to ask by a person looks: the word may be another job's, and this one executed.
fn to_confirm(facts: &Facts, now: Millis) -> Next {
    if facts.can_query {
        Next::to(State::Pending, Due::Query(now)).because(Reason::AwaitingConfirmation)
    } else {
        Next::review(Reason::CannotBeConfirmed(NO_TEXT))
    }
}

/// A send may have taken effect: ask if the gateway can be asked, else wait out the time of `resend_after` and follow the policy.
fn doubtful(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    if facts.can_query {
        return asked_later(facts, policy, now);
    }
    if now >= poll_deadline(facts, policy, now) {
        return Next::review(Reason::InDoubtUntilPollDeadline(NO_TEXT));
    }
    let settled_at = settled_at(facts, policy, now);
    let next = if may_resend(facts, policy) {
        Next::to(State::InDoubt, Due::Send(settled_at.plus(settle_spread(policy, facts.seed)).max(now)))
    } else if now < settled_at {
        Next::to(State::InDoubt, Due::Query(settled_at))
    } else {
        return out_of_sends(facts, policy);
    };
    match facts.received {
        Received::Response => next.because(Reason::UndecidedResponse(NO_TEXT)),
        Received::Nothing => next,
    }
}

/// Nothing more may be sent without a person's word, and nothing is left to ask.
fn out_of_sends(facts: &Facts, policy: &Policy) -> Next {
    Next::review(match (facts.received, policy.on_ambiguous) {
        (Received::Response, OnAmbiguous::Hold | OnAmbiguous::Resend) => Reason::UndecidedResponse(NO_TEXT),
        (Received::Nothing, OnAmbiguous::Hold) => Reason::NoResponseAndHeld(NO_TEXT),
        (Received::Nothing, OnAmbiguous::Resend) => Reason::ResendsExhausted(NO_TEXT),
    })
}

fn asked_later(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    let deadline = poll_deadline(facts, policy, now);
    if now >= deadline {
        return Next::review(Reason::InDoubtUntilPollDeadline(NO_TEXT));
    }
    Next::to(State::InDoubt, Due::Query(now.plus(poll_delay(policy, facts.queries, facts.seed)).min(deadline)))
}

/// The repeated send certainly did nothing; the first is as unknown as before.
fn resent_later(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    if facts.can_query {
        return asked_later(facts, policy, now);
    }
    if now >= poll_deadline(facts, policy, now) {
        return Next::review(Reason::InDoubtUntilPollDeadline(NO_TEXT));
    }
    if may_resend(facts, policy) {
        return Next::to(State::InDoubt, Due::Send(now.plus(retry_delay(policy, facts.sends, facts.seed))));
    }
    out_of_sends(facts, policy)
}

/// Asked, the gateway does not know it: proof of nothing until the time of `resend_after` is over, and a reason to send the
/// identical bytes again only where the account allows it.
fn unseen(facts: &Facts, policy: &Policy, now: Millis) -> Next {
    let settled_at = settled_at(facts, policy, now);
    if now < settled_at {
        return Next::to(
            State::InDoubt,
            Due::Query(now.plus(poll_delay(policy, facts.queries, facts.seed)).min(settled_at)),
        );
    }
    if may_resend(facts, policy) {
        return Next::to(State::InDoubt, Due::Send(now));
    }
    if now < facts.last_sent.unwrap_or(now).plus(policy.resend_after.max(UNSEEN_GRACE)) {
        return asked_later(facts, policy, now);
    }
    Next::review(Reason::NotFoundAtGateway(NO_TEXT))
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod table_tests;
