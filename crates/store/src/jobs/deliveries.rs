//! Webhook deliveries: one dispatcher at a time claims an outbox's first event, with the same scripts as jobs.
//!
//! A job's events are delivered at least once and in order. `delivery:QUEUE:KEY` records the attempts at the first one.

mod commit;
mod record;
mod status;
mod undelivered;

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{
    ContentDetails, DeliveryError, HistoryEvent, Millis, Quarantine, QuarantineOutcome, Shown, TraceParent,
};
use redis::{Pipeline, Value};
use serde::Deserialize;

pub use commit::{DeliveryCommit, DeliveryResult};
pub use status::DeliveryStatus;
pub use undelivered::{ResendOutcome, WebhookFilter, is_webhook_key, job_webhook_id, notification_webhook_id};

use super::ClaimToken;
use super::apply::{Guarded, Place, Records, Seen};
use super::notifications::record::StoredNotification;
use super::quarantine::Quarantined;
use super::queue::Ready;
use super::read::lossy;
use super::record::{Raw, StoredJob, Unreadable, WebhookEvent};
use crate::Store;
use crate::jobs::claim_request::whole_millis;
use crate::reply::from_reply;
use crate::{ClaimId, MAX_DELIVERIES, Operator, Origin, StoreError, Wakeups};
use record::{DeliveryEntry, StoredDelivery};

/// The time for which an event that a newer build wrote is left to a newer process.
const LEFT_TO_NEWER: Duration = Duration::from_secs(30);

/// One dispatcher's wish for due events.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryClaim<'a> {
    /// The dispatcher's name, which no other process has.
    pub dispatcher: &'a str,
    /// The number of this claim call: a dispatcher uses each number once.
    pub number: u64,
    /// The lease of the claimed events.
    pub lease: Duration,
    /// At most so many.
    pub most: usize,
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedDeliveries {
    /// The time, in Redis time.
    pub now: Millis,
    /// The latest time of the next claim; `None` if no event waits.
    pub next_due: Option<Millis>,
    /// One event of each job at most.
    pub due: Vec<ClaimedDelivery>,
    /// Keys whose events cannot be delivered and were quarantined, with the reason.
    pub quarantined: Vec<(String, Unreadable)>,
    /// Keys of a newer build, which were left for one.
    pub left: Vec<String>,
}

/// An event to be delivered: it belongs to the dispatcher until the lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedDelivery {
    /// The job's key, or the notification's number.
    pub key: String,
    /// The claim's token.
    pub token: ClaimToken,
    /// The receiver's URL.
    pub url: String,
    /// Attempts that failed so far.
    pub failures: u32,
    /// The time of its first attempt: now, if this is the first.
    pub first_tried: Millis,
    /// The event's number among those of its job; they are delivered in this order.
    pub sequence: u64,
    /// The time at which it happened.
    pub at: Millis,
    /// The content.
    pub what: EventPayload,
    /// The trace that its job belongs to.
    pub trace: Option<TraceParent>,
    found: Arc<Found>,
}

/// The content of a webhook.
#[derive(Clone, Debug, PartialEq)]
pub enum EventPayload {
    /// A job ended or needs review: as it was then.
    Job(Box<WebhookEvent>),
    /// A notification of the gateway, with its whole content, in the form of the API.
    Notification(serde_json::Value),
}

/// A notification's event as the outbox has it.
#[derive(Deserialize)]
struct NotificationEvent {
    sequence: u64,
    at: Millis,
    notification: serde_json::Value,
}

/// A claim's data, from which its end is written.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    record: StoredDelivery,
    entry: DeliveryEntry,
    entry_text: String,
}

/// Values for each delivery in a claim's reply: key, claim, event, the delivery's record, the job's record.
const ROW: usize = 5;

/// One such row.
struct Row {
    key: String,
    claim: String,
    event: Option<String>,
    delivery: Option<String>,
    owner: Option<String>,
}

/// The reason why a due event is not given to its dispatcher.
enum Unfit {
    /// A newer build wrote it.
    Newer,
    /// The receiver wants no more.
    Unwanted,
    /// This build cannot read the event. Later events must not wait for it.
    Event(Arc<Found>),
    /// There is no event, no receiver, or no record of either.
    Undeliverable(Unreadable),
}

