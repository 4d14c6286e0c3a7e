//! The ends of delivery attempts: the next step is decided here, and written if the claim is still in force.

use std::sync::Arc;

use bursar_domain::{Delivery, DeliveryOutcome, HistoryEvent, Millis};
use redis::Pipeline;

use super::record::StoredDelivery;
use super::{ClaimedDelivery, Found, owners};
use crate::Store;
use crate::jobs::Committed;
use crate::jobs::apply::{Applied, Guarded, Place, Records, Seen};
use crate::jobs::read::lossy;
use crate::jobs::record::StoredJob;
use crate::scripts::LOG_QUIET_AFTER;
use crate::{Origin, StoreError};

/// The number of tries for a late attempt's history line whose record has changed.
const TRIES: usize = 8;

/// The last lines of a history in which a repeated commit looks for its own line.
const LOOKED_BACK: isize = 8;

/// The result of one attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The receiver has it.
    Delivered,
    /// The receiver may not have it: again at this time.
    Failed(Millis),
    /// It was tried for long enough.
    GivenUp,
    /// The receiver wants no more about this job.
    Gone,
    /// It was not tried: others are first. Again at this time.
    PutOff(Millis),
}

impl DeliveryResult {
    /// The outcome for the history; `None` if nothing was attempted.
    const fn outcome(self) -> Option<DeliveryOutcome> {
        match self {
            Self::Delivered => Some(DeliveryOutcome::Delivered),
            Self::Failed(_) => Some(DeliveryOutcome::Failed),
            Self::GivenUp => Some(DeliveryOutcome::GivenUp),
            Self::Gone => Some(DeliveryOutcome::Gone),
            Self::PutOff(_) => None,
        }
    }
}

/// The end of one claim.
#[derive(Clone, Debug)]
pub struct DeliveryCommit {
    found: Arc<Found>,
    key: String,
    decided: Millis,
    result: DeliveryResult,
    /// The attempt for the history: the caller adds receiver, status or error, and duration.
    pub attempt: Delivery,
}

impl DeliveryCommit {
    /// The end of a claim, decided at that moment of Redis time.
    #[must_use]
    pub fn new(delivery: &ClaimedDelivery, decided: Millis, result: DeliveryResult) -> Self {
        Self::of(Arc::clone(&delivery.found), &delivery.key, Some(delivery.sequence), decided, result)
    }

    pub(super) fn of(
        found: Arc<Found>,
        key: &str,
        sequence: Option<u64>,
        decided: Millis,
        result: DeliveryResult,
    ) -> Self {
        let outcome = result.outcome().unwrap_or(DeliveryOutcome::Failed);
        let attempt = Delivery { at: decided, sequence, ..Delivery::of(outcome) };
        Self { found, key: key.to_owned(), decided, result, attempt }
    }

    /// The attempt's line for the history; `None` where nothing was tried.
    fn line(&self) -> Option<String> {
        self.result.outcome().map(|_| HistoryEvent::Delivery(self.attempt.clone()).recorded())
    }

    /// The same, of an attempt whose claim had ended.
    fn late_line(&self) -> Option<String> {
        let attempt = Delivery { late: true, ..self.attempt.clone() };
        self.result.outcome().map(|_| HistoryEvent::Delivery(attempt).recorded())
    }

    /// The guarded write that ends the claim.
    pub(super) fn write(&self) -> Guarded {
        let Found { record, entry, entry_text } = &*self.found;
        let written = StoredDelivery { last_claim: entry.token.clone(), ..record.clone() };
        let write = Guarded {
            decided: self.decided,
            history: self.line().into_iter().collect(),
            ..Guarded::new(&self.key, entry_text, Seen::Any)
        };
        match self.result {
            DeliveryResult::Delivered => Guarded { place: Place::NextEvent, ..write },
            DeliveryResult::GivenUp => {
                Guarded { place: Place::FailedEvent, published: Some("webhook_given_up"), ..write }
            }
            DeliveryResult::Gone => {
                let gone = StoredDelivery { failures: 0, first_tried_at: None, gone: true, ..written };
                let published = Some("webhook_gone");
                Guarded { record: gone.text(), place: Place::NoMoreEvents, published, ..write }
            }
            DeliveryResult::Failed(again) => {
                let failed = StoredDelivery {
                    failures: record.failures.saturating_add(1),
                    first_tried_at: record.first_tried_at.or(Some(entry.since())),
                    ..written
                };
                // Very many failures are only counted.
                let history = if record.failures < LOG_QUIET_AFTER { write.history.clone() } else { Vec::new() };
                Guarded { record: failed.text(), place: Place::Again(again), history, ..write }
            }
            // A claim that was lost before is in force again: it may have made an attempt.
            DeliveryResult::PutOff(again) => Guarded { claim: entry.released(), place: Place::Again(again), ..write },
        }
    }
}

