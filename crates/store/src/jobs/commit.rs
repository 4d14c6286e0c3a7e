//! The ends of claims: the new record is made here, and written if the claim is still in force.

use std::sync::Arc;

use bursar_domain::{Call, Due, GatewayText, HistoryEvent, Millis, Outcome, Queue, Reason, State, Transition};

use super::ClaimToken;
use super::apply::{Applied, Guarded, Place, Seen};
use super::claim::{ClaimedJob, Found};
use super::overlay::{ClaimEntry, LateResponse, is_open};
use super::read::lossy;
use super::record::StoredJob;
use crate::Store;
use crate::StoreError;
use crate::scripts::LOG_QUIET_AFTER;

/// The number of tries for a write whose claim or record has changed.
const TRIES: usize = 8;

/// The end of one claim.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The claim.
    pub ends: Ends,
    /// The worker's idea of Redis's time when it decided.
    pub decided: Millis,
    /// The value of the response, or of its absence, if this commit is too late.
    pub evidence: Evidence,
    /// The transition.
    pub next: Transition,
    /// The reason, with the gateway's text.
    pub reason: Option<Reason>,
    /// True if the gateway was queried.
    pub queried: bool,
    /// Counts the send among the resends, or not.
    pub resend: Resend,
    /// Numbers that the gateway named, newest last; they are added to the known ones.
    pub trade_nos: Vec<String>,
    /// The gateway's status as it wrote it, when it wrote one.
    pub gateway_status: Option<String>,
    /// The id of the response, if it must be unique.
    pub response: Option<ResponseKnownBy>,
    /// The event for the job's history.
    pub event: Option<HistoryEvent>,
}

/// The knowledge from a call, for a job that has changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The call certainly took no effect, or none was made.
    None,
    /// A send that may have taken effect.
    MaybeExecuted,
    /// The gateway's outcome.
    Said(Outcome),
}

/// Counts a send among the resends, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// As the claim counted it.
    Counts,
    /// It certainly did nothing.
    NotCounted,
    /// The send was not made, and counts neither as a send nor as a resend.
    Skipped,
}

/// The claim that a commit ends, with its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    pub(crate) found: Arc<Found>,
    pub(crate) key: String,
    pub(crate) token: ClaimToken,
    /// The queue's era in which it was claimed.
    pub(crate) era: u64,
}

/// The id that distinguishes a response from all others of its queue. A second response with the same id belongs to
/// another job, or repeats the first: a mismatch, which needs review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseKnownBy {
    /// The gateway's number for the job, named for the first time: no other job has it.
    TradeNo(String),
    /// The gateway's id of the request, where it named no number: no other response has it.
    RequestId(String),
}

impl ResponseKnownBy {
    /// Its field in the queue's `responses`.
    pub(crate) fn field(&self) -> String {
        match self {
            Self::TradeNo(number) => format!("trade_no:{number}"),
            Self::RequestId(id) => format!("request_id:{id}"),
        }
    }
}

/// The result of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Done.
    Done,
    /// Done before, under this claim: a repetition.
    Again,
    /// The job has changed under another claim. The response is in the history, and is used if nothing else decides.
    Late,
    /// Written, but not as decided: the response's id belongs to another response. The job needs review.
    Mismatch,
}

impl Commit {
    /// The end of a job's claim without a call.
    #[must_use]
    pub fn new(job: &ClaimedJob, decided: Millis, next: Transition) -> Self {
        Self {
            ends: Ends {
                found: Arc::clone(&job.found),
                key: job.key.to_string(),
                token: job.token.clone(),
                era: job.era,
            },
            decided,
            evidence: Evidence::None,
            reason: None,
            next,
            queried: false,
            resend: Resend::Counts,
            trade_nos: Vec::new(),
            gateway_status: None,
            response: None,
            event: None,
        }
    }

    fn is_send(&self) -> bool {
        self.ends.found.claim.call == Call::Send
    }

