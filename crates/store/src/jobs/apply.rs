//! One guarded write: a decision about a job is written if its claim and its record have not changed since they were
//! read.

use std::collections::{BTreeMap, HashSet};

use bursar_domain::{Kind, Millis, Queue, State};
use redis::Value;

use super::ended::{Bucket, CountChange};
use super::keys::QueueKeys;
use super::record::StoredJob;
use super::whole_millis;
use crate::Store;
use crate::StoreError;
use crate::reply::from_reply;
use crate::scripts::{Call, EVENTS_KEPT};

/// Jobs of one call: a bound on the time that the script blocks Redis.
pub(crate) const MAX_APPLIED: usize = 256;

/// The set that a job goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It stays where it is.
    Same,
    /// To be sent, not before this moment.
    Sends(Millis),
    /// To be queried, not before this moment.
    Queries(Millis),
    /// Needs review.
    Review,
    /// Among those that have ended.
    Done,
    /// Nowhere: it is a tombstone.
    Expired,
    /// Out of the way, with the time and the reason as JSON.
    Quarantine(String),
    /// For a delivery: this event is tried again, not before this moment.
    Again(Millis),
    /// For a delivery: this event is finished, and the next one is due.
    NextEvent,
    /// For a delivery: this event is kept for a resend, and the next one is due.
    FailedEvent,
    /// Of a delivery: no further events are wanted.
    NoMoreEvents,
}

impl Place {
    /// The place for the record's state: no call about the job is made before `at`.
    pub(crate) fn of(record: &StoredJob, at: Millis) -> Self {
        match record.state {
            State::Queued => Self::Sends(record.run_at.unwrap_or_default().max(at)),
            State::InDoubt | State::Pending => Self::Queries(at),
            State::NeedsReview => Self::Review,
            State::Succeeded | State::Failed | State::Refunded | State::Cancelled => Self::Done,
        }
    }

    /// The place of a job after a late response with new information: it is due again.
    pub(crate) const fn after_late_response(state: State, now: Millis) -> Self {
        match state {
            State::NeedsReview => Self::Review,
            State::Queued
            | State::InDoubt
            | State::Pending
            | State::Succeeded
            | State::Failed
            | State::Refunded
            | State::Cancelled => Self::Queries(now),
        }
    }
}

/// The records that a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    Jobs,
    Deliveries,
    Notifications,
}

impl Records {
    /// The first part of the records' keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Jobs => "job",
            Self::Deliveries => "delivery",
            Self::Notifications => "notification",
        }
    }

    /// The hash of their claims. Notifications have no claims.
    pub(crate) const fn claims(self) -> &'static str {
        match self {
            Self::Jobs | Self::Notifications => "claims",
            Self::Deliveries => "delivery_claims",
        }
    }
}

/// The conditions of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Any record, or none.
    Any,
    /// This text; empty for no record.
    Text(String),
}

/// A business key that a write depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BusinessKey {
    pub(crate) name: String,
    /// The key of the other job that has it; empty if none has, and it is then assigned to this job.
    pub(crate) rival: String,
}

