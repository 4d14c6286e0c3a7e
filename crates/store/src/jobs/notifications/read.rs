//! Reading notifications, and linking them with the jobs that they name.

use bursar_domain::{
    AccountName, HistoryEvent, Key, Millis, NotificationNamed, NotificationOutcome, NotificationView, Queue,
};
use redis::Pipeline;

use super::record::{KnownRecord, StoredNotification};
use super::{TRIES, held_key, queue_of};
use crate::Store;
use crate::StoreError;
use crate::jobs::apply::{Applied, Guarded, Records, Seen};
use crate::jobs::keys::QueueKeys;
use crate::jobs::read::StoredAs;
use crate::reply::score;

/// Notifications read in one step of a listing.
const PAGE: usize = 100;

/// The last lines of a job's history in which a notification that is linked again is looked for.
const LOOKED_BACK: isize = 64;

/// The filter of a list of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotificationFilter {
    /// Those that could be read.
    #[default]
    Read,
    /// Those that wait for a person.
    Held,
}

impl NotificationFilter {
    /// The set that lists them.
    pub(super) const fn set(self) -> &'static str {
        match self {
            Self::Read => "notifications",
            Self::Held => "held_notifications",
        }
    }
}

/// The delivery state of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationDelivery {
    /// It has no receiver: none was set when it came, or it was held.
    NoReceiver,
    /// It is tried after this time; during an attempt, this is the end of the dispatcher's lease.
    Due(Millis),
    /// It was delivered or given up: its history says which.
    Over,
}

/// The number of an account's stored notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotificationCount {
    /// Those that could be read.
    pub read: u64,
    /// Those that wait for a person.
    pub held: u64,
}

impl Store {
    /// Notifications of an account, newest first, from before number `before`: at most `limit`, and fewer than 101.
    /// Those that this build cannot read are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notifications(
        &self,
        account: &AccountName,
        filter: NotificationFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<NotificationView>, StoreError> {
        let queue_keys = self.queues.of(&queue_of(account));
        let from = before.map_or_else(|| "+inf".to_owned(), |before| format!("({before}"));
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANGE").arg(queue_keys.set(filter.set())).arg(from).arg("-inf").arg("BYSCORE").arg("REV");
        pipeline.arg("LIMIT").arg(0).arg(limit.min(PAGE));
        let (numbers,): (Vec<u64>,) = self.query("ZRANGE", &pipeline).await?;
        self.views(account, &queue_keys, &numbers).await
    }

