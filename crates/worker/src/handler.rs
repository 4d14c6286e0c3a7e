//! The only handler: progress → action → call → transition → commit. It knows no kind and no gateway.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::Data;
use bursar_domain::{
    Action, Call, ClaimEvent, ContentSummary, Due, GatewayText, HistoryEvent, JobProgress, Millis, Outcome,
    ParsedResponse, Reason, Received, Response, ResponseEvidence, State, Transition, after, check_content, next_action,
    without_accounts,
};
use bursar_gateways::GatewayRequest;
use bursar_store::{ClaimedJob, Commit, Committed, Evidence, Resend, ResponseKnownBy, Store, crash_point};
use bursar_telemetry::{Lost, Metrics, Role};
use serde_json::Map;
use tokio::time::Instant;

use crate::circuit_breaker::CircuitChange;
use crate::claimed_jobs::ActiveClaim;
use crate::committer::Commits;
use crate::heartbeat::{Activity, failure};
use crate::queues::{Queues, ServedQueue};
use crate::send_journal::SendJournal;
use crate::waker::Waker;

/// The state that all handler calls share.
pub(crate) struct HandlerContext {
    pub(crate) store: Store,
    pub(crate) queues: Arc<Queues>,
    pub(crate) commits: Commits,
    pub(crate) waker: Waker,
    /// The longest time between a claim and its send. Later the job is released unsent: a lease is never extended for a
    /// send that has not begun, and waiting does not use up the time of `resend_after`, which runs from the claim.
    pub(crate) begin_within: Duration,
    pub(crate) send_journal: SendJournal,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) activity: Arc<Activity>,
    /// This worker's.
    pub(crate) name: String,
}

/// Handles one claimed job to its commit. Nothing that happens to the job is an error of the worker.
pub(crate) async fn handle(mut claim: Box<ActiveClaim>, context: Data<Arc<HandlerContext>>) {
    let _working = context.metrics.working();
    // The settings of this moment serve the whole call: a rotated key is taken here, and a call in flight keeps its own. The gateway is
    // the claim's, because a queue with another one has another number.
    match context.queues.current(claim.queue) {
        Some(current) => claim.served = current,
        None => return release_unserved(&context, &mut claim).await,
    }
    let served = Arc::clone(&claim.served);
    let summary = ContentSummary::of(served.queue.kind, &claim.job.content);
    let mut request = GatewayRequest {
        kind: served.queue.kind,
        key: claim.job.key.to_string(),
        content: claim.job.content.as_str().into(),
        trade_nos: claim.job.trade_nos.clone(),
        sent_before: claim.job.state != State::Queued,
        send_by: Some((claim.claimed + context.begin_within).into_std()),
    };
    let progress =
        claim.job.progress(served.gateway.can_query(&request), served.gateway.repeat_is_answered(), summary.next_day);
    let action = next_action(&progress, claim.job.call, &served.policy, claim.clock.now());
    let commit = match may_send(&served, &claim, summary, action) {
        Action::Commit(next) => without_a_call(&claim, next, &context.name),
        Action::Send if claim.claimed.elapsed() > context.begin_within => {
            return release(&context, &mut claim, "this worker was too slow to begin").await;
        }
        Action::Send if let Some(wait) = served.circuit().blocks(claim.job.group(), Instant::now()) => {
            return release_until_rested(&context, &mut claim, wait).await;
        }
        Action::Send => {
            let remaining = context.begin_within.saturating_sub(claim.claimed.elapsed());
            if context.send_journal.intend(&served.queue, &claim, remaining).await.is_err() {
                release(&context, &mut claim, "its intent could not be written to the journal").await;
                // If the process dies here, the journal has an intent without an outcome. Recovery treats it as
                // possibly sent.
                crash_point("before_send_skipped");
                return context.send_journal.send_skipped(&served.queue, &claim);
            }
            let (commit, parsed) = call(&context, &claim, &mut request, progress, Call::Send).await;
            context.send_journal.answered(&served.queue, &claim, &parsed);
            commit
        }
        Action::Query => call(&context, &claim, &mut request, progress, Call::Query).await.0,
    };
    record(&context, claim, commit).await;
}

/// The same action; or, in place of a send of a record that must not be sent, a transition to review.
fn may_send(served: &ServedQueue, claim: &ActiveClaim, summary: ContentSummary, action: Action) -> Action {
    match action {
        Action::Send => {}
        Action::Query | Action::Commit(_) => return action,
    }
    let job = &claim.job;
    match check_content(&job.content, summary, &job.hash, &served.policy) {
        Ok(()) => Action::Send,
        Err(why) => {
            served.metrics().skipped(why);
            let reason = Reason::from(why);
            tracing::error!(queue = %served.queue, key = %job.key, fence = job.fence, %reason, "not sent");
            Action::Commit(Transition::review(reason))
        }
    }
}

