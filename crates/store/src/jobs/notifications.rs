//! The gateways' notifications. Each is stored, every change of a record as a version, before the gateway gets its
//! `success`.
//!
//! An account's notifications are in the partition of a separate queue, as records with the data of each of the
//! gateway's records.

mod read;
pub(super) mod record;

use std::time::Duration;

use bursar_domain::{AccountName, HeldReason, Kind, Millis, NotificationMessage, NotificationOutcome};
use redis::Pipeline;
use serde_json::json;

pub use read::{NotificationCount, NotificationDelivery, NotificationFilter};

use super::apply::{Applied, Guarded, Records, Seen};
use super::keys::QueueKeys;
use super::record::{Unreadable, record_version};
use crate::Store;
use crate::jobs::claim_request::whole_millis;
use crate::scripts::EVENTS_KEPT;
use crate::{Origin, StoreError, crash_point};
use record::{KnownRecord, StoredNotification, embedded};

/// A notification whose timestamp is older than this is late: the gateway's deliveries at 0, 3, 6 and 9 minutes are
/// within it, with a margin. It is stored all the same.
pub const LATE_AFTER: Duration = Duration::from_secs(15 * 60);

/// A timestamp further ahead than this is no clock's error.
pub const AHEAD_AT_MOST: Duration = Duration::from_secs(5 * 60);

/// The time for which a notification is recognised after its details have been deleted. A later replay is too old for
/// any account's bound.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// Versions of one record: a status moves a few times.
const MAX_VERSIONS: usize = 100;

/// The number of expired notifications of each list that a new one removes at most.
const FORGOTTEN_AT_ONCE: isize = 20;

/// The number of tries for a decision whose record has changed.
const TRIES: usize = 8;

/// A notification whose signature was verified.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedNotification<'a> {
    /// Its method.
    pub method: &'a str,
    /// The id of the gateway's record; `None` if it names none.
    pub record_id: Option<&'a str>,
    /// SHA-256 of its content.
    pub hash: [u8; 32],
    /// Its content as it was signed.
    pub content: &'a str,
    /// The time at which the gateway wrote it.
    pub written: Option<Millis>,
    /// The rule by which it was signed.
    pub sign_rule: &'a str,
    /// True if its status may not change back.
    pub finality: Finality,
    /// The reason why it needs review before it is used.
    pub held_reason: Option<&'a HeldReason>,
    /// The receiver of its webhook.
    pub callback_url: Option<&'a str>,
    /// The kind of the job that it names, if it names one.
    pub kind: Option<Kind>,
    /// The time for which notifications are kept.
    pub retention: Duration,
    /// The greatest age of a notification that is passed on: an older one is held.
    pub max_age: Duration,
}

/// The finality of a record's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// It is.
    Final,
    /// It is not.
    Open,
    /// This kind of notification does not say.
    Unsaid,
}

/// The result of receiving a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// It is stored.
    New,
    /// It is stored as a further version of its record.
    Changed,
    /// It is stored; its status changed back from a final one.
    Regressed,
    /// It was stored before.
    Again,
    /// It was stored before, but the job that it names may lack it in its history.
    Unlinked,
    /// It is held for review.
    Held,
    /// It is held, now or before, because it was written too long ago.
    TooOld,
    /// It is not stored: its timestamp lies ahead.
    Ahead,
    /// It is not stored: its record has too many versions.
    TooMany,
}

/// The stored data of a notification's record.
struct Known {
    now: Millis,
    /// The data of its record, and of its content among the held ones, each as text.
    record: Option<String>,
    held: Option<String>,
}

/// The decision.
enum Decision {
    /// It is not stored.
    Refused(StoreOutcome),
    /// It was stored before, by this number.
    Known { number: u64, too_old: bool },
    /// It is stored.
    Stored(Box<Stored>),
}

/// A notification to be stored, and the new data of its record.
struct Stored {
    notification: StoredNotification,
    known: KnownRecord,
    known_key: String,
    known_seen: String,
    too_old: bool,
}

/// An account's name among the queues.
pub(crate) fn queue_of(account: &AccountName) -> Origin {
    Origin::Notifications(account.clone())
}

