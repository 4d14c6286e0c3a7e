//! The one handler: facts → action → call → what follows → commit. It knows no kind and no gateway.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::Data;
use bursar_domain::{
    Action, Answer, Call, ClaimEvent, Due, Facts, GatewayText, HistoryEvent, Millis, Next, Reading, Reason, Received,
    Response, ResponseEvidence, State, Subject, after, check_content, next_action,
};
use bursar_gateways::Order;
use bursar_store::{ClaimedJob, Commit, Committed, Evidence, Resend, ResponseKnownBy, Store, crash_point};
use bursar_telemetry::{Lost, Metrics, Role};
use serde_json::Map;
use tokio::time::Instant;

use crate::chronicle::Chronicle;
use crate::circuit::Turn;
use crate::committer::Commits;
use crate::handoff::Held;
use crate::lanes::{Lanes, ServedLane};
use crate::waker::Waker;

/// What every handler call shares.
pub(crate) struct Runtime {
    pub(crate) store: Store,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) commits: Commits,
    pub(crate) waker: Waker,
    /// How long after its claim a send may begin. Past it the job is given back unsent: a lease is never stretched over a
    /// send that has not begun, and the settle time, which runs from the claim, is not eaten up by waiting.
    pub(crate) begin_within: Duration,
    pub(crate) chronicle: Chronicle,
    pub(crate) metrics: Arc<Metrics>,
    /// This worker's.
    pub(crate) name: String,
}

/// Handles one claimed job to its commit. Nothing that happens to the job is an error of the worker.
pub(crate) async fn handle(mut held: Held, runtime: Data<Arc<Runtime>>) {
    let _working = runtime.metrics.working();
    let served = runtime.lanes.get(held.lane);
    let subject = Subject::of(served.lane.kind, &held.job.content);
    let mut order = Order {
        kind: served.lane.kind,
        key: held.job.key.to_string(),
        content: held.job.content.as_str().into(),
        trade_nos: held.job.trade_nos.clone(),
        sent_before: held.job.state != State::Queued,
        send_by: Some((held.claimed + runtime.begin_within).into_std()),
    };
    let facts = held.job.facts(served.gateway.can_ask(&order), served.gateway.resend_tells(), subject.next_day);
    let action = next_action(&facts, held.job.call, &served.policy, held.clock.now());
    let commit = match fit_to_send(served, &held, action) {
        Action::Commit(next) => without_a_call(&held, next, &runtime.name),
        Action::Send if held.claimed.elapsed() > runtime.begin_within => {
            return give_back(&runtime, &mut held, "this worker was too slow to begin").await;
        }
        Action::Send if let Some(wait) = served.circuit.holds(held.job.group(), Instant::now()) => {
            return hold_up(&runtime, &mut held, wait).await;
        }
        Action::Send => {
            let patience = runtime.begin_within.saturating_sub(held.claimed.elapsed());
            if runtime.chronicle.intend(&served.lane, &held, patience).await.is_err() {
                give_back(&runtime, &mut held, "its intent could not be written to the journal").await;
                // Who dies here leaves an intent that nothing followed, and nothing says so: it is taken for a send.
                crash_point("before_withheld");
                return runtime.chronicle.withheld(&served.lane, &held);
            }
            let (commit, reading) = call(&runtime, &held, &mut order, facts, Call::Send).await;
            runtime.chronicle.answered(&served.lane, &held, &reading);
            commit
        }
        Action::Ask => call(&runtime, &held, &mut order, facts, Call::Ask).await.0,
    };
    record(&runtime, held, commit).await;
}

/// The same action, or a person's turn in place of a send of what must not be sent.
fn fit_to_send(served: &ServedLane, held: &Held, action: Action) -> Action {
    match action {
        Action::Send => {}
        Action::Ask | Action::Commit(_) => return action,
    }
    let job = &held.job;
    match check_content(served.lane.kind, &job.content, &job.hash, &served.policy) {
        Ok(()) => Action::Send,
        Err(why) => {
            served.metrics.skipped(why);
            let reason = Reason::from(why);
            tracing::error!(lane = %served.lane, key = %job.key, fence = job.fence, %reason, "not sent");
            Action::Commit(Next::review(reason))
        }
    }
}

