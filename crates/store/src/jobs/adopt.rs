//! Handing a queue's jobs to another name, after its account was renamed.
//!
//! The two queues may be in two partitions, so each job takes three guarded steps: the old queue's job is claimed by the adoption, for
//! ever; the new queue gets it; the old one's is deleted. Whoever dies in between leaves a claimed job that no worker sends, and the next
//! adoption goes on with it.

use std::collections::HashMap;

use bursar_domain::{Call, HistoryEvent, Key, Millis, Queue, Reason, State};
use redis::Pipeline;
use serde_json::Map;

use super::apply::{Applied, BusinessKey, Guarded, Place, Seen};
use super::commit::ResponseKnownBy;
use super::overlay::{ClaimEntry, LateResponse, is_open};
use super::purge::request_ids;
use super::read::lossy;
use super::record::StoredJob;
use super::{JobRecord, Operator, StoredAs};
use crate::crash::crash_point;
use crate::reply::score;
use crate::rights::glob;
use crate::{Store, StoreError};

/// Keys that one step of the search looks at: about a millisecond of Redis.
const STEP: usize = 1_000;

/// How often a job is looked at again that changes meanwhile.
const TRIES: usize = 8;

/// When the adoption's claim of a job ends: never.
const FOR_EVER: Millis = Millis(4_102_444_800_000);

/// What became of a queue's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Jobs that are the new queue's now.
    pub moved: usize,
    /// Of them those that may have been sent.
    pub in_doubt: usize,
    /// Keys whose worker's lease has not ended: try again when it has.
    pub claimed: Vec<String>,
    /// Keys for which the new queue has a job of its own, and that job's key. A person must decide.
    pub conflicts: Vec<(String, String)>,
    /// Keys whose record this build cannot read.
    pub unreadable: Vec<String>,
}

impl Adopted {
    /// Whether nothing was left behind.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.claimed.is_empty() && self.conflicts.is_empty() && self.unreadable.is_empty()
    }
}

/// What is kept under a queue's name.
#[derive(Default)]
struct FoundKeys {
    jobs: Vec<Key>,
    /// Keys that no build accepts.
    unreadable: Vec<String>,
    /// Business keys by the key of their job.
    business_keys: HashMap<String, Vec<String>>,
}

/// What became of one job.
enum Fate {
    Moved(State),
    Gone,
    Claimed,
    Conflict(String),
    Unreadable,
    /// It has changed meanwhile: look again.
    Changed,
}

/// A job that is handed over.
struct Handed {
    key: Key,
    stored: StoredJob,
    claim: String,
    text: String,
    /// Whether it is in another state than the one that was published.
    has_changed: bool,
    /// When it is due in the old queue.
    due: Option<Millis>,
    /// Since when it has ended there, or waits for a person.
    since: Option<Millis>,
    /// What responses said that arrived while an adoption had claimed it.
    late: Vec<LateResponse>,
    /// Whether the claim that stands is an adoption's.
    is_underway: bool,
    business_keys: Vec<String>,
    /// The events in its history's list.
    lines: Vec<String>,
    /// What responses to it are known by.
    responses: Vec<String>,
}

/// What the new queue has by the same key.
enum There {
    Nothing,
    /// The very job, brought there by an adoption before this one.
    Ours(Box<JobRecord>),
    /// A job that was certainly never sent, with its text: it gives way.
    Unsent(Box<StoredJob>, String),
    /// A job of the same content that stays.
    Same(Box<StoredJob>),
    Other,
}

impl Store {
    /// Hands every job of `from`, ended ones and tombstones too, to `to`, one by one. After an error or the death of the process,
    /// calling it again goes on. A pause of `from` becomes one of `to` first.
    ///
    /// No worker may serve `from`, and both must be at the same gateway: that is the caller's to see to.
    ///
    /// # Errors
    /// [`StoreError`]: some jobs may have been moved; repeat.
    pub async fn adopt(&self, from: &Queue, to: &Queue, operator: Operator<'_>) -> Result<Adopted, StoreError> {
        self.introduce(&[to]).await?;
        if let Some(pause) = self.status(from).await?.paused {
            let pause = Reason::AdoptedPause { queue: from.to_string(), pause: Box::new(pause) };
            self.pause(to, &pause).await?;
        }
        let mut found = self.find_all(from).await?;
        let mut adopted = Adopted { unreadable: std::mem::take(&mut found.unreadable), ..Adopted::default() };
        let since = self.since();
        for key in &found.jobs {
            crash_point("before_adopt");
            let business_keys = found.business_keys.remove(key.as_str()).unwrap_or_default();
            match self.adopt_job(from, to, key, &business_keys, operator).await? {
                Fate::Moved(state) => {
                    adopted.moved += 1;
                    adopted.in_doubt += usize::from(state == State::InDoubt);
                }
                Fate::Gone => {}
                Fate::Claimed | Fate::Changed => adopted.claimed.push(key.to_string()),
                Fate::Conflict(other) => adopted.conflicts.push((key.to_string(), other)),
                Fate::Unreadable => adopted.unreadable.push(key.to_string()),
            }
        }
        self.kept(since).await?;
        Ok(adopted)
    }

