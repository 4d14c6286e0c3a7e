//! The state machine: what to do about a job that came due, and what an outcome makes of it.
//!
//! Every legal transition is one arm of the `match` in [`after`]; everything else is illegal. "Maybe" never becomes "no":
//! from `in_doubt` and `pending` only a gateway's last word or a person leads to `failed`.

use std::time::Duration;

use crate::{
    Call, Confirm, GatewayText, ManualResend, Millis, Names, OnAmbiguous, Outcome, Policy, Reason, Received, State,
    Suspicion, not_ready_delay, poll_delay, resend_spread, retry_delay,
};

mod progress;

pub use progress::JobProgress;

/// The most workers that may be lost with one job. After them the job needs review: it may be what kills them.
pub const MAX_LOSSES: u32 = 5;

/// No response is at hand where a rule decides; the caller that has one adds its words.
const NO_TEXT: GatewayText = GatewayText { gateway_code: None, gateway_message: None };

/// The most sends of a job that certainly never executed. At the default waits the deadline comes first.
pub const MAX_SENDS: u32 = 1_000;

/// The number of sends after which a job that is still not ready needs review (docs/gateways/beingfi.md: a few tries).
pub const MAX_NOT_READY_SENDS: u32 = 5;

/// The time for which "not found" proves nothing where nothing may be sent again: the gateway has queues and replicas
/// (docs/gateways/yzt.md).
const UNSEEN_GRACE: Duration = Duration::from_secs(600);

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
pub struct Transition {
    /// Its state.
    pub state: State,
    /// Its next call.
    pub due: Due,
    /// Why, where the state alone does not say it.
    pub reason: Option<Reason>,
    /// True if the queue must stop sending until a person has mended the account.
    pub pause_queue: bool,
}

impl Transition {
    fn to(state: State, due: Due) -> Self {
        Self { state, due, reason: None, pause_queue: false }
    }

    fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Also stops the queue. A reason that the job already has says more about it than the queue's pause does.
    fn pausing_queue(mut self) -> Self {
        self.pause_queue = true;
        self.reason = self.reason.or(Some(Reason::Misconfigured(NO_TEXT)));
        self
    }