/// Makes the call and decides what follows.
async fn call(runtime: &Runtime, held: &Held, order: &mut Order, facts: Facts, call: Call) -> (Commit, Reading) {
    let served = runtime.lanes.get(held.lane);
    crash_point(match call {
        Call::Send => "before_send",
        Call::Ask => "before_ask",
    });
    let mut calling = held.span.as_ref().and_then(|attempt| attempt.child(call.as_str(), Role::Call));
    let started = Instant::now();
    let reading = match call {
        Call::Send => served.gateway.send(order).await,
        Call::Ask => served.gateway.ask(order).await,
    };
    crash_point("after_answer");
    let took = started.elapsed();
    served.metrics.answered(call, reading.answer, took);
    served.note_signature(&reading);
    if let Some(span) = &mut calling {
        span.tell("bursar.answer", reading.answer.as_str());
        if reading.answer == Answer::Silent {
            span.failed("nothing was learnt");
        }
    }
    drop(calling);
    if call == Call::Send {
        tell_the_circuit(runtime, held, reading.received);
    }
    let trade_nos = learn(order, &reading);
    let response = known_by(held, call, &reading);
    let facts = Facts {
        asks: facts.asks + u32::from(call == Call::Ask),
        can_ask: served.gateway.can_ask(order),
        names: reading.names,
        received: if call == Call::Send { reading.received } else { facts.received },
        ..facts
    };
    let now = held.clock.now();
    let next = after(&facts, call, reading.answer, &served.policy, now).unwrap_or_else(|illegal| {
        tracing::error!(lane = %served.lane, key = %held.job.key, fence = held.job.fence, %illegal, "a person must look at this job");
        Next::review(Reason::ImpossibleResponse(GatewayText::default()))
    });
    let next = with_gateway_text(next.heeding(reading.suspicion), &reading);
    let event = HistoryEvent::Response(Response {
        fence: held.job.fence,
        call,
        worker: runtime.name.clone(),
        at: now,
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        read: ResponseEvidence::from(&reading),
        late: false,
        more: Map::new(),
    });
    let commit = Commit {
        evidence: evidence(call, reading.answer),
        queried: call == Call::Ask,
        resend: if call == Call::Send && reading.answer.did_nothing() { Resend::GivenBack } else { Resend::Counts },
        trade_nos,
        gateway_status: reading.status.clone(),
        response,
        event: Some(event),
        ..end(held, now, next)
    };
    (commit, reading)
}

/// The end of a claim of which nothing more is known than what follows.
fn end(held: &Held, decided: Millis, next: Next) -> Commit {
    Commit { reason: next.reason.clone(), ..Commit::new(&held.job, decided, next) }
}

/// What an answer is worth when the job has moved on meanwhile.
fn evidence(call: Call, answer: Answer) -> Evidence {
    match (call, answer) {
        (_, Answer::Accepted | Answer::Succeeded | Answer::Failed | Answer::Refunded) => Evidence::Said(answer),
        (Call::Send, Answer::Silent | Answer::Unseen | Answer::Contradiction) => Evidence::MaybeExecuted,
        (Call::Send, Answer::NotExecuted | Answer::NotReady | Answer::ConfigFault | Answer::Refused)
        | (
            Call::Ask,
            Answer::NotExecuted
            | Answer::NotReady
            | Answer::ConfigFault
            | Answer::Refused
            | Answer::Silent
            | Answer::Unseen
            | Answer::Contradiction,
        ) => Evidence::None,
    }
}