    /// One notification by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification(
        &self,
        account: &AccountName,
        number: u64,
    ) -> Result<Option<NotificationView>, StoreError> {
        let queue_keys = self.queues.of(&queue_of(account));
        Ok(self.views(account, &queue_keys, &[number]).await?.pop())
    }

    /// The attempts to deliver a notification, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_history(
        &self,
        account: &AccountName,
        number: u64,
    ) -> Result<Vec<HistoryEvent>, StoreError> {
        let lines = self.history_list(&self.queues.of(&queue_of(account)), &number.to_string()).await?;
        Ok(lines.iter().map(|line| HistoryEvent::read(line)).collect())
    }

    /// Every stored version of this notification's record, oldest first, this one included. A held notification has no
    /// other versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_versions(
        &self,
        account: &AccountName,
        number: u64,
    ) -> Result<Vec<NotificationView>, StoreError> {
        let queue_keys = self.queues.of(&queue_of(account));
        let text = self.notification_text(&queue_keys, number).await?;
        let Some(stored) = text.and_then(|text| StoredNotification::read(&text).ok()) else { return Ok(Vec::new()) };
        let key = match stored.outcome {
            NotificationOutcome::Held => held_key(&queue_keys, &stored.method, &stored.sha256),
            NotificationOutcome::New | NotificationOutcome::Changed | NotificationOutcome::Regressed => {
                let record = stored.record_id.as_ref().unwrap_or(&stored.sha256);
                format!("record:{}:{}:{record}", queue_keys.queue, stored.method)
            }
        };
        let mut pipeline = Pipeline::new();
        pipeline.get(queue_keys.below_base(&key));
        let (text,): (Option<String>,) = self.query("GET", &pipeline).await?;
        let known = KnownRecord::read(text.as_deref()).map(|known| known.versions).unwrap_or_default();
        let mut numbers: Vec<u64> = known.into_values().collect();
        numbers.sort_unstable();
        self.views(account, &queue_keys, &numbers).await
    }

    /// The delivery state of a notification.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_delivery(
        &self,
        account: &AccountName,
        number: u64,
    ) -> Result<NotificationDelivery, StoreError> {
        let queue_keys = self.queues.of(&queue_of(account));
        let mut pipeline = Pipeline::new();
        pipeline.get(queue_keys.of_key(Records::Notifications.name(), &number.to_string()));
        pipeline.zscore(queue_keys.set("due_deliveries"), number);
        let (text, due): (Option<String>, Option<f64>) = self.query("GET", &pipeline).await?;
        let stored = text.and_then(|text| StoredNotification::read(&text).ok());
        Ok(match (stored.and_then(|stored| stored.callback_url), due) {
            (_, Some(due)) => NotificationDelivery::Due(score(due)),
            (Some(_), None) => NotificationDelivery::Over,
            (None, None) => NotificationDelivery::NoReceiver,
        })
    }

    /// The number of notifications of each of these accounts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_counts(&self, accounts: &[AccountName]) -> Result<Vec<NotificationCount>, StoreError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for account in accounts {
            let queue_keys = self.queues.of(&queue_of(account));
            pipeline.zcard(queue_keys.set(NotificationFilter::Read.set()));
            pipeline.zcard(queue_keys.set(NotificationFilter::Held.set()));
        }
        let counts: Vec<u64> = self.query("ZCARD", &pipeline).await?;
        let pair = |pair: &[u64]| NotificationCount {
            read: pair.first().copied().unwrap_or_default(),
            held: pair.get(1).copied().unwrap_or_default(),
        };
        Ok(counts.chunks(2).map(pair).collect())
    }

    /// The job with this key or business key; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_by_business_key(&self, queue: &Queue, business_key: &str) -> Result<Option<StoredAs>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.get(self.queues.of(queue).of_key("business", business_key));
        let (named,): (Option<String>,) = self.query("GET", &pipeline).await?;
        let Ok(key) = named.as_deref().unwrap_or(business_key).parse::<Key>() else { return Ok(None) };
        self.job(queue, &key).await
    }

    /// Adds a notification to the history of the job that it names, by key or business key, once for each notification.
    /// Returns the job's key; `None` if there is no such job.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn link_notification(
        &self,
        queue: &Queue,
        business_key: &str,
        number: u64,
        method: &str,
    ) -> Result<Option<Key>, StoreError> {
        for _ in 0..TRIES {
            let key = match self.job_by_business_key(queue, business_key).await? {
                None => return Ok(None),
                Some(StoredAs::Unreadable { key, .. }) => return Ok(Some(key)),
                // A job without details gets no history.
                Some(StoredAs::Job(job)) if job.created.is_none() => return Ok(Some(job.key)),
                Some(StoredAs::Job(job)) => job,
            };
            let queue_keys = self.queues.of(queue);
            let mut pipeline = Pipeline::new();
            pipeline.lrange(queue_keys.history(&key.key), -LOOKED_BACK, -1).cmd("TIME");
            let (lines, (seconds, micros)): (Vec<Vec<u8>>, (u64, u64)) = self.query("LRANGE", &pipeline).await?;
            let at = Millis(seconds * 1_000 + micros / 1_000);
            let is_it =
                |event: HistoryEvent| matches!(event, HistoryEvent::Notification(named) if named.number == number);
            if lines.iter().any(|line| is_it(HistoryEvent::read(line))) {
                return Ok(Some(key.key));
            }
            let method = method.to_owned();
            let named = NotificationNamed { at, number, method, more: serde_json::Map::new() };
            let line = HistoryEvent::Notification(named).recorded();
            let write = Guarded {
                claim: key.seen.claim.clone(),
                history: vec![line],
                ..Guarded::new(key.key.as_str(), &key.seen.claim, Seen::Text(key.seen.record.clone()))
            };
            if self.apply(queue, &[write], "").await?.first() == Some(&Applied::Done) {
                return Ok(Some(key.key));
            }
        }
        Err(StoreError::Unreadable {
            what: "the job that a notification names".into(),
            detail: "it changes during each try".into(),
        })
    }

    /// Marks that the job which this notification names has it in its history: later deliveries need not link it again.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; without it the next delivery links it again.
    pub async fn notification_linked(&self, account: &AccountName, number: u64) -> Result<(), StoreError> {
        let queue_keys = self.queues.of(&queue_of(account));
        for _ in 0..TRIES {
            let Some(text) = self.notification_text(&queue_keys, number).await? else { return Ok(()) };
            let Ok(stored) = StoredNotification::read(&text) else { return Ok(()) };
            let linked = StoredNotification { linked: true, ..stored };
            if self.rewrite_notification(&queue_keys, number, text, &linked).await? {
                return Ok(());
            }
        }
        Ok(()) // it changes during each try: the next delivery links it again
    }

    async fn views(
        &self,
        account: &AccountName,
        queue_keys: &QueueKeys,
        numbers: &[u64],
    ) -> Result<Vec<NotificationView>, StoreError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for number in numbers {
            pipeline.get(queue_keys.of_key(Records::Notifications.name(), &number.to_string()));
        }
        let texts: Vec<Option<String>> = self.query("GET", &pipeline).await?;
        let found = numbers.iter().zip(texts).filter_map(|(number, text)| {
            let stored = StoredNotification::read(&text?).ok()?;
            Some(stored.view(account, *number))
        });
        Ok(found.collect())
    }
}