/// One guarded write.
#[derive(Clone, Debug)]
pub struct Guarded {
    pub(crate) key: String,
    pub(crate) group: String,
    /// The claim that was seen; empty for none.
    pub(crate) claim_seen: String,
    pub(crate) record_seen: Seen,
    /// The record to write; empty to leave it.
    pub(crate) record: String,
    /// The claim to write; empty for none.
    pub(crate) claim: String,
    pub(crate) place: Place,
    /// The time since which it has ended or needs review; the present time if none is given.
    pub(crate) since: Option<Millis>,
    /// The decider's idea of Redis's time.
    pub(crate) decided: Millis,
    /// The state to publish, if it has changed.
    pub(crate) state: Option<State>,
    /// The webhook event, as JSON; empty for none.
    pub(crate) webhook: String,
    /// The id of the response; empty for none.
    pub(crate) response: String,
    /// Lines for the history's list.
    pub(crate) history: Vec<String>,
    /// Business keys whose owners must not have changed since they were read.
    pub(crate) business_keys: Vec<BusinessKey>,
    /// Response ids to assign to this job, unless they belong to another.
    pub(crate) responses: Vec<String>,
    /// Further webhook events, as JSON, before `webhook`.
    pub(crate) outbox: Vec<String>,
    /// The delivery record of the first event; empty for none.
    pub(crate) delivery: String,
    /// The name of an event about the job that is published in addition to its state.
    pub(crate) published: Option<&'static str>,
    /// The reason for which the queue is paused from now on, as recorded.
    pub(crate) pauses: Option<String>,
    /// Response ids to remove.
    pub(crate) forgotten: Vec<String>,
    pub(crate) deletes_history: bool,
    /// Deletes the record and all data of the job, with these business keys.
    pub(crate) deletes: Option<Vec<String>>,
    /// The change of the counts of ended jobs.
    pub(crate) counts: Option<CountChange>,
    /// The queue's era and the text of the approved proposal: nothing is written without them, and the proposal is removed.
    pub(crate) approved: Option<(u64, String)>,
}

impl Guarded {
    /// A write that changes nothing yet.
    pub(crate) fn new(key: &str, claim_seen: &str, record_seen: Seen) -> Self {
        Self {
            key: key.to_owned(),
            group: String::new(),
            claim_seen: claim_seen.to_owned(),
            record_seen,
            record: String::new(),
            claim: String::new(),
            place: Place::Same,
            since: None,
            decided: Millis(0),
            state: None,
            webhook: String::new(),
            response: String::new(),
            history: Vec::new(),
            business_keys: Vec::new(),
            responses: Vec::new(),
            outbox: Vec::new(),
            delivery: String::new(),
            published: None,
            pauses: None,
            forgotten: Vec::new(),
            deletes_history: false,
            deletes: None,
            counts: None,
            approved: None,
        }
    }

    /// Writes this record of a job that was in the state `before`. A new state is published, and a webhook event is
    /// queued if the producer expects one; an end is counted; events beyond the record's bound go to the history's list.
    pub(crate) fn with_record(mut self, mut record: StoredJob, before: State, place: Place, decided: Millis) -> Self {
        if record.state != before {
            self.webhook = record.webhook_event(decided);
            self.state = Some(record.state);
        }
        self.counts = record.count_end(before, decided);
        self.history.extend(record.overflow());
        Self { group: record.fair_group.clone(), record: record.text(), place, decided, ..self }
    }
}

/// The result of a guarded write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Done,
    /// Nothing was written: these are the present claim and record, empty for none.
    Changed {
        claim: String,
        record: String,
    },
    /// Nothing was written: the response id belongs to another job.
    Owned(String),
    /// Nothing was written: the queue is paused for the given reason.
    Paused,
    /// Nothing was written: the approved proposal is gone, or Redis has lost writes since.
    Unapproved,
}

impl Store {
    /// Writes decisions about some jobs of a queue, each independently; one result for each, in order. Nothing is
    /// written while the queue is paused for the reason `unless_paused` (as recorded; empty: for any reason).
    pub(crate) async fn apply(
        &self,
        queue: &Queue,
        writes: &[Guarded],
        unless_paused: &str,
    ) -> Result<Vec<Applied>, StoreError> {
        self.apply_to(&self.queues.of(queue), Records::Jobs, writes, unless_paused).await
    }

    /// The same for records of this sort.
    pub(crate) async fn apply_to(
        &self,
        queue_keys: &QueueKeys,
        records: Records,
        writes: &[Guarded],
        unless_paused: &str,
    ) -> Result<Vec<Applied>, StoreError> {
        let mut answers = Vec::with_capacity(writes.len());
        let kind = queue_keys.queue.parse::<Queue>().ok().map(|queue| queue.kind); // notifications have none, and end nothing
        for batch in batches(writes) {
            let mut call = self.scripts.apply.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
            call.push(self.queues.wake_channel())
                .push(self.queues.delivery_channel())
                .push(EVENTS_KEPT)
                .push(unless_paused)
                .push(records.name())
                .push(records.claims())
                .push(whole_millis(self.counts_keep));
            let places = push(&mut call, batch, kind);
            let unwritten: Vec<Value> = call.run(self).await?;
            let mut outcomes = vec![Applied::Done; batch.len()];
            for pair in unwritten.chunks(2) {
                let number: usize = from_reply("apply", pair.first())?;
                let outcome = places.get(number.wrapping_sub(1)).and_then(|place| outcomes.get_mut(*place));
                if let (Some(outcome), Some(why)) = (outcome, pair.get(1)) {
                    *outcome = applied(why)?;
                }
            }
            answers.extend(outcomes);
        }
        Ok(answers)
    }
}