    /// The guarded write that ends the claim. `claim` is its present entry.
    fn write(&self, claim: &ClaimEntry, claim_text: &str, mismatch: Option<Reason>) -> Guarded {
        let was = &self.ends.found.record;
        let mut record = was.clone();
        record.fence = claim.fence;
        record.last_claim.clone_from(&self.ends.token.0);
        record.updated_at = Some(self.decided);
        if self.queried {
            record.queries = record.queries.saturating_add(1);
        }
        if self.is_send() && self.resend != Resend::Skipped {
            record.count_send(claim.at, self.resend == Resend::Counts || mismatch.is_some());
        }
        let is_mismatch = mismatch.is_some();
        let (mut place, mut reason) = (place_of(&self.next), self.reason.clone());
        record.state = self.next.state;
        if let Some(why) = mismatch {
            (record.state, place, reason) = (State::NeedsReview, Place::Review, Some(why));
        } else {
            // A number that the gateway names again is the newest.
            record.trade_nos.retain(|known| !self.trade_nos.contains(known));
            record.learn(&self.trade_nos);
            if let Some(status) = &self.gateway_status {
                record.gateway_status = Some(status.clone());
            }
        }
        record.reason = reason;
        self.remember(&mut record, claim);
        // A late response knows more than this call: the job is due again, with it.
        for late in claim.late.iter().chain(claim.lost_other_content(&was.last_claim)) {
            if is_mismatch || !is_open(record.state) {
                record.learn(if late.other_content { &[] } else { &late.trade_nos });
            } else if record.heed(late) {
                place = if late.other_content { Place::Review } else { Place::Queries(self.decided) };
            }
        }
        Guarded {
            pauses: self.pauses().filter(|_| !is_mismatch),
            response: self.response.as_ref().map(ResponseKnownBy::field).unwrap_or_default(),
            ..Guarded::new(&self.ends.key, claim_text, Seen::Any).with_record(
                record,
                self.ends.found.stored_state,
                place,
                self.decided,
            )
        }
    }

    /// The reason for which this commit pauses the queue, as recorded, if it does.
    fn pauses(&self) -> Option<String> {
        let why = || self.reason.as_ref().or(self.next.reason.as_ref()).cloned();
        let unnamed = || Reason::Misconfigured(GatewayText::default());
        self.next.pause_queue.then(|| why().unwrap_or_else(unnamed).recorded())
    }

    /// Adds the event to the history. Queries without a change are only counted once there are very many.
    fn remember(&self, record: &mut StoredJob, claim: &ClaimEntry) {
        let Some(event) = self.event.clone() else { return };
        let is_news = self.is_send() || !self.queried || record.state != self.ends.found.stored_state;
        if !is_news && record.queries > LOG_QUIET_AFTER {
            return;
        }
        // The event of a response implies the send that it answers.
        if self.is_send() && !matches!(event, HistoryEvent::Response(_)) {
            record.history.push(claim.intent());
        }
        record.history.push(event);
    }

    /// The reason if a response id that belongs to another job makes this response a mismatch.
    fn mismatch(&self, owner: &str) -> Option<Reason> {
        let was = self.ends.found.record.state;
        // A query's outcome for a job that has ended is recorded as an anomaly, even if its number belongs to another
        // job.
        if !is_open(was) {
            return None;
        }
        match self.response.as_ref()? {
            ResponseKnownBy::TradeNo(_) if owner == self.ends.key => None,
            ResponseKnownBy::TradeNo(number) => {
                Some(Reason::TradeNoOfAnotherJob { trade_no: number.clone(), key: owner.to_owned() })
            }
            ResponseKnownBy::RequestId(id) => Some(Reason::ResponseRepeated {
                request_id: id.clone(),
                key: (owner != self.ends.key).then(|| owner.to_owned()),
            }),
        }
    }
}

/// The place of a job after a transition.
pub(crate) fn place_of(next: &Transition) -> Place {
    match (next.due, next.state) {
        (Due::Send(at), _) => Place::Sends(at),
        (Due::Query(at), _) => Place::Queries(at),
        (Due::Never, State::Succeeded | State::Failed | State::Refunded | State::Cancelled) => Place::Done,
        (Due::Never, State::Queued | State::InDoubt | State::Pending | State::NeedsReview) => Place::Review,
    }
}

/// The next step of a commit.
enum CommitStep {
    /// Its claim is in force, as this entry.
    Ends { claim: ClaimEntry, text: String, mismatch: Option<Reason>, known_by: bool },
    /// It is too late.
    Over(Committed),
}