impl Store {
    /// Stores a notification, and its event in the same step; returns once both are as durable as submissions. Returns
    /// its number as well, 0 if it is not stored. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError`]: it may not be stored; do not answer `success`, and the gateway delivers it again.
    pub async fn receive_notification(
        &self,
        account: &AccountName,
        notification: &VerifiedNotification<'_>,
    ) -> Result<(StoreOutcome, u64), StoreError> {
        crash_point("before_notification");
        let queue_keys = self.queues.of(&queue_of(account));
        let since = self.since();
        let mut stored = None;
        for _ in 0..TRIES {
            stored = self.receive(account, &queue_keys, notification).await?;
            if stored.is_some() {
                break;
            }
        }
        let stored = stored.ok_or_else(|| StoreError::Unreadable {
            what: "what is known of a notification's record".into(),
            detail: "it changes during each try".into(),
        })?;
        self.kept(since).await?;
        crash_point("after_notification");
        Ok(stored)
    }

    /// The same once; `None` where something else is known by now.
    async fn receive(
        &self,
        account: &AccountName,
        queue_keys: &QueueKeys,
        notification: &VerifiedNotification<'_>,
    ) -> Result<Option<(StoreOutcome, u64)>, StoreError> {
        let known = self.known(queue_keys, notification).await?;
        let now = known.now;
        match notification.decide(queue_keys, known)? {
            Decision::Refused(outcome) => Ok(Some((outcome, 0))),
            Decision::Known { number, too_old } => {
                let outcome = self.received_again(queue_keys, notification, number).await?;
                Ok(outcome.map(|outcome| (if too_old { StoreOutcome::TooOld } else { outcome }, number)))
            }
            Decision::Stored(stored) => {
                let number = self.store_notification(account, queue_keys, notification, *stored).await?;
                if number.is_some() {
                    self.forget_expired(queue_keys, now, notification.retention).await?;
                }
                Ok(number)
            }
        }
    }