/// The common part of several writes, in the script's form.
fn shape(write: &Guarded, more: &[String]) -> String {
    let place = match write.place {
        Place::Same => "-",
        Place::Sends(_) => "sends",
        Place::Queries(_) => "queries",
        Place::Review => "review",
        Place::Done => "done",
        Place::Expired => "expired",
        Place::Quarantine(_) => "quarantine",
        Place::Again(_) => "again",
        Place::NextEvent => "next",
        Place::FailedEvent => "failed",
        Place::NoMoreEvents => "none",
    };
    let has = [
        ('t', !write.record.is_empty()),
        ('r', write.record_seen != Seen::Any),
        ('c', !write.claim.is_empty()),
        ('d', write.due().is_some()),
        ('g', write.needs_group()),
        ('i', !write.response.is_empty()),
        ('w', !write.webhook.is_empty()),
        ('k', write.ends_in().is_some()),
        ('m', !more.is_empty()),
    ];
    let letters: String = has.into_iter().filter_map(|(letter, has)| has.then_some(letter)).collect();
    let letters = if letters.is_empty() { "-" } else { &letters };
    let bucket = write.ends_in().map(|bucket| format!(" {bucket}")).unwrap_or_default();
    format!("{place} {} {letters}{bucket}", write.state.map_or("-", State::as_str))
}

impl Guarded {
    /// The due time in its place, or the time since which it is there.
    const fn due(&self) -> Option<Millis> {
        match self.place {
            Place::Sends(at) | Place::Queries(at) | Place::Again(at) => Some(at),
            Place::Review | Place::Done => self.since,
            Place::Same
            | Place::Expired
            | Place::Quarantine(_)
            | Place::NextEvent
            | Place::FailedEvent
            | Place::NoMoreEvents => None,
        }
    }

    /// The bucket in which it is counted from now on.
    fn ends_in(&self) -> Option<Bucket> {
        self.counts.as_ref().and_then(|counts| counts.added.as_ref()).map(|counted| counted.bucket)
    }

    /// Only jobs that enter or leave the sets of sends need their group.
    fn needs_group(&self) -> bool {
        !self.group.is_empty() && (self.claim_seen.is_empty() || matches!(self.place, Place::Sends(_)))
    }
}

/// The writes of one call: each about another job, so that their order does not matter.
fn batches(mut writes: &[Guarded]) -> Vec<&[Guarded]> {
    let mut batches = Vec::new();
    while !writes.is_empty() {
        let mut keys = HashSet::new();
        let of_others = writes.iter().take(MAX_APPLIED).take_while(|write| keys.insert(write.key.as_str())).count();
        let (batch, rest) = writes.split_at(of_others);
        batches.push(batch);
        writes = rest;
    }
    batches
}

/// A write with its index in its call, and its further words.
type Numbered<'a> = (usize, &'a Guarded, Vec<String>);

