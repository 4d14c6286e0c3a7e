//! Claiming due jobs.

use std::collections::HashMap;
use std::sync::Arc;

use bursar_domain::{
    Call, JobProgress, Key, Millis, Names, OnAmbiguous, Outcome, Queue, Reason, Received, State, TraceParent,
};
use redis::{Pipeline, Value};

use super::ClaimToken;
use super::apply::{Guarded, Place, Seen};
use super::overlay::{ClaimEntry, Era};
use super::read::lossy;
use super::record::{StoredJob, Unreadable};
use crate::jobs::claim_request::whole_millis;
use crate::scripts::EVENTS_KEPT;
use crate::{Claim, ClaimId, ExpiredLeases, MAX_CLAIM, RECEIPT_KEPT, Sends, Store, StoreError};

/// The jobs at both ends of the due sends that are examined for a probe. The oldest are mostly in doubt, often because
/// of responses to them alone, which say nothing about the gateway.
const PROBE_LOOK: isize = 64;

/// The sends that may be a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe(pub(crate) String);

/// The result of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The time, in Redis time.
    pub now: Millis,
    /// The latest time of the next claim; `None` if no job waits that this worker may claim.
    pub next_due: Option<Millis>,
    /// True if due sends were left: there was no room, the queue is paused, or this worker may not claim them now.
    pub sends_left: bool,
    /// The jobs.
    pub jobs: Vec<ClaimedJob>,
    /// Due keys that were put in quarantine, with the reason.
    pub quarantined: Vec<(String, Unreadable)>,
    /// Jobs of a newer build, which were left for one.
    pub left: Vec<String>,
    /// The queue's fence.
    pub fence: u64,
    /// The queue's era.
    pub era: u64,
    /// True if this claim found that Redis has lost writes; it then took nothing.
    pub lost_writes: bool,
    /// True if the queue's jobs belong to another gateway than the worker's; it then took nothing.
    pub other_gateway: bool,
    /// True if the queue may be new because Redis was emptied; no send was claimed. Claim with [`Claim::looked`] once
    /// [`Store::incarnations`] has confirmed that it is the Redis that the worker knows.
    pub other_redis: bool,
}

/// A claim's data about a job, from which its end is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The record combined with the claims that were lost before.
    pub(crate) record: StoredJob,
    /// The state in the record: the last published one.
    pub(crate) stored_state: State,
    pub(crate) claim: ClaimEntry,
    pub(crate) claim_text: String,
}

/// A claimed job: the worker's own until its lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedJob {
    /// Its key.
    pub key: Key,
    /// The call that it was due for. For a send, the intent is already recorded.
    pub call: Call,
    /// The claim's fence.
    pub fence: u64,
    /// The claim's token.
    pub token: ClaimToken,
    /// The queue's era in which it was claimed.
    pub era: u64,
    /// The exact bytes to send.
    pub content: String,
    /// The gateway's numbers for it, newest last.
    pub trade_nos: Vec<String>,
    /// State before the claim.
    pub state: State,
    /// Sends, this one included.
    pub sends: u32,
    /// Sends while an earlier might have executed, this one included.
    pub resends: u32,
    /// Queries so far.
    pub queries: u32,
    /// Claims that were lost.
    pub claims_lost: u32,
    /// The first intent to send.
    pub first_sent: Option<Millis>,
    /// The last one, this one included.
    pub last_sent: Option<Millis>,
    /// The last one before this claim.
    pub sent_before: Option<Millis>,
    /// The time of the last call that an operator ordered.
    pub ordered: Option<Millis>,
    /// Since when it was due, where that is known.
    pub due: Option<Millis>,
    /// The time at which it was accepted.
    pub created: Option<Millis>,
    /// The outcome of a response that arrived after its claim had ended.
    pub late_response: Option<Outcome>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
    /// The reason for its place before the claim.
    pub reason: Option<Reason>,
    /// SHA-256 of the content that was accepted.
    pub hash: Vec<u8>,
    pub(crate) found: Arc<Found>,
}

impl ClaimedJob {
    /// The claim's identity.
    #[must_use]
    pub fn id(&self) -> ClaimId {
        ClaimId { key: self.key.to_string(), fence: self.fence, token: self.token.0.clone() }
    }