fn tell_the_circuit(runtime: &Runtime, held: &Held, received: Received) {
    let served = runtime.lanes.get(held.lane);
    let turn = served.circuit.sent(held.job.group(), received, Instant::now());
    if turn.is_some() {
        runtime.waker.circuit_turned(held.lane);
    }
    match turn {
        Some(Turn::Opened(rest)) => {
            tell_people(runtime, served, Some(rest));
            served.metrics.circuit_opened();
            tracing::warn!(lane = %served.lane, rest_s = rest.as_secs(), "most sends get no response that can be relied on: resting, then one probe; asks go on");
        }
        Some(Turn::Closed) => {
            tell_people(runtime, served, None);
            served.metrics.circuit_closed();
            tracing::info!(lane = %served.lane, "the gateway answers again: sends go on");
        }
        Some(Turn::GroupHeld(rest)) => {
            tracing::warn!(lane = %served.lane, key = %held.job.key, rest_s = rest.as_secs(), "the sends of this job's group get no response that can be relied on, and others do: the group rests, then one probe");
        }
        None => {}
    }
}

/// For the dashboard. Nobody waits for it, and without it nothing is amiss but the picture.
fn tell_people(runtime: &Runtime, served: &ServedLane, rest: Option<Duration>) {
    let (store, lane, worker) = (runtime.store.clone(), served.lane.clone(), runtime.name.clone());
    tokio::spawn(async move {
        if let Err(error) = store.circuit(&lane, &worker, rest).await {
            tracing::debug!(error = %error.chain(), %lane, "whether the circuit is open could not be told");
        }
    });
}

/// The number that the gateway names, unless it named that one last.
fn learn(order: &mut Order, reading: &Reading) -> Vec<String> {
    let new = reading.trade_no.as_ref().filter(|number| order.trade_nos.last() != Some(number));
    let Some(new) = new else { return Vec::new() };
    order.trade_nos.retain(|number| number != new);
    order.trade_nos.push(new.clone());
    vec![new.clone()]
}

/// What the response is known by, if it can be relied on: its number for the job, else its request's id. An answer to a query
/// names the job, so only a number that the job did not have is looked at. One that the job has may be a hint that nothing
/// vouched for, so a response to a send is looked at whatever it names.
fn known_by(held: &Held, call: Call, reading: &Reading) -> Option<ResponseKnownBy> {
    match (reading.received, &reading.trade_no, call) {
        (Received::Nothing, _, _) | (Received::Response, None, Call::Ask) => None,
        (Received::Response, Some(number), Call::Ask) if held.job.trade_nos.contains(number) => None,
        (Received::Response, Some(number), Call::Send | Call::Ask) => Some(ResponseKnownBy::TradeNo(number.clone())),
        (Received::Response, None, Call::Send) => reading.request_id.clone().map(ResponseKnownBy::RequestId),
    }
}

/// The same with the gateway's own words behind the rule, where a person will want to know more than the state.
fn with_gateway_text(mut next: Next, reading: &Reading) -> Next {
    match next.state {
        State::Succeeded | State::Refunded | State::Pending => {}
        State::Queued | State::InDoubt | State::NeedsReview | State::Failed | State::Cancelled => {
            let text = GatewayText::new(reading.code.as_deref(), reading.message.as_deref());
            next.reason = match next.reason {
                Some(rule) => Some(rule.with_gateway_text(text)),
                None => Reason::last_response(text),
            };
        }
    }
    next
}

/// Nothing was asked, and what was claimed for a send is certainly not sent: its history says that the send was skipped.
fn without_a_call(held: &Held, mut next: Next, worker: &str) -> Commit {
    let skipped = match held.job.call {
        Call::Send => Some(HistoryEvent::SendSkipped(ClaimEvent {
            at: held.clock.now(),
            fence: held.job.fence,
            worker: worker.to_owned(),
            more: Map::new(),
        })),
        Call::Ask => None,
    };
    // The last response's words stay with the reason that it gave.
    let same = |had: &&Reason| next.reason.as_ref().is_some_and(|rule| rule.has_code_of(had));
    next.reason = held.job.reason.as_ref().filter(same).cloned().or(next.reason);
    Commit {
        resend: if skipped.is_some() { Resend::Skipped } else { Resend::Counts },
        event: skipped,
        ..end(held, held.clock.now(), next)
    }
}