impl Store {
    /// Commits the ends of claims of one queue; one answer per commit, in order. Safe to repeat under each claim.
    ///
    /// # Errors
    /// [`StoreError`]: repeat until Redis answers.
    pub async fn commit(&self, queue: &Queue, commits: &[Commit]) -> Result<Vec<Committed>, StoreError> {
        let mut steps: Vec<CommitStep> = commits
            .iter()
            .map(|commit| CommitStep::Ends {
                claim: commit.ends.found.claim.clone(),
                text: commit.ends.found.claim_text.clone(),
                mismatch: None,
                known_by: true,
            })
            .collect();
        for _ in 0..TRIES {
            let (mut writes, mut places) = (Vec::new(), Vec::new());
            for (place, (commit, step)) in commits.iter().zip(&steps).enumerate() {
                let CommitStep::Ends { claim, text, mismatch, known_by } = step else { continue };
                let mut write = commit.write(claim, text, mismatch.clone());
                if !known_by {
                    write.response.clear();
                }
                writes.push(write);
                places.push(place);
            }
            if writes.is_empty() {
                break;
            }
            let applied = self.apply(queue, &writes, "").await?;
            for (place, applied) in places.into_iter().zip(applied) {
                let (Some(commit), Some(step)) = (commits.get(place), steps.get_mut(place)) else { continue };
                self.step(queue, commit, step, applied).await?;
            }
        }
        let answer = |step| match step {
            CommitStep::Over(committed) => Ok(committed),
            CommitStep::Ends { .. } => Err(StoreError::Unreadable {
                what: "the claim of a job".into(),
                detail: "it changes during each try".into(),
            }),
        };
        steps.into_iter().map(answer).collect()
    }

    /// The commit's next step after a write's result.
    async fn step(
        &self,
        queue: &Queue,
        commit: &Commit,
        step: &mut CommitStep,
        applied: Applied,
    ) -> Result<(), StoreError> {
        match applied {
            Applied::Done => {
                let mismatched = matches!(step, CommitStep::Ends { mismatch: Some(_), .. });
                *step = CommitStep::Over(if mismatched { Committed::Mismatch } else { Committed::Done });
            }
            Applied::Owned(owner) => {
                if let CommitStep::Ends { mismatch, known_by, .. } = step {
                    (*mismatch, *known_by) = (commit.mismatch(&owner), false);
                }
            }
            Applied::Changed { claim, record } => {
                let now = ClaimEntry::read(&claim);
                match now.filter(|now| now.token == commit.ends.token.0) {
                    Some(now) if claim != commit.ends.found.claim_text => {
                        if let CommitStep::Ends { claim: seen, text, .. } = step {
                            (*seen, *text) = (now, claim);
                        }
                    }
                    Some(_) | None => *step = CommitStep::Over(self.came_late(queue, commit, claim, record).await?),
                }
            }
            Applied::Paused | Applied::Unapproved => {} // the next call has it, and no commit needs an approval
        }
        Ok(())
    }

    /// A claim that is no longer in force has ended, was taken over, or was lost with other writes of Redis. The
    /// outcome of its response is still used.
    async fn came_late(
        &self,
        queue: &Queue,
        commit: &Commit,
        mut claim: String,
        mut record: String,
    ) -> Result<Committed, StoreError> {
        let queue_keys = self.queues.of(queue);
        for _ in 0..TRIES {
            let stored = StoredJob::read(&record);
            if stored.as_ref().is_ok_and(|stored| stored.last_claim == commit.ends.token.0) {
                return Ok(Committed::Again);
            }
            // A newer build has changed it, or it cannot be read.
            if (stored.is_err() && !record.is_empty()) || ClaimEntry::of(&claim).is_err() {
                return Ok(Committed::Late);
            }
            let is_tombstone = stored.as_ref().is_ok_and(StoredJob::is_tombstone);
            let stored = stored.ok().filter(|stored| !stored.is_tombstone());
            let current_claim = stored.as_ref().and_then(|stored| stored.current_claim(ClaimEntry::read(&claim)));
            let newest = current_claim.as_ref().map(|claim| claim.fence).or(stored.as_ref().map(|stored| stored.fence));
            let knows = current_claim.as_ref().is_some_and(|claim| claim.knows(&commit.ends.token.0));
            // Fences only rise, and are repeated once Redis has lost writes.
            let was_lost = !knows && !is_tombstone && newest.unwrap_or(0) <= commit.ends.found.claim.fence;
            if was_lost {
                self.lost_writes(queue, commit.ends.era).await?;
            }
            let Some(stored) = stored else { return Ok(Committed::Late) };
            let mut known = redis::Pipeline::new();
            known.cmd("LRANGE").arg(queue_keys.set("history") + ":" + &commit.ends.key).arg(-4).arg(-1);
            let field = commit.response.as_ref().map(ResponseKnownBy::field).unwrap_or_default();
            known.cmd("HGET").arg(queue_keys.set("responses")).arg(field);
            let (lines, owner): (Vec<Vec<u8>>, Option<String>) = self.query("LRANGE", &known).await?;
            let lines: Vec<String> = lines.into_iter().map(lossy).collect();
            let owned = owner.is_some_and(|owner| owner != commit.ends.key);
            let Some(write) =
                commit.late_write(&stored, &record, current_claim.as_ref(), &claim, (was_lost, owned), &lines)
            else {
                return Ok(Committed::Late);
            };
            match self.apply(queue, &[write], "").await?.pop() {
                Some(Applied::Changed { claim: now, record: then }) => (claim, record) = (now, then),
                _ => return Ok(Committed::Late),
            }
        }
        Err(StoreError::Unreadable {
            what: format!("the job {} of a late response", commit.ends.key),
            detail: "it changes during each try".into(),
        })
    }
}