/// Adds the arguments of these writes, similar ones next to each other. Returns the indices of the writes in the order
/// in which the script numbers them.
fn push(call: &mut Call<'_>, writes: &[Guarded], kind: Option<Kind>) -> Vec<usize> {
    let mut runs: BTreeMap<(String, &str), Vec<Numbered<'_>>> = BTreeMap::new();
    for (place, write) in writes.iter().enumerate() {
        let more = further(write, kind);
        runs.entry((shape(write, &more), write.claim_seen.as_str())).or_default().push((place, write, more));
    }
    call.push(runs.len());
    for ((shape, claim_seen), run) in &runs {
        call.push(format!("{} {shape}", run.len())).push(claim_seen);
    }
    let mut places = Vec::with_capacity(writes.len());
    for (place, write, more) in runs.into_values().flatten() {
        places.push(place);
        call.push(&write.key);
        if !write.record.is_empty() {
            call.push(&write.record);
        }
        if let Seen::Text(text) = &write.record_seen {
            call.push(text);
        }
        if !write.claim.is_empty() {
            call.push(&write.claim);
        }
        if let Some(due) = write.due() {
            call.push(due.0).push(write.decided.0);
        }
        if write.needs_group() {
            call.push(member_end(&write.group));
        }
        for text in [&write.response, &write.webhook] {
            if !text.is_empty() {
                call.push(text);
            }
        }
        if let Some(counted) = write.counts.as_ref().and_then(|counts| counts.added.as_ref()) {
            call.push(counted.fen(kind));
        }
        if !more.is_empty() {
            call.push(more.len());
            for word in more {
                call.push(word);
            }
        }
    }
    places
}

/// The parts that most writes lack: items of a letter and a text.
fn further(write: &Guarded, kind: Option<Kind>) -> Vec<String> {
    let quarantine = if let Place::Quarantine(why) = &write.place { Some(format!("q{why}")) } else { None };
    let deletes = write.deletes_history.then(|| "d".to_owned()).into_iter();
    let lines = write.history.iter().map(|line| format!("h{line}"));
    let business = write.business_keys.iter().map(|key| format!("b{} {}", key.rival, key.name));
    let responses = write.responses.iter().map(|id| format!("n{id}"));
    let forgotten = write.forgotten.iter().map(|id| format!("f{id}"));
    let published = write.published.iter().map(|name| format!("e{name}"));
    let pauses = write.pauses.iter().map(|reason| format!("p{reason}"));
    let outbox = write.outbox.iter().map(|event| format!("w{event}"));
    let delivery = Some(&write.delivery).filter(|text| !text.is_empty()).map(|text| format!("t{text}")).into_iter();
    let gone = write.deletes.iter().flat_map(|business_keys| {
        std::iter::once("x".to_owned()).chain(business_keys.iter().map(|name| format!("u{name}")))
    });
    let uncounted = write.counts.iter().filter_map(|counts| counts.removed.as_ref());
    let uncounted = uncounted.map(|counted| format!("k{} {}", counted.bucket, counted.fen(kind)));
    let words = quarantine.into_iter().chain(deletes).chain(lines).chain(business).chain(responses).chain(forgotten);
    let approved = write.approved.iter().map(|(era, text)| format!("a{era} {text}"));
    words
        .chain(approved)
        .chain(uncounted)
        .chain(published)
        .chain(pauses)
        .chain(outbox)
        .chain(delivery)
        .chain(gone)
        .collect()
}

/// The end of a job's member in the sets of sends, after its key.
pub(crate) fn member_end(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(" {group}") }
}

fn applied(reply: &Value) -> Result<Applied, StoreError> {
    let unreadable =
        || StoreError::Unreadable { what: "the reply of apply".into(), detail: format!("{reply:?} is no valid reply") };
    if let Ok(word) = redis::from_redis_value_ref::<String>(reply) {
        return match word.as_str() {
            "paused" => Ok(Applied::Paused),
            "unapproved" => Ok(Applied::Unapproved),
            _ => Err(unreadable()),
        };
    }
    let words: Vec<Vec<u8>> = redis::from_redis_value_ref(reply).map_err(|_| unreadable())?;
    let text = |at: usize| words.get(at).map(|word| String::from_utf8_lossy(word).into_owned());
    match (text(0).as_deref(), text(1), text(2)) {
        (Some("changed"), Some(claim), Some(record)) => Ok(Applied::Changed { claim, record }),
        (Some("owned"), Some(key), None) => Ok(Applied::Owned(key)),
        _ => Err(unreadable()),
    }
}