/// Not sent while its group rests: it is due after that.
async fn hold_up(runtime: &Runtime, held: &mut Held, wait: Duration) {
    if let Some(attempt) = &mut held.span {
        attempt.failed("its group rests");
    }
    let served = runtime.lanes.get(held.lane);
    match runtime.store.release_due(&served.lane, &[&held.job], held.clock.now().plus(wait)).await {
        Ok(released) => served.metrics.lost(Lost::GivenBack, released),
        Err(error) => {
            tracing::warn!(error = %error.chain(), lane = %served.lane, key = %held.job.key, fence = held.job.fence, "could not be given back; it comes due when its lease ends");
        }
    }
}

/// Certainly not sent.
async fn give_back(runtime: &Runtime, held: &mut Held, why: &'static str) {
    if let Some(attempt) = &mut held.span {
        attempt.failed(why);
    }
    let served = runtime.lanes.get(held.lane);
    let (lane, fence) = (&served.lane, held.job.fence);
    match runtime.store.withdraw(lane, &held.job).await {
        // Another claim stands.
        Ok(false) => tracing::warn!(%lane, key = %held.job.key, fence, "not given back, for it has moved on: {why}"),
        Ok(true) => {
            served.metrics.lost(Lost::GivenBack, 1);
            tracing::warn!(%lane, key = %held.job.key, fence, "given back unsent: {why}");
        }
        Err(error) => {
            tracing::warn!(error = %error.chain(), %lane, key = %held.job.key, fence, "could not be given back; it comes due when its lease ends")
        }
    }
}

/// Commits, and tells what an operator should see. The call's place is free as soon as its commit is on its way: Redis and
/// the gateway then work at the same time. Only what pauses the lane keeps it, so that no send overtakes the pause.
async fn record(runtime: &Runtime, mut held: Held, commit: Commit) {
    let served = runtime.lanes.get(held.lane);
    let (lane, fence) = (&served.lane, held.job.fence);
    let Next { state, due, pause_lane: paused, .. } = commit.next;
    let reason = commit.next.reason.as_ref().map(Reason::to_string).unwrap_or_default();
    let committing = held.span.as_ref().and_then(|attempt| attempt.child("commit", Role::Call));
    let Some(queued) = runtime.commits.put(held.lane, commit).await else { return }; // torn down; the lease will end
    let slot = paused.then_some(held.slot);
    let committed = queued.committed().await;
    drop((slot, committing));
    if let Some(attempt) = &mut held.span {
        attempt.tell("bursar.state", state.as_str());
        if committed == Some(Committed::Late) {
            attempt.failed("came too late");
        }
    }
    match (committed, due) {
        (Some(Committed::Done | Committed::Again), Due::Send(at) | Due::Ask(at)) => {
            runtime.waker.ring(held.lane, at.since(held.clock.now()));
        }
        (Some(Committed::Done | Committed::Again), Due::Never) => {}
        (Some(Committed::Mismatch), _) => {
            served.metrics.mismatch();
            served.metrics.committed(State::NeedsReview);
            tracing::error!(%lane, key = %held.job.key, fence, "needs review: the response is known by a number that another one has");
            return;
        }
        (Some(Committed::Late), _) => {
            served.metrics.lost(Lost::Commit, 1);
            tracing::warn!(%lane, key = %held.job.key, fence, "came too late: the job has moved on; the answer is evidence for what follows");
            return;
        }
        (None, _) => return, // the worker is being torn down; the lease will end
    }
    count(served, &held.job, state, held.clock.now());
    if paused {
        tracing::error!(%lane, key = %held.job.key, fence, %reason, "the lane is paused: mend the account, then `bursar resume {lane}`");
    }
    if state == State::NeedsReview {
        tracing::error!(%lane, key = %held.job.key, fence, %reason, "needs review");
    } else {
        tracing::debug!(%lane, key = %held.job.key, fence, state = state.as_str(), %reason, "committed");
    }
}

/// Counts a claim's end, and the job's own if this was it.
fn count(served: &ServedLane, job: &ClaimedJob, state: State, now: Millis) {
    served.metrics.committed(state);
    if let (true, false, Some(created)) = (state.is_terminal(), job.state.is_terminal(), job.created) {
        served.metrics.ended(state, now.since(created));
    }
}