    async fn known(
        &self,
        queue_keys: &QueueKeys,
        notification: &VerifiedNotification<'_>,
    ) -> Result<Known, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.get(queue_keys.below_base(&notification.record_key(queue_keys)));
        pipeline.get(queue_keys.below_base(&notification.held_key(queue_keys))).cmd("TIME");
        type Reply = (Option<String>, Option<String>, (u64, u64));
        let (record, held, (seconds, micros)): Reply = self.query("GET", &pipeline).await?;
        Ok(Known { now: Millis(seconds * 1_000 + micros / 1_000), record, held })
    }

    /// Counts a further delivery of a stored notification, whose details may have been deleted.
    async fn received_again(
        &self,
        queue_keys: &QueueKeys,
        notification: &VerifiedNotification<'_>,
        number: u64,
    ) -> Result<Option<StoreOutcome>, StoreError> {
        let text = self.notification_text(queue_keys, number).await?;
        let Some(text) = text else { return Ok(Some(StoreOutcome::Again)) };
        let Ok(mut stored) = StoredNotification::read(&text) else { return Ok(Some(StoreOutcome::Again)) };
        stored.deliveries = stored.deliveries.saturating_add(1);
        let outcome =
            if notification.kind.is_some() && !stored.linked { StoreOutcome::Unlinked } else { StoreOutcome::Again };
        let written = self.rewrite_notification(queue_keys, number, text, &stored).await?;
        Ok(written.then_some(outcome))
    }

    pub(super) async fn notification_text(
        &self,
        queue_keys: &QueueKeys,
        number: u64,
    ) -> Result<Option<String>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.get(queue_keys.of_key(Records::Notifications.name(), &number.to_string()));
        let (text,): (Option<String>,) = self.query("GET", &pipeline).await?;
        Ok(text)
    }

    /// Writes a notification if it has not changed since it was read.
    pub(super) async fn rewrite_notification(
        &self,
        queue_keys: &QueueKeys,
        number: u64,
        seen: String,
        stored: &StoredNotification,
    ) -> Result<bool, StoreError> {
        let write = Guarded { record: stored.text(), ..Guarded::new(&number.to_string(), "", Seen::Text(seen)) };
        let applied = self.apply_to(queue_keys, Records::Notifications, &[write], "").await?;
        Ok(applied.first() == Some(&Applied::Done))
    }

    async fn store_notification(
        &self,
        account: &AccountName,
        queue_keys: &QueueKeys,
        notification: &VerifiedNotification<'_>,
        stored: Stored,
    ) -> Result<Option<(StoreOutcome, u64)>, StoreError> {
        let mut command = redis::cmd("INCR");
        command.arg(queue_keys.set("last_notification"));
        let number: u64 =
            command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("INCR", source))?;
        let Stored { notification: record, mut known, known_key, known_seen, too_old } = stored;
        known.versions.insert(record.sha256.clone(), number);
        let kept = whole_millis(notification.retention.saturating_add(TOMBSTONE_KEPT));
        let is_held = record.outcome == NotificationOutcome::Held;
        let mut call =
            self.scripts.receive_notification.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(self.queues.delivery_channel())
            .push(EVENTS_KEPT)
            .push(number)
            .push(record.text())
            .push(known_key)
            .push(known_seen)
            .push(known.text())
            .push(kept)
            .push(if is_held { NotificationFilter::Held } else { NotificationFilter::Read }.set())
            .push(webhook_event(account, number, &record))
            .push("method")
            .push(&record.method)
            .push("outcome")
            .push(record.outcome.as_str());
        if let Some(kind) = notification.kind {
            call.push("kind").push(kind.as_str());
        }
        let written: u8 = call.run(self).await?;
        let outcome = match record.outcome {
            NotificationOutcome::New => StoreOutcome::New,
            NotificationOutcome::Changed => StoreOutcome::Changed,
            NotificationOutcome::Regressed => StoreOutcome::Regressed,
            NotificationOutcome::Held if too_old => StoreOutcome::TooOld,
            NotificationOutcome::Held => StoreOutcome::Held,
        };
        Ok((written == 1).then_some((outcome, number)))
    }

    /// Each new notification makes room for itself: expired ones are removed unless they are still to be delivered. If
    /// this stops halfway, the next notification continues it.
    async fn forget_expired(&self, queue_keys: &QueueKeys, now: Millis, retention: Duration) -> Result<(), StoreError> {
        let until = now.0.saturating_sub(whole_millis(retention));
        for filter in [NotificationFilter::Read, NotificationFilter::Held] {
            let mut pipeline = Pipeline::new();
            pipeline.zrange(queue_keys.set(filter.set()), 0, FORGOTTEN_AT_ONCE - 1);
            let (numbers,): (Vec<u64>,) = self.query("ZRANGE", &pipeline).await?;
            if numbers.is_empty() {
                continue;
            }
            let mut pipeline = Pipeline::new();
            for number in &numbers {
                pipeline.get(queue_keys.of_key(Records::Notifications.name(), &number.to_string()));
                pipeline.zscore(queue_keys.set("due_deliveries"), number);
            }
            let replies: Vec<Option<String>> = self.query("GET", &pipeline).await?;
            let mut gone = Pipeline::new();
            for (number, reply) in numbers.iter().zip(replies.chunks_exact(2)) {
                let [text, due] = reply else { continue };
                let stored = text.as_deref().map(StoredNotification::read);
                match stored {
                    Some(Ok(stored)) if stored.received_at.0 > until => break,
                    // A newer build's, or a damaged one: unreadable data are never deleted.
                    Some(Err(_)) => continue,
                    _ if due.is_some() => continue,
                    Some(Ok(stored)) => forget(&mut gone, queue_keys, filter, *number, Some(&stored)),
                    None => forget(&mut gone, queue_keys, filter, *number, None),
                }
            }
            if !gone.is_empty() {
                let _: () = self.query("DEL", &gone).await?;
            }
        }
        Ok(())
    }
}

fn forget(
    gone: &mut Pipeline,
    queue_keys: &QueueKeys,
    filter: NotificationFilter,
    number: u64,
    stored: Option<&StoredNotification>,
) {
    let number = number.to_string();
    for name in [Records::Notifications.name(), "history", "outbox", "delivery", "failed"] {
        gone.del(queue_keys.of_key(name, &number)).ignore();
    }
    // A held notification is received again once it can be read; the data of readable ones are kept for long.
    if let (NotificationFilter::Held, Some(stored)) = (filter, stored) {
        gone.del(queue_keys.below_base(&held_key(queue_keys, &stored.method, &stored.sha256))).ignore();
    }
    gone.zrem(queue_keys.set(filter.set()), &number).ignore();
    gone.zrem(queue_keys.set("failed_deliveries"), &number).ignore();
}

fn held_key(queue_keys: &QueueKeys, method: &str, hash: &str) -> String {
    format!("held_record:{}:{method}:{hash}", queue_keys.queue)
}