    /// The group that shares the queue fairly with others; empty for none.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.found.record.fair_group
    }

    /// The progress for the state machine. The caller knows the gateway's capabilities.
    #[must_use]
    pub fn progress(&self, can_query: bool, repeat_is_answered: bool, next_day: bool) -> JobProgress {
        JobProgress {
            state: self.state,
            sends: self.sends,
            resends: self.resends,
            queries: self.queries,
            losses: self.claims_lost,
            first_sent: self.first_sent,
            last_sent: self.last_sent,
            sent_before: self.sent_before,
            ordered: self.ordered,
            late_response: self.late_response,
            can_query,
            names: Names::Nothing,
            received: match self.reason {
                Some(Reason::UndecidedResponse(_)) => Received::Response,
                _ => Received::Nothing,
            },
            not_ready: matches!(self.reason, Some(Reason::OrderNotReady(_))),
            repeat_is_answered,
            next_day,
            seed: self.key.seed(),
        }
    }
}

type Reply = (u64, i64, u64, String, u64, u64, u64, Vec<String>, u8, Taken);

/// The jobs of a claim's reply: sends as they are in the queue's set, keys of queries, records of both, due times of
/// the queries, and in turns the number of a job and its claim, if that is not the call's own with nothing before it.
type Taken = (Vec<Value>, Vec<Value>, Vec<Value>, Vec<Value>, Vec<Value>);

/// A claimed job in the script's reply.
struct Row {
    /// Its key; for a send with its group.
    member: String,
    claim: ClaimText,
    /// The due time of a query.
    due: Option<String>,
    record: Option<String>,
}

/// A claim as it is stored. It is read once, though a call's claims without an earlier one are all the same.
#[derive(Clone)]
struct ClaimText {
    text: String,
    entry: Option<ClaimEntry>,
}

impl ClaimText {
    fn read(text: String) -> Self {
        Self { entry: ClaimEntry::read(&text), text }
    }

    fn of(entry: ClaimEntry) -> Self {
        Self { text: entry.text(), entry: Some(entry) }
    }
}

/// The jobs of a reply. `own` are the call's claims without an earlier one.
fn rows(
    (sends, queries, records, due_since, claims): Taken,
    (own_send, own_query): (ClaimText, ClaimText),
) -> Vec<Row> {
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    let claim = |pair: &[Value]| {
        let number: usize = redis::from_redis_value_ref(pair.first()?).ok()?;
        Some((number, redis::from_redis_value_ref(pair.get(1)?).map(lossy).ok()?))
    };
    let mut claims: HashMap<usize, String> = claims.chunks_exact(2).filter_map(claim).collect();
    let sends = sends.iter().map(|member| (member, &own_send, None));
    let queries = queries.iter().zip(&due_since).map(|(key, due)| (key, &own_query, text(due)));
    let mut rows = Vec::with_capacity(records.len());
    for (number, ((member, own, due), record)) in (1..).zip(sends.chain(queries).zip(&records)) {
        let claim = claims.remove(&number).map_or_else(|| own.clone(), ClaimText::read);
        rows.push(Row { member: text(member).unwrap_or_default(), claim, due, record: text(record) });
    }
    rows
}

impl Store {
    /// Claims due jobs of one queue.
    ///
    /// # Errors
    /// [`StoreError`]: jobs may have been claimed; [`Store::recover_claim`] finds and releases them.
    pub async fn claim(&self, queue: &Queue, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let probe = match claim.sends {
            Sends::Probe => self.probe(queue, claim.sick_group).await?,
            Sends::Allowed | Sends::NotYet => None,
        };
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.claim.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(claim.worker)
            .push(serde_json::Value::from(ClaimId::token(claim.worker, claim.number)).to_string())
            .push(whole_millis(claim.lease))
            .push(match claim.sends {
                Sends::Probe => claim.slots.min(1),
                Sends::Allowed | Sends::NotYet => claim.slots.min(MAX_CLAIM),
            })
            .push(claim.rate_per_second)
            .push(claim.number)
            .push(EVENTS_KEPT)
            .push(whole_millis(RECEIPT_KEPT))
            .push(claim.known.receipt)
            .push(claim.known.fence)
            .push(pause_after_losses(claim.on_ambiguous))
            .push(if claim.sends == Sends::NotYet { "queries" } else { "sends" })
            .push(probe.map(|probe| probe.0).unwrap_or_default())
            .push(claim.clock.unwrap_or_default().0)
            .push(u8::from(claim.expired_leases == ExpiredLeases::Left))
            .push(claim.gateway)
            .push(claim.incarnation)
            .push(u8::from(claim.looked));
        for (group, step) in self.fair_order(queue).steps() {
            call.push(super::apply::member_end(&group)).push(step);
        }
        let since = self.since();
        let reply: Reply = call.run_on(self.to_claim_on(claim.over)?).await?;
        let claimed = self.claimed(queue, claim, reply).await?;
        // No send leaves before its intent is as durable as the operator requires.
        if claimed.jobs.iter().any(|job| job.call == Call::Send) {
            self.kept(since).await?;
        }
        Ok(claimed)
    }