    async fn adopt_job(
        &self,
        from: &Queue,
        to: &Queue,
        key: &Key,
        business_keys: &[String],
        operator: Operator<'_>,
    ) -> Result<Fate, StoreError> {
        for _ in 0..TRIES {
            let fate = self.adopt_once(from, to, key, business_keys, operator).await?;
            if !matches!(fate, Fate::Changed) {
                return Ok(fate);
            }
        }
        Ok(Fate::Changed)
    }

    async fn adopt_once(
        &self,
        from: &Queue,
        to: &Queue,
        key: &Key,
        business_keys: &[String],
        operator: Operator<'_>,
    ) -> Result<Fate, StoreError> {
        let job = match self.job(from, key).await? {
            None => return Ok(Fate::Gone),
            Some(StoredAs::Unreadable { .. }) => return Ok(Fate::Unreadable),
            Some(StoredAs::Job(job)) => job,
        };
        let standing = job.seen.stored.standing(ClaimEntry::read(&job.seen.claim));
        let is_underway = standing.as_ref().is_some_and(|claim| claim.token == token(to));
        let now = self.now().await?;
        if standing.is_some() && !is_underway && job.due.is_some_and(|lease| lease > now) {
            return Ok(Fate::Claimed);
        }
        let late = standing.filter(|_| is_underway).map(|claim| claim.late).unwrap_or_default();
        let handed = self.handed(&job, (is_underway, late), business_keys, now).await?;
        let there = self.there(from, to, &handed, now).await?;
        if let There::Other | There::Same(_) = there {
            let stays = matches!(there, There::Other) || !handed.is_unsent();
            if stays && !is_same_tombstone(&there, &handed.stored) {
                return self.leave(from, handed, key.to_string()).await;
            }
        }
        for business_key in &handed.business_keys {
            if let Some(other) = self.rival(to, key, business_key).await? {
                return self.leave(from, handed, other).await;
            }
        }
        if let Some(other) = self.rival(to, key, key.as_str()).await? {
            return self.leave(from, handed, other).await;
        }
        self.hand_over(from, to, (handed, there), now, operator).await
    }

    /// What is known of a job that is handed over.
    async fn handed(
        &self,
        job: &JobRecord,
        (is_underway, late): (bool, Vec<LateResponse>),
        business_keys: &[String],
        now: Millis,
    ) -> Result<Handed, StoreError> {
        let mut stored = job.as_lost(now);
        let has_changed = stored.state != job.seen.stored.state;
        // A send that Redis has forgotten: waits count from the latest moment at which it can have been.
        if has_changed && stored.last_sent_at.is_none() {
            stored.last_sent_at = Some(now);
        }
        let (queue_keys, key) = (self.queues.of(&job.queue), &job.key);
        let lines = self.history_lines(&job.queue, key).await?;
        let known = stored.trade_nos.iter().cloned().map(ResponseKnownBy::TradeNo);
        let mut responses: Vec<String> = known.chain(request_ids(&stored, &lines)).map(|id| id.field()).collect();
        let mut pipeline = Pipeline::new();
        pipeline.zscore(queue_keys.set("done"), key.as_str()).zscore(queue_keys.set("review"), key.as_str());
        // None is no command's argument.
        pipeline.cmd("HMGET").arg(queue_keys.set("responses")).arg("").arg(&responses);
        type Reply = (Option<f64>, Option<f64>, Vec<Option<String>>);
        let (done, review, owners): Reply = self.query("ZSCORE", &pipeline).await?;
        // What a response is known by belongs to one job: another's stays.
        let mut owners = owners.into_iter().skip(1);
        responses.retain(|_| owners.next().flatten().as_deref() == Some(key.as_str()));
        Ok(Handed {
            key: key.clone(),
            stored,
            lines,
            responses,
            has_changed,
            claim: job.seen.claim.clone(),
            text: job.seen.record.clone(),
            due: job.due.filter(|_| !is_underway),
            since: done.or(review).map(score),
            late,
            is_underway,
            business_keys: business_keys.to_vec(),
        })
    }