impl Store {
    /// Commits the results of attempts; one answer for each, in order. Safe to repeat under each claim.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; an event without a commit is delivered again when its lease ends.
    pub async fn commit_deliveries(
        &self,
        origin: &Origin,
        commits: &[DeliveryCommit],
    ) -> Result<Vec<Committed>, StoreError> {
        let queue_keys = self.queues.of(origin);
        let writes: Vec<Guarded> = commits.iter().map(DeliveryCommit::write).collect();
        let applied = self.apply_to(&queue_keys, Records::Deliveries, &writes, "").await?;
        let mut answers = Vec::with_capacity(commits.len());
        for (commit, applied) in commits.iter().zip(applied) {
            answers.push(match applied {
                Applied::Done => Committed::Done,
                Applied::Changed { claim, record } => self.delivered_late(origin, commit, &claim, &record).await?,
                // Deliveries have no response id and no approval, no pause stops them, and a call has each key once.
                Applied::Owned(_) | Applied::Paused | Applied::Unapproved => Committed::Late,
            });
        }
        Ok(answers)
    }

    /// The claim is no longer in force: it has ended, or was taken over after its lease. The attempt is recorded.
    async fn delivered_late(
        &self,
        origin: &Origin,
        commit: &DeliveryCommit,
        claim: &str,
        record: &str,
    ) -> Result<Committed, StoreError> {
        let stored = StoredDelivery::read(Some(record).filter(|text| !text.is_empty()));
        if stored.is_ok_and(|stored| stored.last_claim == commit.found.entry.token) {
            return Ok(Committed::Again);
        }
        let (Some(line), Some(late_line)) = (commit.line(), commit.late_line()) else {
            // Nothing was tried, so nothing is missed.
            return Ok(if claim.is_empty() { Committed::Again } else { Committed::Late });
        };
        let (queue_keys, records) = (self.queues.of(origin), owners(origin));
        for _ in 0..TRIES {
            let mut pipeline = Pipeline::new();
            pipeline.lrange(queue_keys.of_key("history", &commit.key), -LOOKED_BACK, -1);
            pipeline.get(queue_keys.of_key(records.name(), &commit.key));
            pipeline.hget(queue_keys.set(records.claims()), &commit.key);
            type Reply = (Vec<Vec<u8>>, Option<Vec<u8>>, Option<String>);
            let (lines, text, claim): Reply = self.query("LRANGE", &pipeline).await?;
            let (lines, text): (Vec<String>, _) = (lines.into_iter().map(lossy).collect(), text.map(lossy));
            if lines.contains(&line) {
                return Ok(Committed::Again);
            }
            // A job without details gets no history.
            let text = text.filter(|text| !StoredJob::read(text).is_ok_and(|job| job.is_tombstone()));
            let Some(text) = text.filter(|_| !lines.contains(&late_line)) else { return Ok(Committed::Late) };
            let claim = claim.unwrap_or_default();
            let note = Guarded {
                claim: claim.clone(),
                history: vec![late_line.clone()],
                ..Guarded::new(&commit.key, &claim, Seen::Text(text))
            };
            match self.apply_to(&queue_keys, records, &[note], "").await?.pop() {
                Some(Applied::Changed { .. }) => {} // once more
                _ => return Ok(Committed::Late),
            }
        }
        Ok(Committed::Late)
    }
}