/// Makes the call and decides the transition.
async fn call(
    context: &HandlerContext,
    claim: &ActiveClaim,
    request: &mut GatewayRequest,
    progress: JobProgress,
    call: Call,
) -> (Commit, ParsedResponse) {
    let served = &claim.served;
    crash_point(match call {
        Call::Send => "before_send",
        Call::Query => "before_query",
    });
    let mut calling = claim.span.as_ref().and_then(|attempt| attempt.child(call.as_str(), Role::Call));
    let started = Instant::now();
    let parsed = match (call, served.gateway.query()) {
        (Call::Send, _) => served.gateway.send(request).await,
        (Call::Query, Some(query)) => query.status(request).await,
        (Call::Query, None) => ParsedResponse::of(Outcome::NoResponse, "the gateway has no query"),
    };
    crash_point("after_answer");
    let took = started.elapsed();
    served.metrics().answered(call, parsed.outcome, took);
    served.note_signature(&parsed);
    served.note_call(&context.activity, call, &parsed, claim.clock.now());
    if let Some(span) = &mut calling {
        span.record("bursar.outcome", parsed.outcome.as_str());
        if parsed.outcome == Outcome::NoResponse {
            span.failed("nothing was learnt");
        }
    }
    drop(calling);
    if call == Call::Send {
        count_send(context, claim, &parsed);
    }
    let trade_nos = learn(request, &parsed);
    let response = known_by(claim, call, &parsed);
    let progress = JobProgress {
        queries: progress.queries + u32::from(call == Call::Query),
        can_query: served.gateway.can_query(request),
        names: parsed.names,
        received: if call == Call::Send { parsed.received } else { progress.received },
        ..progress
    };
    let now = claim.clock.now();
    let next = after(&progress, call, parsed.outcome, &served.policy, now).unwrap_or_else(|illegal| {
        tracing::error!(queue = %served.queue, key = %claim.job.key, fence = claim.job.fence, %illegal, "this job needs review");
        Transition::review(Reason::ImpossibleResponse(GatewayText::default()))
    });
    let next = with_gateway_text(next.with_suspicion(parsed.suspicion), &parsed);
    let event = HistoryEvent::Response(Response {
        fence: claim.job.fence,
        call,
        worker: context.name.clone(),
        at: now,
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        read: ResponseEvidence::from(&parsed),
        late: false,
        more: Map::new(),
    });
    let commit = Commit {
        evidence: evidence(call, parsed.outcome),
        queried: call == Call::Query,
        resend: if call == Call::Send && parsed.outcome.is_not_executed() {
            Resend::NotCounted
        } else {
            Resend::Counts
        },
        trade_nos,
        gateway_status: parsed.status.clone(),
        response,
        event: Some(event),
        ..end(claim, now, next)
    };
    (commit, parsed)
}

/// The commit of a claim that made no call.
fn end(claim: &ActiveClaim, decided: Millis, next: Transition) -> Commit {
    Commit { reason: next.reason.clone(), ..Commit::new(&claim.job, decided, next) }
}

/// The weight of an outcome if the job has changed meanwhile.
fn evidence(call: Call, outcome: Outcome) -> Evidence {
    match (call, outcome) {
        (_, Outcome::Accepted | Outcome::Succeeded | Outcome::Failed | Outcome::Refunded) => Evidence::Said(outcome),
        (Call::Send, Outcome::NoResponse | Outcome::NotFound | Outcome::Mismatch) => Evidence::MaybeExecuted,
        (Call::Send, Outcome::NotExecuted | Outcome::NotReady | Outcome::Misconfigured | Outcome::Rejected)
        | (
            Call::Query,
            Outcome::NotExecuted
            | Outcome::NotReady
            | Outcome::Misconfigured
            | Outcome::Rejected
            | Outcome::NoResponse
            | Outcome::NotFound
            | Outcome::Mismatch,
        ) => Evidence::None,
    }
}