impl VerifiedNotification<'_> {
    fn hash(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key of the record's data, below the partition's base. A notification without a record id counts as its own
    /// record.
    fn record_key(&self, queue_keys: &QueueKeys) -> String {
        let hash = self.hash();
        format!("record:{}:{}:{}", queue_keys.queue, self.method, self.record_id.unwrap_or(&hash))
    }

    fn held_key(&self, queue_keys: &QueueKeys) -> String {
        held_key(queue_keys, self.method, &self.hash())
    }

    /// The decision from the stored data.
    fn decide(&self, queue_keys: &QueueKeys, known: Known) -> Result<Decision, StoreError> {
        let Known { now, record, held } = known;
        let age = self.written.map(|written| now.since(written));
        if self.written.is_some_and(|written| written > now.plus(AHEAD_AT_MOST)) {
            return Ok(Decision::Refused(StoreOutcome::Ahead));
        }
        let hash = self.hash();
        let unreadable = |why: Unreadable| StoreError::Unreadable {
            what: "what is known of a notification's record".into(),
            detail: why.to_string(),
        };
        let of_record = KnownRecord::read(record.as_deref()).map_err(unreadable)?;
        let is_stored = of_record.versions.contains_key(&hash);
        let too_old = self.held_reason.is_none() && !is_stored && age.is_some_and(|age| age > self.max_age);
        let is_held = self.held_reason.is_some() || too_old;
        let (mut known, known_key, known_seen) = if is_held {
            (KnownRecord::read(held.as_deref()).map_err(unreadable)?, self.held_key(queue_keys), held)
        } else {
            (of_record, self.record_key(queue_keys), record)
        };
        if let Some(number) = known.versions.get(&hash) {
            return Ok(Decision::Known { number: *number, too_old });
        }
        if known.versions.len() >= MAX_VERSIONS {
            return Ok(Decision::Refused(StoreOutcome::TooMany));
        }
        let is_newest = self.written.unwrap_or_default() >= known.newest_written_at.unwrap_or_default();
        let regressed = is_newest && known.is_final && self.finality != Finality::Final;
        let outcome = match (is_held, regressed, known.versions.is_empty()) {
            (true, _, _) => NotificationOutcome::Held,
            (false, true, _) => NotificationOutcome::Regressed,
            (false, false, false) => NotificationOutcome::Changed,
            (false, false, true) => NotificationOutcome::New,
        };
        if is_newest && !regressed && !is_held {
            known.newest_written_at = self.written;
            known.is_final = self.finality == Finality::Final;
        }
        let version = u32::try_from(known.versions.len() + 1).unwrap_or(u32::MAX);
        let notification = self.stored(now, version, outcome, too_old)?;
        let known_seen = known_seen.unwrap_or_default();
        Ok(Decision::Stored(Box::new(Stored { notification, known, known_key, known_seen, too_old })))
    }

    /// The record that is stored of it.
    fn stored(
        &self,
        now: Millis,
        version: u32,
        outcome: NotificationOutcome,
        too_old: bool,
    ) -> Result<StoredNotification, StoreError> {
        let content = embedded(self.content).ok_or_else(|| StoreError::Unreadable {
            what: "a notification's content".into(),
            detail: "it is no text that JSON can hold".into(),
        })?;
        let held_reason = if too_old { Some(&HeldReason::TooOld) } else { self.held_reason };
        Ok(StoredNotification {
            v: record_version(),
            method: self.method.to_owned(),
            record_id: self.record_id.map(str::to_owned),
            received_at: now,
            written_at: self.written,
            sign_rule: self.sign_rule.to_owned(),
            version,
            deliveries: 1,
            outcome,
            late: self.written.is_some_and(|written| now.since(written) > LATE_AFTER),
            held_reason: held_reason.map(|reason| reason.code().to_owned()),
            callback_url: self.callback_url.filter(|_| outcome != NotificationOutcome::Held).map(str::to_owned),
            linked: false,
            sha256: self.hash(),
            content,
            more: serde_json::Map::new(),
        })
    }
}

/// The webhook event of a notification, as JSON; empty if there is no receiver.
fn webhook_event(account: &AccountName, number: u64, stored: &StoredNotification) -> String {
    if stored.callback_url.is_none() {
        return String::new();
    }
    let message = NotificationMessage {
        id: number,
        version: stored.version,
        outcome: stored.outcome,
        late: stored.late,
        account,
        method: &stored.method,
        record_id: stored.record_id.as_deref(),
        written_at: stored.written_at.map(Millis::rfc3339),
        content_sha256: &stored.sha256,
        content: stored.content(),
    };
    json!({"sequence": 1, "at": stored.received_at, "notification": message}).to_string()
}
