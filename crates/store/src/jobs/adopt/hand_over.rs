//! The three guarded steps that take one job from the old queue to the new one.

use bursar_domain::{Millis, State};
use redis::Pipeline;

use super::handed::Handed;
use super::there::There;
use super::{Adoption, Fate};
use crate::crash::crash_point;
use crate::jobs::JobRecord;
use crate::jobs::apply::{Applied, BusinessKey, Guarded, Place, Seen};
use crate::jobs::ended::CountChange;
use crate::jobs::overlay::{ClaimEntry, is_open};
use crate::jobs::read::lossy;
use crate::{Store, StoreError};

/// The lease end of an adoption's claim: never.
const FOR_EVER: Millis = Millis(4_102_444_800_000);

impl Store {
    /// The three steps, as far as they were not made before.
    pub(super) async fn hand_over(
        &self,
        adoption: Adoption<'_>,
        mut handed: Handed,
        there: There,
        now: Millis,
    ) -> Result<Fate, StoreError> {
        let Adoption { from, to, .. } = adoption;
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
                if !self.record_late(&job, &handed, now).await? {
                    return Ok(Fate::Changed);
                }
                job.state
            }
            There::Same(stored) => {
                if !stored.is_tombstone() {
                    self.note_adopted(adoption, &handed, now).await?;
                }
                stored.state
            }
            There::Nothing | There::Unsent(..) | There::Other => {
                let Some(state) = self.bring(adoption, &handed, there, now).await? else {
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
            counts: CountChange::moved(Some(&handed.stored), None),
            ..Guarded::new(handed.key.as_str(), &handed.claim, Seen::Text(handed.text.clone()))
        };
        match self.apply(from, &[write], "").await?.pop() {
            Some(Applied::Done) => Ok(Fate::Moved(state)),
            _ => Ok(Fate::Changed),
        }
    }

    /// Writes the job into its new queue. `None` if the new queue's record has changed.
    async fn bring(
        &self,
        adoption: Adoption<'_>,
        handed: &Handed,
        there: There,
        now: Millis,
    ) -> Result<Option<State>, StoreError> {
        let Adoption { from, to, .. } = adoption;
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
        let mut replaced = None;
        let text = match there {
            There::Unsent(theirs, text) => {
                replaced = Some(theirs.clone());
                record.fair_group.clone_from(&theirs.fair_group); // its group in the sets that it leaves
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
        let due = handed.due.unwrap_or(now);
        let place = if record.is_tombstone() { Place::Expired } else { Place::of(&record, due) };
        let mut history = handed.lines.clone();
        if !record.is_tombstone() {
            record.era = era.unwrap_or_default();
            record.history.push(adoption.event(now));
            history.extend(record.overflow());
        }
        let counts = CountChange::moved(replaced.as_deref(), Some(&record));
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
            counts,
            ..Guarded::new(key, "", Seen::Text(text))
        };
        let state = record.state;
        self.raise_fence(to, record.fence).await?; // no claim to come has the fence of one that was made before
        Ok((self.apply(to, &[write], "").await? == [Applied::Done]).then_some(state))
    }

    /// The old queue's job was certainly never sent, so the new queue's job replaces it and records that in its
    /// history.
    async fn note_adopted(&self, adoption: Adoption<'_>, handed: &Handed, now: Millis) -> Result<(), StoreError> {
        if handed.stored.is_tombstone() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        pipeline.rpush(self.queues.of(adoption.to).history(&handed.key), adoption.event(now).recorded()).ignore();
        self.query("RPUSH", &pipeline).await
    }

    /// Transfers responses that arrived for the old job after the new queue got it. `false` if the new queue's job has
    /// changed.
    async fn record_late(&self, job: &JobRecord, handed: &Handed, now: Millis) -> Result<bool, StoreError> {
        if handed.late.is_empty() {
            return Ok(true);
        }
        let known = self.history_lines(&job.queue, &job.key).await?;
        let history: Vec<String> = handed.lines.iter().filter(|line| !known.contains(line)).cloned().collect();
        let (claim, record) = (&job.seen.claim, &job.seen.record);
        let write = Guarded { history, ..Guarded::new(job.key.as_str(), claim, Seen::Text(record.clone())) };
        let write = if let Some(mut current_claim) = job.seen.stored.current_claim(ClaimEntry::read(claim)) {
            current_claim.late.extend(handed.late.iter().cloned());
            Guarded { claim: current_claim.text(), ..write }
        } else {
            let mut record = job.seen.stored.clone();
            let mut again = false;
            for late in &handed.late {
                again |= record.heed(late);
            }
            let mut place = Place::Same;
            if again {
                record.updated_at = Some(now);
                place = Place::after_late_response(record.state, now);
            }
            write.with_record(record, job.seen.stored.state, place, now)
        };
        Ok(self.apply(&job.queue, &[write], "").await? == [Applied::Done])
    }
}