    /// The same, the queue stopped where the response suggests that the account is misconfigured. A suspicion changes nothing
    /// else: the response that it comes from proves nothing, least of all that the call was not executed.
    #[must_use]
    pub fn with_suspicion(mut self, suspicion: Suspicion) -> Self {
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
        Self::to(State::NeedsReview, Due::Never).with_reason(reason)
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
    Commit(Transition),
}

/// An outcome that cannot follow this call in this state: a defect of ours, or a gateway beyond its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be answered {} while {state}", call.as_str(), outcome.as_str())]
pub struct IllegalTransition {
    /// The state before the call.
    pub state: State,
    /// The call.
    pub call: Call,
    /// The answer.
    pub outcome: Outcome,
}

/// The action on a job that was claimed for `call`.
#[must_use]
pub fn next_action(progress: &JobProgress, call: Call, policy: &Policy, now: Millis) -> Action {
    if let Some(next) = by_late_response(progress, call, policy, now) {
        return Action::Commit(next);
    }
    match (call, progress.state) {
        (Call::Send, State::Queued) => Action::Send,
        (Call::Send, State::InDoubt | State::Pending) if may_send_again(progress, policy) => Action::Send,
        (Call::Send, State::InDoubt) => Action::Commit(after_unknown_send(&without_this_send(progress), policy, now)),
        (Call::Send, State::Pending) => Action::Commit(after_accepted(&without_this_send(progress), policy, now)),
        (Call::Query, State::InDoubt | State::Pending) if progress.losses > MAX_LOSSES => {
            Action::Commit(Transition::review(Reason::WorkersLost))
        }
        (Call::Query, State::Succeeded) if progress.losses > MAX_LOSSES => {
            Action::Commit(Transition::to(State::Succeeded, Due::Never).with_reason(Reason::WorkersLost))
        }
        (Call::Query, State::InDoubt | State::Pending | State::Succeeded) if progress.can_query => Action::Query,
        (Call::Query, State::InDoubt) => Action::Commit(after_unknown_send(progress, policy, now)),
        (Call::Query, State::Pending) => Action::Commit(after_accepted(progress, policy, now)),
        // The following states should not be due for this call: the job is put where it belongs.
        (Call::Query, State::Queued) => Action::Commit(Transition::to(State::Queued, Due::Send(now))),
        (_, State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled) => {
            Action::Commit(Transition::to(progress.state, Due::Never))
        }
    }
}

/// The effect of a late response on an open job without a call. Where the gateway can be asked, its answer decides; what it cannot
/// be asked about ends by the last word that came late. Nothing is sent again after a last word but on a person's order.
fn by_late_response(progress: &JobProgress, call: Call, policy: &Policy, now: Millis) -> Option<Transition> {
    let late = progress.late_response?;
    match (call, progress.state, late) {
        (_, State::Queued | State::NeedsReview | State::Succeeded | State::Failed, _)
        | (_, State::Refunded | State::Cancelled, _) => None,
        (Call::Send, State::InDoubt | State::Pending, _) => (late.final_state().is_some()
            && progress.ordered <= progress.sent_before)
            .then(|| Transition::review(Reason::LateOutcomeNotFound)),
        (Call::Query, State::InDoubt | State::Pending, _) if progress.can_query => None,
        // A late response is not known to name the job, so it ends the job by itself no more than it would have in time.
        (Call::Query, State::InDoubt | State::Pending, Outcome::Failed) => {
            Some(Transition::review(Reason::LateOutcomeUnconfirmed { outcome: late }))
        }
        (Call::Query, State::InDoubt | State::Pending, Outcome::Refunded) if policy.confirm != Confirm::Never => {
            Some(Transition::review(Reason::LateOutcomeUnconfirmed { outcome: late }))
        }
        (Call::Query, State::InDoubt | State::Pending, Outcome::Succeeded) if policy.confirm == Confirm::Always => {
            Some(Transition::review(Reason::LateOutcomeUnconfirmed { outcome: late }))
        }
        (Call::Query, State::InDoubt, Outcome::Accepted) => Some(after_accepted(progress, policy, now)),
        (Call::Query, State::InDoubt | State::Pending, _) => {
            late.final_state().map(|end| Transition::to(end, Due::Never))
        }
    }
}

/// The effect on a job that waits to be sent although its deadline has passed, because its queue is paused or its circuit
/// open; `None` while there is time.
#[must_use]
pub fn overdue(progress: &JobProgress, policy: &Policy, now: Millis) -> Option<Transition> {
    match progress.state {
        State::Queued
            if progress.first_sent.is_some() && now >= deadline_start(progress, now).plus(policy.retry_deadline) =>
        {
            Some(retry_later(progress, policy, now))
        }
        State::InDoubt if now >= poll_deadline(progress, policy, now) => {
            Some(after_unknown_send(progress, policy, now))
        }
        State::Pending if now >= poll_deadline(progress, policy, now) => Some(after_accepted(progress, policy, now)),
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

/// The effect of `outcome` to `call` on the job. Pure: the caller commits it, with the reading as evidence.
///
/// # Errors
/// [`IllegalTransition`] where the answer cannot follow; the caller keeps the job and sends it to review.
pub fn after(
    progress: &JobProgress,
    call: Call,
    outcome: Outcome,
    policy: &Policy,
    now: Millis,
) -> Result<Transition, IllegalTransition> {
    use Call::{Query, Send};
    use Outcome::{
        Accepted, Failed, Misconfigured, Mismatch, NoResponse, NotExecuted, NotFound, NotReady, Refunded, Rejected,
        Succeeded,
    };
    let state = progress.state;
    let progress = &with_counted_resends(progress, call, outcome);
    let next = match (state, call, outcome) {
        // A last word about no job in particular may be another's: a query, which names key and amount, must say the same.
        (State::Queued | State::InDoubt | State::Pending, Send, Succeeded | Failed | Refunded)
            if needs_confirmation(progress, outcome, policy) =>
        {
            await_confirmation(progress, now)
        }

        // The gateway's last word ends every job that was open.
        (State::Queued | State::InDoubt | State::Pending, Send | Query, Succeeded | Failed | Refunded)
            if (state, call) != (State::Queued, Query) =>
        {
            Transition::to(outcome.final_state().unwrap_or(State::NeedsReview), Due::Never)
        }
        (State::Queued | State::InDoubt | State::Pending, Send, Accepted) => after_accepted(progress, policy, now),
        (State::InDoubt | State::Pending, Query, Accepted) => after_accepted(progress, policy, now),
        (State::Queued | State::InDoubt | State::Pending, Send, Mismatch) => {
            Transition::review(Reason::ResponseMismatch(NO_TEXT))
        }
        (State::InDoubt | State::Pending, Query, Mismatch) => Transition::review(Reason::ResponseMismatch(NO_TEXT)),

        // Never executed for certain: the only road on which a failure of ours may end in `failed`.
        (State::Queued, Send, NotExecuted) => retry_later(progress, policy, now),
        (State::Queued, Send, NotReady) => retry_not_ready(progress, policy, now),
        (State::Queued, Send, Misconfigured) => {
            let due = Due::Send(now.plus(retry_delay(policy, progress.sends, progress.seed)));
            keeping_not_ready(progress, Transition::to(State::Queued, due)).pausing_queue()
        }
        (State::Queued, Send, Rejected) if progress.not_ready => Transition::review(Reason::StillNotReady(NO_TEXT)),
        (State::Queued, Send, Rejected) => {
            Transition::to(State::Failed, Due::Never).with_reason(Reason::Rejected(NO_TEXT))
        }

        // A send that may have taken effect, now or earlier.
        (State::Queued | State::InDoubt, Send, NoResponse) => after_unknown_send(progress, policy, now),
        (State::InDoubt, Send, NotExecuted | NotReady) => resend_later(progress, policy, now),
        (State::InDoubt, Send, Misconfigured) => resend_later(progress, policy, now).pausing_queue(),
        (State::InDoubt, Send, Rejected) if progress.can_query => after_unknown_send(progress, policy, now),
        (State::InDoubt, Send, Rejected) => Transition::review(Reason::ResendRejected(NO_TEXT)),
        (State::InDoubt, Query, NotExecuted | NoResponse) => query_later(progress, policy, now),
        (State::InDoubt, Query, Misconfigured) => query_later(progress, policy, now).pausing_queue(),
        (State::InDoubt, Query, NotFound) => after_not_found(progress, policy, now),

        // Accepted and not finished: nothing but a last word or the deadline changes that.
        (State::Pending, Send, NotExecuted | NotReady | Rejected | NoResponse) => after_accepted(progress, policy, now),
        (State::Pending, Query, NotExecuted | NoResponse | NotFound) => after_accepted(progress, policy, now),
        (State::Pending, Send | Query, Misconfigured) => after_accepted(progress, policy, now).pausing_queue(),

        // Terminal states are asked about on an operator's word only, and leave only from 1 to 2.
        (State::Succeeded, Query, Refunded) => Transition::to(State::Refunded, Due::Never),
        (State::Succeeded, Query, Succeeded | NotExecuted | NoResponse | NotFound) => {
            Transition::to(State::Succeeded, Due::Never)
        }
        (State::Succeeded, Query, Misconfigured) => Transition::to(State::Succeeded, Due::Never).pausing_queue(),
        (State::Succeeded, Query, Failed | Accepted | Mismatch) => {
            Transition::to(State::Succeeded, Due::Never).with_reason(Reason::FinalStatusChanged)
        }
        _ => return Err(IllegalTransition { state, call, outcome }),
    };
    Ok(next)
}

/// The effect on a job whose record has lost a send that is known from elsewhere (`progress` count it): it is in doubt.
/// It is asked about at once where that is possible; else it waits out the time of `resend_after` and follows the policy.
#[must_use]
pub fn restored_from_journal(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    // A person restores it, however long ago it was sent: deadlines start again.
    let ordered = JobProgress { ordered: progress.ordered.max(Some(now)), ..progress.clone() };
    let next = if progress.can_query {
        Transition::to(State::InDoubt, Due::Query(now))
    } else {
        after_unknown_send(&ordered, policy, now)
    };
    next.with_reason(Reason::RestoredFromJournal)
}

/// True if a job that may have been executed may be sent again now. An account that holds needs a person's order for each
/// send, given after the one before; resends that were due when it was switched to holding are no such order.
fn may_send_again(progress: &JobProgress, policy: &Policy) -> bool {
    match (policy.on_ambiguous, policy.manual_resend) {
        (OnAmbiguous::Resend, ManualResend::Allowed) => true,
        (OnAmbiguous::Hold, ManualResend::Allowed) => progress.ordered > progress.sent_before,
        (OnAmbiguous::Resend | OnAmbiguous::Hold, ManualResend::Refused) => false,
    }
}

/// The facts of a job that was claimed for a send which is not made.
fn without_this_send(progress: &JobProgress) -> JobProgress {
    JobProgress {
        sends: progress.sends.saturating_sub(1),
        resends: progress.resends.saturating_sub(1),
        last_sent: progress.sent_before,
        ..progress.clone()
    }
}

/// The moment that deadlines are counted from: the first send, or a person's order since.
fn deadline_start(progress: &JobProgress, now: Millis) -> Millis {
    progress.first_sent.max(progress.ordered).unwrap_or(now)
}

/// A repeated send that certainly did nothing does not count as one; the store gives it back too.
fn with_counted_resends(progress: &JobProgress, call: Call, outcome: Outcome) -> JobProgress {
    let not_counted = call == Call::Send && progress.state != State::Queued && outcome.is_not_executed();
    JobProgress { resends: progress.resends.saturating_sub(u32::from(not_counted)), ..progress.clone() }
}

/// The last moment to hope for an answer without a person.
fn poll_deadline(progress: &JobProgress, policy: &Policy, now: Millis) -> Millis {
    let query_time =
        if progress.next_day { policy.poll_deadline_t1.max(policy.poll_deadline) } else { policy.poll_deadline };
    deadline_start(progress, now).plus(query_time)
}

fn resend_allowed_at(progress: &JobProgress, policy: &Policy, now: Millis) -> Millis {
    progress.last_sent.unwrap_or(now).plus(policy.resend_after)
}

fn may_resend(progress: &JobProgress, policy: &Policy) -> bool {
    match (policy.on_ambiguous, policy.manual_resend) {
        (OnAmbiguous::Resend, ManualResend::Allowed) => progress.resends < policy.resend_max,
        (OnAmbiguous::Hold, _) | (OnAmbiguous::Resend, ManualResend::Refused) => false,
    }
}

/// Certainly not executed: later, until the deadline.
fn retry_later(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    let deadline = deadline_start(progress, now).plus(policy.retry_deadline);
    let is_late = now >= deadline;
    if progress.not_ready && (is_late || progress.sends >= MAX_SENDS) {
        return Transition::review(Reason::StillNotReady(NO_TEXT));
    }
    if is_late {
        return Transition::to(State::Failed, Due::Never).with_reason(Reason::RetryDeadlinePassed(NO_TEXT));
    }
    if progress.sends >= MAX_SENDS {
        return Transition::to(State::Failed, Due::Never).with_reason(Reason::RetriesExhausted(NO_TEXT));
    }
    keeping_not_ready(
        progress,
        Transition::to(State::Queued, Due::Send(now.plus(retry_delay(policy, progress.sends, progress.seed)))),
    )
}

/// The same, and the record still says that the order was once not ready, whatever else was said since.
fn keeping_not_ready(progress: &JobProgress, next: Transition) -> Transition {
    if progress.not_ready { next.with_reason(Reason::OrderNotReady(NO_TEXT)) } else { next }
}

/// Certainly not executed, and it is not the gateway's way that is shut: a few tries, then a person, who knows the order.
fn retry_not_ready(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    if progress.sends >= MAX_NOT_READY_SENDS {
        return Transition::review(Reason::StillNotReady(NO_TEXT));
    }
    Transition::to(State::Queued, Due::Send(now.plus(not_ready_delay(policy, progress.sends, progress.seed))))
        .with_reason(Reason::OrderNotReady(NO_TEXT))
}

/// Accepted, not finished: query by the schedule. Some gateways that have no query answer a repeated send with the status.
fn after_accepted(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    let deadline = poll_deadline(progress, policy, now);
    if now >= deadline {
        return Transition::review(Reason::UnfinishedUntilPollDeadline(NO_TEXT));
    }
    let due = if progress.can_query {
        Due::Query(now.plus(poll_delay(policy, progress.queries, progress.seed)).min(deadline))
    } else if progress.repeat_is_answered && may_resend(progress, policy) {
        Due::Send(resend_allowed_at(progress, policy, now).max(now))
    } else {
        Due::Query(deadline)
    };
    let next = Transition::to(State::Pending, due);
    if progress.can_query { next } else { next.with_reason(Reason::CannotBeQueried) }
}

/// True if a last word ends the job only when a query has confirmed it.
fn needs_confirmation(progress: &JobProgress, outcome: Outcome, policy: &Policy) -> bool {
    match (progress.names, policy.confirm) {
        (Names::Job, _) | (Names::Nothing, Confirm::Never) => false,
        (Names::Nothing, Confirm::Failures) => outcome != Outcome::Succeeded,
        (Names::Nothing, Confirm::Always) => true,
    }
}

/// One query at once, and then by the schedule. Pending, for as long as that takes: the gateway has the job, and nothing is sent
/// again. Without a number to ask by a person looks: the word may be another job's, and this one executed.
fn await_confirmation(progress: &JobProgress, now: Millis) -> Transition {
    if progress.can_query {
        Transition::to(State::Pending, Due::Query(now)).with_reason(Reason::AwaitingConfirmation)
    } else {
        Transition::review(Reason::CannotBeConfirmed(NO_TEXT))
    }
}

/// A send may have taken effect: ask if the gateway can be asked, else wait out the time of `resend_after` and follow the policy.
fn after_unknown_send(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    if progress.can_query {
        return query_later(progress, policy, now);
    }
    if now >= poll_deadline(progress, policy, now) {
        return Transition::review(Reason::InDoubtUntilPollDeadline(NO_TEXT));
    }
    let resend_allowed_at = resend_allowed_at(progress, policy, now);
    let next = if may_resend(progress, policy) {
        Transition::to(State::InDoubt, Due::Send(resend_allowed_at.plus(resend_spread(policy, progress.seed)).max(now)))
    } else if now < resend_allowed_at {
        Transition::to(State::InDoubt, Due::Query(resend_allowed_at))
    } else {
        return out_of_sends(progress, policy);
    };
    match progress.received {
        Received::Response => next.with_reason(Reason::UndecidedResponse(NO_TEXT)),
        Received::Nothing => next,
    }
}

/// Nothing more may be sent without a person's word, and nothing is left to ask.
fn out_of_sends(progress: &JobProgress, policy: &Policy) -> Transition {
    Transition::review(match (progress.received, policy.on_ambiguous) {
        (Received::Response, OnAmbiguous::Hold | OnAmbiguous::Resend) => Reason::UndecidedResponse(NO_TEXT),
        (Received::Nothing, OnAmbiguous::Hold) => Reason::NoResponseAndHeld(NO_TEXT),
        (Received::Nothing, OnAmbiguous::Resend) => Reason::ResendsExhausted(NO_TEXT),
    })
}

fn query_later(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    let deadline = poll_deadline(progress, policy, now);
    if now >= deadline {
        return Transition::review(Reason::InDoubtUntilPollDeadline(NO_TEXT));
    }
    Transition::to(
        State::InDoubt,
        Due::Query(now.plus(poll_delay(policy, progress.queries, progress.seed)).min(deadline)),
    )
}

/// The repeated send certainly did nothing; the first is as unknown as before.
fn resend_later(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    if progress.can_query {
        return query_later(progress, policy, now);
    }
    if now >= poll_deadline(progress, policy, now) {
        return Transition::review(Reason::InDoubtUntilPollDeadline(NO_TEXT));
    }
    if may_resend(progress, policy) {
        return Transition::to(State::InDoubt, Due::Send(now.plus(retry_delay(policy, progress.sends, progress.seed))));
    }
    out_of_sends(progress, policy)
}

/// Asked, the gateway does not know it: proof of nothing until the time of `resend_after` is over, and a reason to send the
/// identical bytes again only where the account allows it.
fn after_not_found(progress: &JobProgress, policy: &Policy, now: Millis) -> Transition {
    let resend_allowed_at = resend_allowed_at(progress, policy, now);
    if now < resend_allowed_at {
        return Transition::to(
            State::InDoubt,
            Due::Query(now.plus(poll_delay(policy, progress.queries, progress.seed)).min(resend_allowed_at)),
        );
    }
    if may_resend(progress, policy) {
        return Transition::to(State::InDoubt, Due::Send(now));
    }
    if now < progress.last_sent.unwrap_or(now).plus(policy.resend_after.max(UNSEEN_GRACE)) {
        return query_later(progress, policy, now);
    }
    Transition::review(Reason::NotFoundAtGateway(NO_TEXT))
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod table_tests;
