//! Quarantine: keys whose records could not be read when they came due, and jobs whose workers were lost one after the
//! other. They are in no other set, and are listed here until an operator retries or drops them.

use bursar_domain::{Call, HistoryEvent, Millis, Quarantine, QuarantineOutcome, Queue, State};
use redis::Pipeline;
use serde::Deserialize;

use super::apply::{Applied, Guarded, Place, Seen, member_end};
use super::overlay::{ClaimEntry, Era};
use super::proposals::NeedsSecond;
use super::read::{EraFields, era_of, lossy};
use super::record::{StoredJob, Unreadable};
use crate::Store;
use crate::{Operator, StoreError};

/// The number of tries for a retry or a drop whose job has changed.
const TRIES: usize = 5;

/// The script's reply for a key that was taken out.
pub(super) const TAKEN_OUT: u8 = 1;

/// Entries that one call reads, about.
const ENTRIES_AT_ONCE: usize = 500;

/// A key in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantined {
    /// The key, which need not be a job's.
    pub key: String,
    /// Since when; 0 where the entry does not say.
    pub since: Millis,
    /// The reason: `unreadable_record`, `workers_lost`, or another build's code.
    pub code: String,
    /// More about it.
    pub detail: String,
}

/// The result of a retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// The job is where its state belongs.
    Back(State),
    /// It was back already.
    WasBack(State),
    /// The key is not in quarantine.
    NotThere,
    /// The job still cannot be read: nothing was done.
    Unreadable(Unreadable),
    /// The job changes during each try: nothing was done.
    Changed,
}

/// The result of a drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The key has left quarantine, and its data are unchanged. A submission with this key is still refused.
    Done,
    /// The key is not in quarantine.
    NotThere,
    /// The key has a job that this build or a newer one can read: retry it instead.
    Readable,
    /// The job changes during each try: nothing was done.
    Changed,
    /// A second operator must approve it: nothing was done yet.
    NeedsSecond(NeedsSecond),
}

/// A quarantine entry.
#[derive(Deserialize)]
struct Entry {
    at: Millis,
    code: String,
    #[serde(default)]
    detail: String,
}

/// The position to continue from, and keys with their entries.
type Page = (String, Vec<(Vec<u8>, Vec<u8>)>);

/// The data of a key in quarantine.
pub(super) struct Look {
    pub(super) entry: String,
    claim: String,
    pub(super) record: Vec<u8>,
    pub(super) stored: Result<StoredJob, Unreadable>,
    pub(super) era: Era,
    now: Millis,
    /// True if the job is in a set.
    is_back: bool,
}

impl Quarantined {
    pub(super) fn read(key: String, entry: &str) -> Self {
        match serde_json::from_str::<Entry>(entry) {
            Ok(Entry { at, code, detail }) => Self { key, since: at, code, detail },
            Err(_) => Self { key, since: Millis(0), code: "unreadable".into(), detail: entry.to_owned() },
        }
    }
}

impl Look {
    pub(super) fn event(
        &self,
        outcome: QuarantineOutcome,
        operator: Operator<'_>,
        second: Option<Operator<'_>>,
    ) -> HistoryEvent {
        HistoryEvent::Quarantine(Quarantine {
            at: self.now,
            outcome,
            operator: operator.who.to_owned(),
            comment: operator.why.to_owned(),
            code: Quarantined::read(String::new(), &self.entry).code,
            proposed_by: second.map(|_| operator.who.to_owned()),
            approved_by: second.map(|second| second.who.to_owned()),
            approval_comment: second.map(|second| second.why.to_owned()),
            more: serde_json::Map::new(),
        })
    }