fn count_send(context: &HandlerContext, claim: &ActiveClaim, parsed: &ParsedResponse) {
    let served = &claim.served;
    let change = served.circuit().sent(claim.job.group(), parsed.received, Instant::now());
    if change.is_some() {
        context.waker.circuit_changed(claim.queue);
    }
    match change {
        Some(CircuitChange::Opened(rest)) => {
            publish_breaker(context, served, Some(rest));
            served.metrics().circuit_opened();
            let error = without_accounts(&failure(parsed));
            tracing::warn!(queue = %served.queue, host = served.host, error, rest_s = rest.as_secs(), "most sends get no reliable response: sends pause, then one probe; queries go on");
        }
        Some(CircuitChange::Closed) => {
            publish_breaker(context, served, None);
            served.metrics().circuit_closed();
            tracing::info!(queue = %served.queue, "the gateway responds again: sends go on");
        }
        Some(CircuitChange::GroupBlocked(rest)) => {
            tracing::warn!(queue = %served.queue, key = %claim.job.key, rest_s = rest.as_secs(), "the sends of this job's group get no reliable response, but other groups' do: the group pauses, then one probe");
        }
        None => {}
    }
}

/// Publishes the breaker's state for the dashboard. Nothing waits for it, and only the dashboard suffers if it fails.
fn publish_breaker(context: &HandlerContext, served: &ServedQueue, rest: Option<Duration>) {
    let (store, queue, worker) = (context.store.clone(), served.queue.clone(), context.name.clone());
    tokio::spawn(async move {
        if let Err(error) = store.circuit(&queue, &worker, rest).await {
            tracing::debug!(error = %error.chain(), %queue, "the circuit's state could not be reported");
        }
    });
}

/// The gateway's number for the job, unless it is the last known one.
fn learn(request: &mut GatewayRequest, parsed: &ParsedResponse) -> Vec<String> {
    let new = parsed.trade_no.as_ref().filter(|number| request.trade_nos.last() != Some(number));
    let Some(new) = new else { return Vec::new() };
    request.trade_nos.retain(|number| number != new);
    request.trade_nos.push(new.clone());
    vec![new.clone()]
}

/// The id that identifies the response, if the response is reliable: the gateway's number for the job, else the
/// request's id. A query's response names the job, so only a new number counts. For a send's response even a known
/// number counts, because the known one may be an unverified hint.
fn known_by(claim: &ActiveClaim, call: Call, parsed: &ParsedResponse) -> Option<ResponseKnownBy> {
    match (parsed.received, &parsed.trade_no, call) {
        (Received::Nothing, _, _) | (Received::Response, None, Call::Query) => None,
        (Received::Response, Some(number), Call::Query) if claim.job.trade_nos.contains(number) => None,
        (Received::Response, Some(number), Call::Send | Call::Query) => Some(ResponseKnownBy::TradeNo(number.clone())),
        (Received::Response, None, Call::Send) => parsed.request_id.clone().map(ResponseKnownBy::RequestId),
    }
}

/// The same reason with the gateway's text, for operators who need more than the state.
fn with_gateway_text(mut next: Transition, parsed: &ParsedResponse) -> Transition {
    match next.state {
        State::Succeeded | State::Refunded | State::Pending => {}
        State::Queued | State::InDoubt | State::NeedsReview | State::Failed | State::Cancelled => {
            let text = GatewayText::new(parsed.code.as_deref(), parsed.message.as_deref());
            next.reason = match next.reason {
                Some(rule) => Some(rule.with_gateway_text(text)),
                None => Reason::last_response(text),
            };
        }
    }
    next
}

/// A commit without a call: a job that was claimed for a send is certainly not sent, and its history gets a
/// `send_skipped`.
fn without_a_call(claim: &ActiveClaim, mut next: Transition, worker: &str) -> Commit {
    let skipped = match claim.job.call {
        Call::Send => Some(HistoryEvent::SendSkipped(ClaimEvent {
            at: claim.clock.now(),
            fence: claim.job.fence,
            worker: worker.to_owned(),
            more: Map::new(),
        })),
        Call::Query => None,
    };
    // The last response's text stays with its reason.
    let same = |had: &&Reason| next.reason.as_ref().is_some_and(|rule| rule.has_code_of(had));
    next.reason = claim.job.reason.as_ref().filter(same).cloned().or(next.reason);
    Commit {
        resend: if skipped.is_some() { Resend::Skipped } else { Resend::Counts },
        event: skipped,
        ..end(claim, claim.clock.now(), next)
    }
}

/// Not sent while its group rests: it is due after that.
async fn release_until_rested(context: &HandlerContext, claim: &mut ActiveClaim, wait: Duration) {
    if let Some(attempt) = &mut claim.span {
        attempt.failed("its group rests");
    }
    let served = &claim.served;
    match context.store.release_due(&served.queue, &[&claim.job], claim.clock.now().plus(wait)).await {
        Ok(released) => served.metrics().lost(Lost::Released, released),
        Err(error) => {
            tracing::warn!(error = %error.chain(), queue = %served.queue, key = %claim.job.key, fence = claim.job.fence, "could not be released; it comes due when its lease ends");
        }
    }
}