    /// The three steps, as far as they were not made before.
    async fn hand_over(
        &self,
        from: &Queue,
        to: &Queue,
        (mut handed, there): (Handed, There),
        now: Millis,
        operator: Operator<'_>,
    ) -> Result<Fate, StoreError> {
        if is_open(handed.stored.state) && !handed.stored.is_tombstone() && !handed.is_underway {
            let claim = handed.claim_for(to, now);
            let write = Guarded {
                group: handed.stored.fair_group.clone(),
                claim: claim.clone(),
                place: Place::Queries(FOR_EVER),
                ..Guarded::new(handed.key.as_str(), &handed.claim, Seen::Text(handed.text.clone()))
            };
            if self.apply(from, &[write], "").await? != [Applied::Done] {
                return Ok(Fate::Changed);
            }
            handed.claim = claim;
        }
        crash_point("between_queues");
        let state = match there {
            There::Ours(job) => {
                if !self.tell_late(&job, &handed, now).await? {
                    return Ok(Fate::Changed);
                }
                job.state
            }
            There::Same(stored) => {
                if !stored.is_tombstone() {
                    self.note_adopted(from, to, &handed, now, operator).await?;
                }
                stored.state
            }
            There::Nothing | There::Unsent(..) | There::Other => {
                let Some(state) = self.bring(from, to, &handed, there, now, operator).await? else {
                    return Ok(Fate::Changed);
                };
                state
            }
        };
        crash_point("before_leaving");
        let write = Guarded {
            group: handed.stored.fair_group.clone(),
            place: Place::Expired,
            forgotten: handed.responses.clone(),
            deletes: Some(handed.business_keys.clone()),
            ..Guarded::new(handed.key.as_str(), &handed.claim, Seen::Text(handed.text.clone()))
        };
        match self.apply(from, &[write], "").await?.pop() {
            Some(Applied::Done) => Ok(Fate::Moved(state)),
            _ => Ok(Fate::Changed),
        }
    }

    /// Writes the job into its new queue. `None` when something else is there by now.
    async fn bring(
        &self,
        from: &Queue,
        to: &Queue,
        handed: &Handed,
        there: There,
        now: Millis,
        operator: Operator<'_>,
    ) -> Result<Option<State>, StoreError> {
        let (old, new) = (self.queues.of(from), self.queues.of(to));
        let key = handed.key.as_str();
        let mut pipeline = Pipeline::new();
        pipeline
            .lrange(old.of_key("outbox", key), 0, -1)
            .get(old.of_key("delivery", key))
            .hget(new.queue_hash(), "era");
        type Reply = (Vec<Vec<u8>>, Option<Vec<u8>>, Option<u64>);
        let (outbox, delivery, era): Reply = self.query("LRANGE", &pipeline).await?;
        let mut record = handed.stored.clone();
        let text = match there {
            There::Unsent(theirs, text) => {
                record.fair_group.clone_from(&theirs.fair_group); // as it stands in the sets that it leaves
                if !record.is_tombstone() {
                    record.callback_url = record.callback_url.or(theirs.callback_url);
                    record.traceparent = record.traceparent.or(theirs.traceparent);
                }
                text
            }
            There::Nothing | There::Ours(_) | There::Same(_) | There::Other => {
                if !record.is_tombstone() {
                    let content = record.content.as_ref().map(|content| content.text().to_owned()).unwrap_or_default();
                    record.fair_group = self.fair_order(to).group(to.kind, &content);
                }
                String::new()
            }
        };
        let place = match record.state {
            _ if record.is_tombstone() => Place::Expired,
            State::Queued => Place::Sends(record.run_at.unwrap_or_default().max(handed.due.unwrap_or(now))),
            State::InDoubt | State::Pending => Place::Queries(handed.due.unwrap_or(now)),
            State::NeedsReview => Place::Review,
            State::Succeeded | State::Failed | State::Refunded | State::Cancelled => Place::Done,
        };
        let mut history = handed.lines.clone();
        if !record.is_tombstone() {
            record.era = era.unwrap_or_default();
            record.history.push(adopted(from, now, operator));
            history.extend(record.overflow());
        }
        let names = handed.business_keys.iter().cloned().chain(std::iter::once(key.to_owned()));
        let business_keys = names.map(|name| BusinessKey { name, rival: String::new() }).collect();
        let write = Guarded {
            group: record.fair_group.clone(),
            record: record.text(),
            place,
            since: handed.since,
            decided: now,
            state: handed.has_changed.then_some(record.state),
            history,
            business_keys,
            responses: handed.responses.clone(),
            outbox: outbox.into_iter().map(lossy).collect(),
            delivery: delivery.map(lossy).unwrap_or_default(),
            ..Guarded::new(key, "", Seen::Text(text))
        };
        let state = record.state;
        self.raise_fence(to, record.fence).await?; // no claim to come has the fence of one that was made before
        Ok((self.apply(to, &[write], "").await? == [Applied::Done]).then_some(state))
    }