    async fn claimed(&self, queue: &Queue, claim: &Claim<'_>, reply: Reply) -> Result<Claimed, StoreError> {
        let (now, next_due, fence, what, number, resumed, resumed_at, poisoned, sends_left, taken) = reply;
        let era = Era { number, resumed, resumed_at: Millis(resumed_at) };
        let token = ClaimToken(ClaimId::token(claim.worker, claim.number));
        let mut claimed = Claimed {
            now: Millis(now),
            next_due: u64::try_from(next_due).ok().map(Millis),
            sends_left: sends_left == 1,
            jobs: Vec::with_capacity(taken.2.len()),
            quarantined: Vec::new(),
            left: Vec::new(),
            fence,
            era: number,
            lost_writes: what == "lost_writes",
            other_gateway: what == "other_gateway",
            other_redis: what == "other_redis",
        };
        let newer_left_for = claim.newer_left_for;
        let lost = Unreadable::Damaged("its workers were lost one after the other".into());
        claimed.quarantined.extend(poisoned.into_iter().map(|key| (key, lost.clone())));
        let mut newer = Vec::new();
        let own = |call| ClaimText::of(ClaimEntry::new(&token.0, call, fence, Millis(now)));
        for Row { member, claim, due, record } in rows(taken, (own(Call::Send), own(Call::Query))) {
            let (key, group) = member.split_once(' ').unwrap_or((&member, ""));
            let ClaimText { text: claim, entry } = claim;
            match job(key, (entry, &claim), due, record.as_deref(), (&token, era)) {
                Ok(job) => claimed.jobs.push(job),
                Err(Unreadable::Newer { .. }) => newer.push((key.to_owned(), group.to_owned(), token.0.clone())),
                Err(why) => {
                    self.quarantine(queue, key, (&claim, &token), claimed.now, &why).await?;
                    claimed.quarantined.push((key.to_owned(), why));
                }
            }
        }
        if !newer.is_empty() {
            self.release_until(queue, &newer, claimed.now.plus(newer_left_for), "").await?;
            claimed.left = newer.into_iter().map(|(key, ..)| key).collect();
        }
        Ok(claimed)
    }

    /// Quarantines a claimed job that this build cannot read. A claim that was lost before is in force again.
    async fn quarantine(
        &self,
        queue: &Queue,
        key: &str,
        (claim, token): (&str, &ClaimToken),
        now: Millis,
        why: &Unreadable,
    ) -> Result<(), StoreError> {
        let entry = serde_json::json!({"at": now.0, "code": "unreadable_record", "detail": why.to_string()});
        let write = Guarded {
            claim: ClaimEntry::text_before(claim, &token.0).to_owned(),
            place: Place::Quarantine(entry.to_string()),
            ..Guarded::new(key, claim, Seen::Any)
        };
        self.apply(queue, &[write], "").await.map(drop)
    }

    /// The send that shows the gateway's health: preferably of a job that was never sent, and of another group than the
    /// sick one. Many unsent jobs may belong to one merchant, so the first one is not always taken.
    async fn probe(&self, queue: &Queue, sick_group: &str) -> Result<Option<Probe>, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        let sends = queue_keys.set("sends");
        pipeline.cmd("ZRANGE").arg(&sends).arg(0).arg(PROBE_LOOK - 1);
        pipeline.cmd("ZRANGE").arg(&sends).arg(0).arg(PROBE_LOOK - 1).arg("REV");
        let (first, last): (Vec<Vec<u8>>, Vec<Vec<u8>>) = self.query("ZRANGE", &pipeline).await?;
        let members: Vec<String> = first.into_iter().chain(last).map(lossy).collect();
        if members.is_empty() {
            return Ok(None);
        }
        let mut command = redis::cmd("MGET");
        for member in &members {
            let key = member.split_once(' ').map_or(member.as_str(), |(key, _)| key);
            command.arg(format!("{}job:{}:{key}", queue_keys.base, queue_keys.queue));
        }
        let texts: Vec<Option<Vec<u8>>> =
            command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("MGET", source))?;
        let never_sent = |text: &Option<Vec<u8>>| {
            let record = text.clone().and_then(|text| StoredJob::read(&lossy(text)).ok());
            record.is_some_and(|record| record.state == State::Queued)
        };
        let unsent: Vec<&String> =
            members.iter().zip(&texts).filter(|(_, text)| never_sent(text)).map(|(member, _)| member).collect();
        let group_of = |member: &str| member.split_once(' ').map_or(String::new(), |(_, group)| group.to_owned());
        let (sick, well): (Vec<&String>, Vec<&String>) =
            unsent.into_iter().partition(|member| !sick_group.is_empty() && group_of(member) == sick_group);
        Ok(fastrand::choice(if well.is_empty() { sick } else { well }).map(|member| Probe(member.clone())))
    }

    /// After a claim whose reply was lost: releases, unsent, all jobs that the claim had taken, and returns their
    /// number. If the claim arrives later it takes nothing. Call it before the worker's next claim in the queue.
    ///
    /// # Errors
    /// [`StoreError`]: try again; jobs that are not released come due when their leases end.
    pub async fn recover_claim(&self, queue: &Queue, worker: &str, number: u64) -> Result<usize, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call =
            self.scripts.recover_claim.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(worker).push(number).push(whole_millis(RECEIPT_KEPT));
        let receipt: Option<String> = call.run(self).await?;
        let receipt = receipt.unwrap_or_default();
        let token = ClaimId::token(worker, number);
        let jobs: Vec<(String, String, String)> = receipt
            .lines()
            .skip(1)
            .map(|member| member.split_once(' ').unwrap_or((member, "")))
            .map(|(key, group)| (key.to_owned(), group.to_owned(), token.clone()))
            .collect();
        self.release_until(queue, &jobs, Millis(0), "").await
    }
}