/// Its account was removed after the claim, or belongs to another gateway now: no call was made.
async fn release_unserved(context: &HandlerContext, claim: &mut ActiveClaim) {
    if let Some(attempt) = &mut claim.span {
        attempt.failed("its account was removed");
    }
    let queue = &claim.served.queue;
    match context.store.release(queue, &[&claim.job]).await {
        Ok(released) => {
            claim.served.metrics().lost(Lost::Released, released);
            tracing::info!(%queue, key = %claim.job.key, fence = claim.job.fence, "released unsent: its account was removed");
        }
        Err(error) => {
            tracing::warn!(error = %error.chain(), %queue, key = %claim.job.key, fence = claim.job.fence, "could not be released; it comes due when its lease ends");
        }
    }
}

/// Certainly not sent.
async fn release(context: &HandlerContext, claim: &mut ActiveClaim, why: &'static str) {
    if let Some(attempt) = &mut claim.span {
        attempt.failed(why);
    }
    let served = &claim.served;
    let (queue, fence) = (&served.queue, claim.job.fence);
    match context.store.withdraw(queue, &claim.job).await {
        // Another claim is in force.
        Ok(false) => tracing::warn!(%queue, key = %claim.job.key, fence, "not released, because it has changed: {why}"),
        Ok(true) => {
            served.metrics().lost(Lost::Released, 1);
            tracing::warn!(%queue, key = %claim.job.key, fence, "released unsent: {why}");
        }
        Err(error) => {
            tracing::warn!(error = %error.chain(), %queue, key = %claim.job.key, fence, "could not be released; it comes due when its lease ends")
        }
    }
}

/// Commits, and logs what an operator should see. The call's slot is free as soon as its commit is queued, so Redis and
/// the gateway work at the same time. Only a commit that pauses the queue keeps its slot, so that no send overtakes the
/// pause.
async fn record(context: &HandlerContext, mut claim: Box<ActiveClaim>, commit: Commit) {
    let served = &claim.served;
    let (queue, fence) = (&served.queue, claim.job.fence);
    let Transition { state, due, pause_queue: paused, .. } = commit.next;
    let reason = commit.next.reason.as_ref().map(Reason::to_string).unwrap_or_default();
    let committing = claim.span.as_ref().and_then(|attempt| attempt.child("commit", Role::Call));
    let Some(queued) = context.commits.put(claim.queue, commit).await else { return }; // torn down; the lease will end
    let slot = paused.then_some(claim.slot);
    let committed = queued.committed().await;
    drop((slot, committing));
    if let Some(attempt) = &mut claim.span {
        attempt.record("bursar.state", state.as_str());
        if committed == Some(Committed::Late) {
            attempt.failed("came too late");
        }
    }
    match (committed, due) {
        (Some(Committed::Done | Committed::Again), Due::Send(at) | Due::Query(at)) => {
            context.waker.ring(claim.queue, at.since(claim.clock.now()));
        }
        (Some(Committed::Done | Committed::Again), Due::Never) => {}
        (Some(Committed::Mismatch), _) => {
            served.metrics().mismatch();
            served.metrics().committed(State::NeedsReview);
            tracing::error!(%queue, key = %claim.job.key, fence, "needs review: the response has a number that belongs to another one");
            return;
        }
        (Some(Committed::Late), _) => {
            served.metrics().lost(Lost::Commit, 1);
            tracing::warn!(%queue, key = %claim.job.key, fence, "came too late: the job has changed; the response is kept as evidence");
            return;
        }
        (None, _) => return, // the worker is being torn down; the lease will end
    }
    count(served, &claim.job, state, claim.clock.now());
    if paused {
        tracing::error!(%queue, key = %claim.job.key, fence, %reason, "the queue is paused: correct the account, then `bursar resume {queue}`");
    }
    if state == State::NeedsReview {
        tracing::error!(%queue, key = %claim.job.key, fence, %reason, "needs review");
    } else {
        tracing::debug!(%queue, key = %claim.job.key, fence, state = state.as_str(), %reason, "committed");
    }
}

/// Counts a claim's end, and the job's own if this was it.
fn count(served: &ServedQueue, job: &ClaimedJob, state: State, now: Millis) {
    served.metrics().committed(state);
    if let (true, false, Some(created)) = (state.is_terminal(), job.state.is_terminal(), job.created) {
        served.metrics().ended(state, now.since(created));
    }
}