impl Commit {
    /// The write for a response that came late: into the current claim, or into the record; `None` if it is known
    /// already.
    fn late_write(
        &self,
        stored: &StoredJob,
        text: &str,
        current_claim: Option<&ClaimEntry>,
        claim_text: &str,
        (was_lost, owned): (bool, bool),
        lines: &[String],
    ) -> Option<Guarded> {
        let event = self.event.clone().map(|event| late(event, &self.ends.found.claim));
        let line = event.as_ref().map(HistoryEvent::recorded);
        let is_known = line.as_ref().is_some_and(|line| lines.contains(line))
            || event.as_ref().is_some_and(|event| stored.history.contains(event));
        if is_known {
            return None;
        }
        let response = self.late_response(stored, owned);
        if let (Some(mut claim), Some(response)) = (current_claim.cloned(), &response) {
            // Its commit finds it.
            claim.late.push(response.clone());
            return Some(Guarded {
                claim: claim.text(),
                history: line.into_iter().collect(),
                ..Guarded::new(&self.ends.key, claim_text, Seen::Any)
            });
        }
        if current_claim.is_some() {
            let line = line?;
            return Some(Guarded {
                claim: claim_text.to_owned(),
                history: vec![line],
                ..Guarded::new(&self.ends.key, claim_text, Seen::Any)
            });
        }
        let mut record = stored.clone();
        let again = response.as_ref().is_some_and(|response| record.heed(response));
        // Sends that Redis has lost and this claim's worker knows: they are counted, and deadlines and waits get a
        // beginning.
        let knew = &self.ends.found.record;
        if again && was_lost && record.sends < knew.sends && record.has_hash(&knew.hash.0) {
            record.sends = knew.sends;
            record.resends = record.resends.max(knew.resends);
            let first = [record.first_sent_at, knew.first_sent_at];
            record.first_sent_at = first.into_iter().flatten().min();
            record.last_sent_at = record.last_sent_at.max(knew.last_sent_at);
        }
        // This claim's own send, too: waits count from the latest moment at which it can have been made.
        if again && self.is_send() && (record.last_sent_at.is_none() || was_lost) {
            let state = std::mem::replace(&mut record.state, stored.state);
            record.count_send(self.decided, false);
            record.state = state;
        }
        record.history.extend(event);
        let mut place = Place::Same;
        if again {
            record.updated_at = Some(self.decided);
            place = Place::after_late_response(record.state, self.decided);
        }
        let write = Guarded::new(&self.ends.key, "", Seen::Text(text.to_owned()));
        Some(write.with_record(record, stored.state, place, self.decided))
    }

    fn late_response(&self, stored: &StoredJob, owned: bool) -> Option<LateResponse> {
        // A response that belongs to another job says nothing about this one, whose send may have been executed.
        let outcome = match (self.evidence, owned) {
            (Evidence::None, _) => return None,
            (_, true) if !self.is_send() => return None,
            (Evidence::MaybeExecuted, _) | (_, true) => None,
            (Evidence::Said(answer), false) => Some(answer),
        };
        let mut known = self.ends.found.record.clone();
        known.learn(&self.trade_nos);
        // All of them: a Redis that has lost writes may lack those that the claim found.
        let trade_nos = if owned { Vec::new() } else { known.trade_nos };
        let other_content = !stored.has_hash(&known.hash.0);
        Some(LateResponse { outcome, trade_nos, other_content })
    }
}

/// The event of a response whose claim has ended: evidence that decides nothing by itself.
fn late(event: HistoryEvent, claim: &ClaimEntry) -> HistoryEvent {
    let HistoryEvent::Response(mut response) = event else { return event };
    response.late = true;
    if response.worker.is_empty() {
        claim.worker().clone_into(&mut response.worker);
    }
    HistoryEvent::Response(response)
}