/// The reason for which a queue is paused after lost writes, as recorded; empty if it goes on.
pub(crate) fn pause_after_losses(on_ambiguous: OnAmbiguous) -> String {
    match on_ambiguous {
        OnAmbiguous::Hold => Reason::QueueLostWrites.recorded(),
        OnAmbiguous::Resend => String::new(),
    }
}

/// A claimed job from a row of the reply.
pub(crate) fn job(
    key: &str,
    (claim, claim_text): (Option<ClaimEntry>, &str),
    due: Option<String>,
    record: Option<&str>,
    (token, era): (&ClaimToken, Era),
) -> Result<ClaimedJob, Unreadable> {
    let damaged = |what: &str| Unreadable::Damaged(what.to_owned());
    let record = StoredJob::read(record.ok_or_else(|| damaged("there is no record"))?)?;
    let claim = claim.ok_or_else(|| damaged("its claim cannot be read"))?;
    // Only an error halfway through a script leaves such a job among the due sends.
    let is_sendable = matches!(record.state, State::Queued | State::InDoubt | State::Pending);
    if claim.call == Call::Send && !is_sendable {
        return Err(damaged(&format!("it was due to be sent, but is {}", record.state)));
    }
    let (created, run_at, never_claimed) = (record.created_at, record.run_at, record.last_claim.is_empty());
    let stored_state = record.state;
    let is_forgotten = record.state == State::Queued && record.era < era.number;
    let mut found = record.found_by(&claim, era);
    let content = found.content.as_ref().ok_or_else(|| damaged("it has no content"))?.text().to_owned();
    // Only a claim puts a queued job among the due queries, and that claim is gone.
    if claim.call == Call::Query && found.state == State::Queued {
        found.state = State::InDoubt;
        found.reason = Some(Reason::LostWrites);
    }
    // An operator who has resumed the queue since has ordered the sends of possibly sent jobs.
    let answered_for = is_forgotten && found.last_sent_at.is_none() && era.resumed >= era.number;
    if answered_for {
        found.ordered_at = found.ordered_at.max(Some(era.resumed_at));
    }
    let counted = match claim.call {
        Call::Send => found.with_send(claim.at, true),
        Call::Query => found.send_counts(),
    };
    let due = due.and_then(|due| due.parse().ok()).filter(|due| *due > 0).map(Millis);
    Ok(ClaimedJob {
        key: key.parse().map_err(|_| damaged("its key is none"))?,
        call: claim.call,
        fence: claim.fence,
        token: token.clone(),
        era: era.number,
        content,
        trade_nos: found.trade_nos.clone(),
        state: found.state,
        sends: counted.sends,
        resends: counted.resends,
        queries: found.queries,
        claims_lost: found.claims_lost,
        first_sent: counted.first_sent_at,
        last_sent: counted.last_sent_at,
        sent_before: found.last_sent_at,
        ordered: found.ordered_at,
        due: due.or(run_at.max(created).filter(|_| never_claimed)),
        created,
        late_response: found.late_outcome,
        trace: found.traceparent.as_ref().and_then(|text| text.parse().ok()),
        reason: found.reason.clone(),
        hash: found.hash.0.clone(),
        found: Arc::new(Found { record: found, stored_state, claim, claim_text: claim_text.to_owned() }),
    })
}
