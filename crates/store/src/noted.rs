//! What is known of one notification beside itself: its record's other versions, whether it is still to be told, and the
//! job that it names.

use std::collections::HashMap;

use bursar_domain::{AccountName, Key, Lane, Millis, NotificationView};
use redis::Pipeline;

use crate::read::score;
use crate::{Origin, Store, StoreError};

/// How it stands with telling of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// No address to tell was set when it came, or it was kept apart.
    Nobody,
    /// It is told as soon as this time has come; while it is being told, when the teller's lease ends.
    Due(Millis),
    /// It was told, or will not be told any more: its log says which.
    Over,
}

/// How many notifications of an account are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotificationCount {
    /// Those that could be read.
    pub read: u64,
    /// Those that wait for a person.
    pub held: u64,
}

impl Store {
    /// Every version that is kept of the record that this notification is about, oldest first; it is among them. Those that
    /// were kept apart stand alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_versions(
        &self,
        account: &AccountName,
        id: u64,
    ) -> Result<Vec<NotificationView>, StoreError> {
        let base = self.keys.base(&Origin::Notifications(account.clone()));
        let mut connection = self.connection();
        let mut command = redis::cmd("HGET");
        command.arg(format!("{base}note:{id}")).arg("ix");
        let index: Option<String> =
            command.query_async(&mut connection).await.map_err(|source| StoreError::of("HGET", source))?;
        let Some(index) = index else { return Ok(Vec::new()) };
        let mut command = redis::cmd("HGETALL");
        command.arg(format!("{base}{index}"));
        let fields: HashMap<String, String> =
            command.query_async(&mut connection).await.map_err(|source| StoreError::of("HGETALL", source))?;
        // `h` and a content's hash: that content's number.
        let hashes = fields.iter().filter(|(name, _)| name.starts_with('h'));
        let mut ids: Vec<u64> = hashes.filter_map(|(_, id)| id.parse().ok()).collect();
        ids.sort_unstable();
        self.notes(account, &base, &ids).await
    }

    /// Whether a notification is still to be told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_tells(&self, account: &AccountName, id: u64) -> Result<Tells, StoreError> {
        let base = self.keys.base(&Origin::Notifications(account.clone()));
        let mut pipeline = Pipeline::new();
        pipeline.hget(format!("{base}note:{id}"), "cb1").zscore(format!("{base}to_tell"), id);
        let (url, due): (Option<String>, Option<f64>) = self.query("HGET", &pipeline).await?;
        Ok(match (url, due) {
            (_, Some(due)) => Tells::Due(score(due)),
            (Some(_), None) => Tells::Over,
            (None, None) => Tells::Nobody,
        })
    }

    /// How many notifications each of these accounts has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_counts(&self, accounts: &[AccountName]) -> Result<Vec<NotificationCount>, StoreError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for account in accounts {
            let base = self.keys.base(&Origin::Notifications(account.clone()));
            pipeline.zcard(format!("{base}notes")).zcard(format!("{base}held"));
        }
        let counts: Vec<u64> = self.query("ZCARD", &pipeline).await?;
        let pair = |pair: &[u64]| NotificationCount {
            read: pair.first().copied().unwrap_or_default(),
            held: pair.get(1).copied().unwrap_or_default(),
        };
        Ok(counts.chunks(2).map(pair).collect())
    }

    /// The job by this key, or the one that is about this thing; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_about(&self, lane: &Lane, about: &str) -> Result<Option<Key>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(format!("{}about:{about}", self.keys.base(lane)));
        let named: Option<String> =
            command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("GET", source))?;
        let Ok(key) = named.as_deref().unwrap_or(about).parse::<Key>() else { return Ok(None) };
        Ok(self.job(lane, &key).await?.map(|record| record.key))
    }
}