    /// The old queue's job was certainly never sent and gives way to the new one's: that one's history says so.
    async fn note_adopted(
        &self,
        from: &Queue,
        to: &Queue,
        handed: &Handed,
        now: Millis,
        operator: Operator<'_>,
    ) -> Result<(), StoreError> {
        if handed.stored.is_tombstone() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        pipeline.rpush(self.queues.of(to).history(&handed.key), adopted(from, now, operator).recorded()).ignore();
        self.query("RPUSH", &pipeline).await
    }

    /// A response may have come for the job in the old queue after it was brought to the new one: what it said is used there. `false`
    /// when the job there has changed.
    async fn tell_late(&self, job: &JobRecord, handed: &Handed, now: Millis) -> Result<bool, StoreError> {
        if handed.late.is_empty() {
            return Ok(true);
        }
        let known = self.history_lines(&job.queue, &job.key).await?;
        let mut history: Vec<String> = handed.lines.iter().filter(|line| !known.contains(line)).cloned().collect();
        let (claim, record) = (&job.seen.claim, &job.seen.record);
        let write = Guarded::new(job.key.as_str(), claim, Seen::Text(record.clone()));
        let write = if let Some(mut standing) = job.seen.stored.standing(ClaimEntry::read(claim)) {
            standing.late.extend(handed.late.iter().cloned());
            Guarded { claim: standing.text(), history, ..write }
        } else {
            let mut record = job.seen.stored.clone();
            let mut again = false;
            for late in &handed.late {
                again |= record.heed(late);
            }
            let changed = record.state != job.seen.stored.state;
            let place = match (again, record.state) {
                (false, _) => Place::Same,
                (true, State::NeedsReview) => Place::Review,
                (true, _) => Place::Queries(now),
            };
            record.updated_at = if again { Some(now) } else { record.updated_at };
            let webhook = if changed { record.webhook_event(now) } else { String::new() };
            history.extend(record.overflow());
            let (group, state) = (record.fair_group.clone(), changed.then_some(record.state));
            Guarded { group, record: record.text(), place, decided: now, state, webhook, history, ..write }
        };
        Ok(self.apply(&job.queue, &[write], "").await? == [Applied::Done])
    }

    /// A person must decide: the job stays in the old queue, as it was before an adoption claimed it.
    async fn leave(&self, from: &Queue, handed: Handed, other: String) -> Result<Fate, StoreError> {
        if handed.is_underway {
            let now = self.now().await?;
            let place = match handed.stored.state {
                State::Queued => Place::Sends(handed.stored.run_at.unwrap_or(now)),
                State::NeedsReview => Place::Review,
                State::InDoubt
                | State::Pending
                | State::Succeeded
                | State::Failed
                | State::Refunded
                | State::Cancelled => Place::Queries(now),
            };
            let mut record = handed.stored;
            let history = record.overflow();
            let write = Guarded {
                group: record.fair_group.clone(),
                record: record.text(),
                place,
                decided: now,
                state: handed.has_changed.then_some(record.state),
                history,
                ..Guarded::new(handed.key.as_str(), &handed.claim, Seen::Text(handed.text))
            };
            self.apply(from, &[write], "").await?;
        }
        Ok(Fate::Conflict(other))
    }