impl Store {
    /// Claims due events, one of each job or notification.
    ///
    /// # Errors
    /// [`StoreError`]: some may have been claimed; they come due again when the lease ends.
    pub async fn claim_deliveries(
        &self,
        origin: &Origin,
        claim: &DeliveryClaim<'_>,
    ) -> Result<ClaimedDeliveries, StoreError> {
        let queue_keys = self.queues.of(origin);
        let token = ClaimToken(ClaimId::token(claim.dispatcher, claim.number));
        let mut call =
            self.scripts.claim_deliveries.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(serde_json::Value::from(token.0.as_str()).to_string())
            .push(whole_millis(claim.lease))
            .push(claim.most.min(MAX_DELIVERIES))
            .push(owners(origin).name());
        let (now, next_due, rows): (u64, i64, Vec<Value>) = call.run(self).await?;
        let now = Millis(now);
        let next_due = u64::try_from(next_due).ok().map(Millis);
        let mut claimed =
            ClaimedDeliveries { now, next_due, due: Vec::new(), quarantined: Vec::new(), left: Vec::new() };
        let mut writes = Vec::new();
        for row in rows.chunks_exact(ROW) {
            let row = Row::of(row)?;
            match row.delivery(origin, &token) {
                Ok(delivery) => claimed.due.push(delivery),
                Err(unfit) => writes.push(claimed.without(row, unfit)),
            }
        }
        if !writes.is_empty() {
            self.apply_to(&queue_keys, Records::Deliveries, &writes, "").await?;
        }
        Ok(claimed)
    }

    /// The queues and accounts with an event due before `until`, of all partitions, in one round trip. `true` with them when a partition
    /// has more.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn ready_deliveries(&self, until: Millis) -> Result<(Vec<Ready<Origin>>, bool), StoreError> {
        self.ready_deliveries_behind(until, 0).await
    }

    /// The same without the first ones of each partition.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn ready_deliveries_behind(
        &self,
        until: Millis,
        passed_over: usize,
    ) -> Result<(Vec<Ready<Origin>>, bool), StoreError> {
        self.ready_in("ready_deliveries", until, passed_over).await
    }

    /// Subscribes to the channel that names queues with events to deliver, on a separate connection.
    ///
    /// # Errors
    /// [`StoreError`]: try again.
    pub async fn delivery_wakeups(&self) -> Result<Wakeups<Origin>, StoreError> {
        self.subscribe(self.queues.delivery_channel()).await
    }

    /// About `limit` keys at most whose deliveries are quarantined, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantined_deliveries(&self, origin: &Origin, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        self.quarantine_entries(&self.queues.of(origin).set("delivery_quarantine"), limit).await
    }

    /// Tries a quarantined delivery again for an operator, now; the action is in the history of the job or
    /// notification. `false` if it is not quarantined.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn retry_delivery(&self, origin: &Origin, key: &str, operator: Operator<'_>) -> Result<bool, StoreError> {
        let (queue_keys, at) = (self.queues.of(origin), self.now().await?);
        let quarantine = queue_keys.set("delivery_quarantine");
        let mut pipeline = Pipeline::new();
        pipeline.hget(&quarantine, key);
        let (entry,): (Option<Vec<u8>>,) = self.query("HGET", &pipeline).await?;
        let Some(entry) = entry else { return Ok(false) };
        let event = HistoryEvent::Quarantine(Quarantine {
            at,
            outcome: QuarantineOutcome::Retried,
            operator: operator.who.to_owned(),
            comment: operator.why.to_owned(),
            code: Quarantined::read(String::new(), &lossy(entry)).code,
            proposed_by: None,
            approved_by: None,
            approval_comment: None,
            more: serde_json::Map::new(),
        });
        let mut pipeline = Pipeline::new();
        // First makes it due: an entry that is due and quarantined is tried, an entry that is neither would be lost.
        pipeline.atomic().cmd("ZADD").arg(queue_keys.set("due_deliveries")).arg("NX").arg(at.0).arg(key).ignore();
        pipeline
            .cmd("ZADD")
            .arg(queue_keys.below_base("ready_deliveries"))
            .arg("LT")
            .arg(at.0)
            .arg(&queue_keys.queue)
            .ignore();
        pipeline.rpush(queue_keys.of_key("history", key), event.recorded()).ignore();
        pipeline.hdel(quarantine, key).ignore();
        let _: () = self.query("ZADD", &pipeline).await?;
        Ok(true)
    }
}

/// The type of an origin's records.
const fn owners(origin: &Origin) -> Records {
    match origin {
        Origin::Jobs(_) => Records::Jobs,
        Origin::Notifications(_) => Records::Notifications,
    }
}