    /// The record with its lost claims, which have no worker any more: the record includes them from now on. Every send
    /// among them may have been executed.
    fn settled(&self, stored: &StoredJob) -> Result<StoredJob, Unreadable> {
        if self.claim.is_empty() {
            return Ok(stored.clone());
        }
        let Some(lost) = stored.current_claim(ClaimEntry::of(&self.claim)?) else { return Ok(stored.clone()) };
        let fence = lost.fence.saturating_add(1); // a late response to the lost claim finds that more has happened
        let next = ClaimEntry {
            token: String::new(),
            call: Call::Query,
            fence,
            at: self.now,
            late: Vec::new(),
            after: Some(Box::new(lost)),
        };
        Ok(StoredJob { fence, ..stored.clone().found_by(&next, self.era) })
    }

    /// The write that puts the job where its state belongs.
    fn back(&self, key: &str, stored: &StoredJob, mut record: StoredJob, event: HistoryEvent) -> Guarded {
        record.updated_at = Some(self.now);
        record.history.push(event);
        let place = Place::of(&record, self.now);
        Guarded::new(key, &self.claim, Seen::Text(lossy(self.record.clone()))).with_record(
            record,
            stored.state,
            place,
            self.now,
        )
    }
}

impl Store {
    /// About `limit` keys at most in a queue's quarantine, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantined(&self, queue: &Queue, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        self.quarantine_entries(&self.queues.of(queue).set("quarantine"), limit).await
    }

    pub(super) async fn quarantine_entries(
        &self,
        quarantine: &str,
        limit: usize,
    ) -> Result<Vec<Quarantined>, StoreError> {
        let (mut found, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(quarantine).arg(&cursor).arg("COUNT").arg(ENTRIES_AT_ONCE.min(limit.max(1)));
            let mut connection = self.connection();
            let (next, entries): Page =
                command.query_async(&mut connection).await.map_err(|source| StoreError::of("HSCAN", source))?;
            found.extend(entries.into_iter().map(|(key, entry)| Quarantined::read(lossy(key), &lossy(entry))));
            cursor = next;
            if cursor == "0" || found.len() >= limit {
                break;
            }
        }
        found.sort_by(|left, right| (left.since, &left.key).cmp(&(right.since, &right.key)));
        found.dedup(); // a hash that is rehashed meanwhile names a field twice
        found.truncate(limit);
        Ok(found)
    }

    /// Returns a quarantined job to the place of its state, for an operator; returns once that is as durable as
    /// configured.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn retry_quarantined(
        &self,
        queue: &Queue,
        key: &str,
        operator: Operator<'_>,
    ) -> Result<Retried, StoreError> {
        let since = self.since();
        let retried = self.retry_repeatedly(queue, key, operator).await?;
        self.kept(since).await?;
        Ok(retried)
    }

    async fn retry_repeatedly(&self, queue: &Queue, key: &str, operator: Operator<'_>) -> Result<Retried, StoreError> {
        for _ in 0..TRIES {
            let Some(look) = self.look_at_quarantined(queue, key).await? else { return Ok(Retried::NotThere) };
            let stored = match &look.stored {
                Ok(stored) => stored,
                Err(why) => return Ok(Retried::Unreadable(why.clone())),
            };
            let retried = if look.is_back || stored.is_tombstone() {
                Retried::WasBack(stored.state)
            } else {
                let record = match look.settled(stored) {
                    Ok(record) => record,
                    Err(why) => return Ok(Retried::Unreadable(why)),
                };
                let state = record.state;
                self.raise_fence(queue, record.fence).await?; // no claim to come has this one
                let event = look.event(QuarantineOutcome::Retried, operator, None);
                let write = look.back(key, stored, record, event);
                if self.apply(queue, &[write], "").await? != [Applied::Done] {
                    continue;
                }
                Retried::Back(state)
            };
            // A worker may have quarantined it again: then it stays there.
            self.take_out(queue, key, (&look.entry, b"-"), "", "").await?;
            return Ok(retried);
        }
        Ok(Retried::Changed)
    }

    /// Takes an unreadable key out of quarantine for an operator. The action is in the key's history; the key's data
    /// and claims are left unchanged.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn drop_quarantined(
        &self,
        queue: &Queue,
        key: &str,
        operator: Operator<'_>,
    ) -> Result<Dropped, StoreError> {
        let since = self.since();
        let dropped = self.drop_repeatedly(queue, key, operator).await?;
        self.kept(since).await?;
        Ok(dropped)
    }

    async fn drop_repeatedly(&self, queue: &Queue, key: &str, operator: Operator<'_>) -> Result<Dropped, StoreError> {
        for _ in 0..TRIES {
            let Some(look) = self.look_at_quarantined(queue, key).await? else { return Ok(Dropped::NotThere) };
            match look.stored {
                Ok(_) | Err(Unreadable::Newer { .. }) => return Ok(Dropped::Readable),
                Err(Unreadable::Damaged(_)) => {}
            }
            if let Some(second) = self.propose_drop(queue, key, &look, operator).await? {
                return Ok(Dropped::NeedsSecond(second));
            }
            let line = look.event(QuarantineOutcome::Dropped, operator, None).recorded();
            if self.take_out(queue, key, (&look.entry, &look.record), &line, "").await? == TAKEN_OUT {
                return Ok(Dropped::Done);
            }
        }
        Ok(Dropped::Changed)
    }

    /// Takes a key out, if its entry and record are as `seen`, and the `approved` proposal is open where there is one. Returns the script's
    /// reply.
    pub(super) async fn take_out(
        &self,
        queue: &Queue,
        key: &str,
        (entry, record): (&str, &[u8]),
        line: &str,
        approved: &str,
    ) -> Result<u8, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.quarantine.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(key).push(entry).push(record).push(line).push(approved);
        call.run(self).await
    }

    pub(super) async fn look_at_quarantined(&self, queue: &Queue, key: &str) -> Result<Option<Look>, StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME").cmd("HGET").arg(queue_keys.set("quarantine")).arg(key);
        pipeline.cmd("HGET").arg(queue_keys.set("claims")).arg(key);
        pipeline.cmd("MGET").arg(format!("{}:{key}", queue_keys.set("job"))); // a foreign type is no text
        pipeline.cmd("HMGET").arg(queue_keys.queue_hash()).arg("era").arg("resumed").arg("resumed_at");
        type Reply = ((u64, u64), Option<String>, Option<Vec<u8>>, Vec<Option<Vec<u8>>>, EraFields);
        let ((seconds, micros), entry, claim, records, era): Reply = self.query("HGET", &pipeline).await?;
        let Some(entry) = entry else { return Ok(None) };
        let record = records.into_iter().next().flatten();
        let stored = match &record {
            Some(text) => StoredJob::read(&lossy(text.clone())),
            None => Err(Unreadable::Damaged("there is no record".into())),
        };
        let is_back = match &stored {
            Ok(stored) => self.is_in_a_set(queue, key, stored).await?,
            Err(_) => false,
        };
        Ok(Some(Look {
            entry,
            claim: lossy(claim.unwrap_or_default()),
            record: record.unwrap_or_default(),
            stored,
            era: era_of(era),
            now: Millis(seconds * 1_000 + micros / 1_000),
            is_back,
        }))
    }

    async fn is_in_a_set(&self, queue: &Queue, key: &str, stored: &StoredJob) -> Result<bool, StoreError> {
        let queue_keys = self.queues.of(queue);
        let send = format!("{key}{}", member_end(&stored.fair_group));
        let mut pipeline = Pipeline::new();
        for set in ["due_sends", "sends"] {
            pipeline.zscore(queue_keys.set(set), &send);
        }
        for set in ["due_queries", "review", "done"] {
            pipeline.zscore(queue_keys.set(set), key);
        }
        let scores: Vec<Option<f64>> = self.query("ZSCORE", &pipeline).await?;
        Ok(scores.iter().any(Option::is_some))
    }
}