    async fn history_lines(&self, queue: &Queue, key: &Key) -> Result<Vec<String>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.lrange(self.queues.of(queue).history(key), 0, -1);
        let (lines,): (Vec<Vec<u8>>,) = self.query("LRANGE", &pipeline).await?;
        Ok(lines.into_iter().map(lossy).collect())
    }

    async fn there(&self, from: &Queue, to: &Queue, handed: &Handed, now: Millis) -> Result<There, StoreError> {
        let job = match self.job(to, &handed.key).await? {
            None => return Ok(There::Nothing),
            Some(StoredAs::Unreadable { .. }) => return Ok(There::Other),
            Some(StoredAs::Job(job)) => job,
        };
        let theirs = job.as_lost(now);
        let is_same = theirs.has_hash(&handed.stored.hash.0) || handed.stored.has_hash(&theirs.hash.0);
        // A job by this key that was submitted since is another one, whatever an adoption has begun: it tells nothing of sends.
        let is_ours = is_same && !theirs.is_tombstone() && theirs.created_at == handed.stored.created_at;
        if is_ours && self.history(&job).await?.iter().any(|event| is_from(event, from)) {
            return Ok(There::Ours(job));
        }
        let is_unsent = theirs.state == State::Queued && theirs.sends == 0 && job.seen.claim.is_empty();
        Ok(match (is_same, is_unsent && !theirs.is_tombstone()) {
            (false, _) => There::Other,
            (true, true) => There::Unsent(Box::new(theirs), job.seen.record.clone()),
            (true, false) => There::Same(Box::new(theirs)),
        })
    }

    /// Every job under a queue's name: tombstones are in no set, so all keys of this Redis are gone through.
    async fn find_all(&self, queue: &Queue) -> Result<FoundKeys, StoreError> {
        let queue_keys = self.queues.of(queue);
        let (jobs, business) = (queue_keys.of_key("job", ""), queue_keys.of_key("business", ""));
        let (mut found, mut cursor) = (FoundKeys::default(), 0_u64);
        let mut seen = std::collections::HashSet::new(); // a scan may tell a key twice
        loop {
            let mut command = redis::cmd("SCAN");
            command
                .arg(cursor)
                .arg("MATCH")
                .arg(format!("{}*:{}:*", glob(&queue_keys.base), queue_keys.queue))
                .arg("COUNT")
                .arg(STEP);
            let (next, names): (u64, Vec<Vec<u8>>) =
                command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SCAN", source))?;
            let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
            let names: Vec<String> = names.filter(|name| seen.insert(name.clone())).collect();
            for name in names.iter().filter_map(|name| name.strip_prefix(&jobs)) {
                match name.parse() {
                    Ok(key) => found.jobs.push(key),
                    Err(_) => found.unreadable.push(name.to_owned()),
                }
            }
            let owned: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&business)).collect();
            if !owned.is_empty() {
                let mut pipeline = Pipeline::new();
                for name in &owned {
                    pipeline.get(format!("{business}{name}"));
                }
                let keys: Vec<Option<String>> = self.query("GET", &pipeline).await?;
                for (name, key) in owned.into_iter().zip(keys) {
                    if let Some(key) = key {
                        found.business_keys.entry(key).or_default().push(name.to_owned());
                    }
                }
            }
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// Tells if a queue has jobs, open, ended or reduced to tombstones. If it has none, all keys of this Redis were gone through.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_jobs(&self, queue: &Queue) -> Result<bool, StoreError> {
        let status = self.status(queue).await?;
        if status.open_jobs() + status.done > 0 {
            return Ok(true);
        }
        let jobs = format!("{}*", glob(&self.queues.of(queue).of_key("job", "")));
        let mut cursor = 0_u64;
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&jobs).arg("COUNT").arg(STEP);
            let (next, names): (u64, Vec<Vec<u8>>) =
                command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SCAN", source))?;
            if !names.is_empty() || next == 0 {
                return Ok(!names.is_empty());
            }
            cursor = next;
        }
    }
}

/// The token of an adoption's claim: no worker has this name.
fn token(to: &Queue) -> String {
    format!("adopted by {to}/0")
}

fn adopted(from: &Queue, at: Millis, operator: Operator<'_>) -> HistoryEvent {
    HistoryEvent::Adopted(bursar_domain::Adopted {
        at,
        queue: from.to_string(),
        operator: operator.who.to_owned(),
        comment: operator.why.to_owned(),
        more: Map::new(),
    })
}

fn is_from(event: &HistoryEvent, from: &Queue) -> bool {
    matches!(event, HistoryEvent::Adopted(adopted) if adopted.queue == from.to_string())
}

/// A tombstone of the same job, which has ended: one of them is enough.
fn is_same_tombstone(there: &There, stored: &StoredJob) -> bool {
    matches!(there, There::Same(theirs) if theirs.is_tombstone() && !is_open(stored.state) && theirs.state == stored.state)
}

impl Handed {
    /// Whether it was certainly never sent.
    fn is_unsent(&self) -> bool {
        !self.stored.is_tombstone() && self.stored.state == State::Queued && self.stored.sends == 0
    }

    /// The claim of an adoption, with the one that was lost before.
    fn claim_for(&self, to: &Queue, now: Millis) -> String {
        let lost = self.stored_claim();
        let fence = lost.as_ref().map_or(self.stored.fence, |lost| lost.fence).saturating_add(1);
        let entry = ClaimEntry {
            token: token(to),
            call: Call::Ask,
            fence,
            at: now,
            late: Vec::new(),
            after: lost.map(Box::new),
        };
        entry.text()
    }

    fn stored_claim(&self) -> Option<ClaimEntry> {
        ClaimEntry::read(&self.claim)
    }
}