impl ClaimedDeliveries {
    /// The write for a delivery that is not given to the dispatcher.
    fn without(&mut self, row: Row, unfit: Unfit) -> Guarded {
        let write = Guarded::new(&row.key, &row.claim, Seen::Any);
        match unfit {
            Unfit::Newer => {
                let claim = DeliveryEntry::read(&row.claim).map(|entry| entry.released()).unwrap_or_default();
                self.left.push(row.key);
                Guarded { claim, place: Place::Again(self.now.plus(LEFT_TO_NEWER)), ..write }
            }
            Unfit::Unwanted => Guarded { place: Place::NoMoreEvents, ..write },
            Unfit::Event(found) => {
                let mut commit = DeliveryCommit::of(found, &row.key, None, self.now, DeliveryResult::GivenUp);
                commit.attempt.error = Some(DeliveryError::UnreadableEvent);
                commit.write()
            }
            Unfit::Undeliverable(why) => {
                let entry = serde_json::json!({"at": self.now.0, "code": "undeliverable", "detail": why.to_string()});
                self.quarantined.push((row.key, why));
                Guarded { place: Place::Quarantine(entry.to_string()), ..write }
            }
        }
    }
}

impl Row {
    fn of(values: &[Value]) -> Result<Self, StoreError> {
        // Bytes that are no text are no event, and prevent no other delivery.
        let bytes = |at: usize| from_reply::<Vec<u8>>("claim_deliveries", values.get(at));
        let text = |at: usize| from_reply::<Option<Vec<u8>>>("claim_deliveries", values.get(at));
        Ok(Self {
            key: lossy(bytes(0)?),
            claim: lossy(bytes(1)?),
            event: text(2)?.map(lossy),
            delivery: text(3)?.map(lossy),
            owner: text(4)?.map(lossy),
        })
    }

    fn delivery(&self, origin: &Origin, token: &ClaimToken) -> Result<ClaimedDelivery, Unfit> {
        let damaged = |what: &str| Unfit::Undeliverable(Unreadable::Damaged(what.to_owned()));
        let record = StoredDelivery::read(self.delivery.as_deref()).map_err(|_| Unfit::Newer)?;
        let entry = DeliveryEntry::read(&self.claim).ok_or_else(|| damaged("its claim cannot be read"))?;
        if record.gone {
            return Err(Unfit::Unwanted);
        }
        let owner = self.owner.as_deref().ok_or_else(|| damaged("there is no record"))?;
        let Owner { url, trace, details } = Owner::read(origin, owner)?;
        let url = url.ok_or_else(|| damaged("it has no receiver"))?;
        let text = self.event.as_deref().ok_or_else(|| damaged("there is no event"))?;
        let found = Arc::new(Found { record, entry, entry_text: self.claim.clone() });
        let (sequence, at, what) = happened(origin, text, details).ok_or_else(|| Unfit::Event(Arc::clone(&found)))?;
        Ok(ClaimedDelivery {
            key: self.key.clone(),
            token: token.clone(),
            url,
            failures: found.record.failures,
            first_tried: found.record.first_tried_at.unwrap_or_else(|| found.entry.since()),
            sequence,
            at,
            what,
            trace: trace.and_then(|trace| trace.parse().ok()),
            found,
        })
    }
}

/// The facts in the record of an event's job or notification.
struct Owner {
    /// The receiver.
    url: Option<String>,
    /// The trace that the record belongs to.
    trace: Option<String>,
    /// The amount and the parties of a job. A content never changes, so that an event need not carry them.
    details: ContentDetails,
}

impl Owner {
    fn read(origin: &Origin, text: &str) -> Result<Self, Unfit> {
        let unfit = |why| match why {
            Unreadable::Newer { .. } => Unfit::Newer,
            damaged @ Unreadable::Damaged(_) => Unfit::Undeliverable(damaged),
        };
        match origin {
            Origin::Jobs(queue) => {
                let job = StoredJob::read(text).map_err(unfit)?;
                let details = |content: &Raw| ContentDetails::of(queue.kind, content.text(), Shown::Masked);
                let details = job.content.as_ref().map(details).unwrap_or_default();
                Ok(Self { url: job.callback_url, trace: job.traceparent, details })
            }
            Origin::Notifications(_) => {
                let notification = StoredNotification::read(text).map_err(unfit)?;
                Ok(Self { url: notification.callback_url, trace: None, details: ContentDetails::default() })
            }
        }
    }
}

/// An event's number, its time and its content; `None` if this build cannot read it.
fn happened(origin: &Origin, text: &str, details: ContentDetails) -> Option<(u64, Millis, EventPayload)> {
    match origin {
        Origin::Jobs(_) => {
            let event = WebhookEvent { details, ..serde_json::from_str(text).ok()? };
            Some((u64::from(event.sequence), event.at, EventPayload::Job(Box::new(event))))
        }
        Origin::Notifications(_) => {
            let event: NotificationEvent = serde_json::from_str(text).ok()?;
            Some((event.sequence, event.at, EventPayload::Notification(event.notification)))
        }
    }
}
