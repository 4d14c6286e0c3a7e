//! What gateways notify: kept once, every change as a version, before the gateway is told that it was.

use std::collections::HashMap;
use std::time::Duration;

use bursar_domain::{AccountName, HeldReason, HistoryEvent, Key, Kind, Lane, Millis, NotificationView};
use redis::Pipeline;
use serde_json::{Map, Value, json};

use crate::claim::whole_millis;
use crate::scripts::EVENTS_KEPT;
use crate::{Origin, Store, StoreError, crash_point};

/// A notification whose timestamp is older than this is late: the page's deliveries at 0, 3, 6 and 9 minutes fit in, and a
/// margin. It is kept all the same.
pub const LATE_AFTER: Duration = Duration::from_secs(15 * 60);

/// A timestamp further ahead than this is no clock's error.
pub const AHEAD_AT_MOST: Duration = Duration::from_secs(5 * 60);

/// The time for which a notification is recognised after its detail has gone. A later replay is too old for any account's bound.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// Notifications read in one step of a listing.
const PAGE: usize = 100;

/// A notification whose signature was verified.
#[derive(Clone, Copy, Debug)]
pub struct Notified<'a> {
    /// What it tells about.
    pub method: &'a str,
    /// The record that it is about; `None` for one that names none.
    pub record_id: Option<&'a str>,
    /// SHA-256 of its content.
    pub hash: [u8; 32],
    /// Its content as it was signed.
    pub content: &'a str,
    /// When the gateway wrote it.
    pub written: Option<Millis>,
    /// By which rule it was signed.
    pub sign_rule: &'a str,
    /// Whether it says something that may not go back.
    pub standing: Stands,
    /// Why a person must look at it before anybody relies on it.
    pub why_held: Option<&'a HeldReason>,
    /// Who is to be told.
    pub callback_url: Option<&'a str>,
    /// Of which kind the job is that it names, if it names one.
    pub kind: Option<Kind>,
    /// How long notifications are kept.
    pub retention: Duration,
    /// The greatest age of a notification that is passed on: an older one is kept apart for a person.
    pub max_age: Duration,
}

/// Whether a record has come to what may not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It has.
    ForGood,
    /// It has not.
    Open,
    /// This kind of notification does not say.
    Unsaid,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    New,
    /// It is kept as a further version of its record.
    Changed,
    /// It is kept, and went back from what stands for good.
    Regressed,
    /// It was kept before.
    Again,
    /// It was kept before, and the job that it names may not know of it.
    Unlinked,
    /// It is kept apart, for a person.
    Held,
    /// It is kept apart, now or before, because it was written too long ago.
    TooOld,
    /// It is not kept: its timestamp lies ahead.
    Ahead,
    /// It is not kept: its record has too many versions.
    TooMany,
}

impl Kept {
    const WORDS: [(&'static str, Self); 9] = [
        ("new", Self::New),
        ("changed", Self::Changed),
        ("regressed", Self::Regressed),
        ("again", Self::Again),
        ("unlinked", Self::Unlinked),
        ("held", Self::Held),
        ("too_old", Self::TooOld),
        ("ahead", Self::Ahead),
        ("too_many", Self::TooMany),
    ];
}

/// Which notifications are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shelf {
    /// Those that could be read.
    #[default]
    Read,
    /// Those that wait for a person.
    Held,
}

impl Store {
    /// Keeps a notification, and its event in the same step; returns once both are kept as surely as submissions are. Its number comes with it, 0 when it is not
    /// kept. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError`]: it may not be kept; the gateway must be told so, and delivers it again.
    pub async fn notify(&self, account: &AccountName, notified: &Notified<'_>) -> Result<(Kept, u64), StoreError> {
        crash_point("before_notification");
        let origin = Origin::Notifications(account.clone());
        let view = json!({"account": account, "method": notified.method, "record_id": notified.record_id,
            "written_at": notified.written.map(Millis::rfc3339), "content_sha256": hex(&notified.hash),
            "content": content(notified.content)})
        .to_string();
        let since = self.since();
        let mut call = self.scripts.notify.on(&self.keys.base(&origin));
        call.push(notified.method)
            .push(notified.record_id.unwrap_or_default())
            .push(hex(&notified.hash))
            .push(notified.content)
            .push(notified.written.unwrap_or_default().0)
            .push(notified.sign_rule)
            .push(match notified.standing {
                Stands::ForGood => "1",
                Stands::Open => "0",
                Stands::Unsaid => "",
            })
            .push(notified.why_held.map_or("", HeldReason::code))
            .push(notified.callback_url.unwrap_or_default())
            .push(view.strip_prefix('{').and_then(|view| view.strip_suffix('}')).unwrap_or_default())
            .push(whole_millis(LATE_AFTER))
            .push(whole_millis(AHEAD_AT_MOST))
            .push(whole_millis(notified.retention))
            .push(EVENTS_KEPT)
            .push(notified.kind.map_or("", Kind::as_str))
            .push(whole_millis(notified.max_age))
            .push(whole_millis(TOMBSTONE_KEPT))
            .push(HeldReason::TooOld.code());
        let (word, number): (String, u64) = call.run(self).await?;
        self.kept(since).await?;
        crash_point("after_notification");
        let kept = Kept::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, kept)| kept);
        let kept = kept.ok_or_else(|| StoreError::Unreadable {
            what: "the reply of notify".into(),
            detail: format!("{word:?} is no answer"),
        })?;
        Ok((kept, number))
    }

    /// Writes into the log of the job that `about` names, by its key or by what it is about, that a notification named it.
    /// The job's key; `None` when there is no such job.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn mention(
        &self,
        lane: &Lane,
        about: &str,
        number: u64,
        method: &str,
    ) -> Result<Option<Key>, StoreError> {
        let mut call = self.scripts.mention.on(&self.keys.base(lane));
        call.push(about).push(number).push(method);
        let key: Option<String> = call.run(self).await?;
        Ok(key.and_then(|key| key.parse().ok()))
    }

    /// The job that this notification names knows of it: further deliveries need nothing more.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; without it the next delivery links it again.
    pub async fn linked(&self, account: &AccountName, number: u64) -> Result<(), StoreError> {
        let origin = Origin::Notifications(account.clone());
        let mut call = self.scripts.link.on(&self.keys.base(&origin));
        call.push(number);
        call.run::<u8>(self).await.map(drop)
    }

    /// Notifications of an account, newest first, from before number `before`: at most `limit`, and fewer than 101.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notifications(
        &self,
        account: &AccountName,
        shelf: Shelf,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<NotificationView>, StoreError> {
        let base = self.keys.base(&Origin::Notifications(account.clone()));
        let set = match shelf {
            Shelf::Read => "notes",
            Shelf::Held => "held",
        };
        let mut command = redis::cmd("ZRANGE");
        let from = before.map_or_else(|| "+inf".to_owned(), |before| format!("({before}"));
        command.arg(format!("{base}{set}")).arg(from).arg("-inf").arg("BYSCORE").arg("REV");
        command.arg("LIMIT").arg(0).arg(limit.min(PAGE));
        let ids: Vec<u64> =
            command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("ZRANGE", source))?;
        self.notes(account, &base, &ids).await
    }

    /// One notification by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification(&self, account: &AccountName, id: u64) -> Result<Option<NotificationView>, StoreError> {
        let base = self.keys.base(&Origin::Notifications(account.clone()));
        Ok(self.notes(account, &base, &[id]).await?.pop())
    }

    /// The attempts to tell of a notification, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_log(&self, account: &AccountName, id: u64) -> Result<Vec<HistoryEvent>, StoreError> {
        let base = self.keys.base(&Origin::Notifications(account.clone()));
        let mut command = redis::cmd("LRANGE");
        command.arg(format!("{base}log:{id}")).arg(0).arg(-1);
        let lines: Vec<Vec<u8>> =
            command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("LRANGE", source))?;
        Ok(lines.iter().map(|line| HistoryEvent::read(line)).collect())
    }

    pub(crate) async fn notes(
        &self,
        account: &AccountName,
        base: &str,
        ids: &[u64],
    ) -> Result<Vec<NotificationView>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for id in ids {
            pipeline.hgetall(format!("{base}note:{id}"));
        }
        let found: Vec<HashMap<String, String>> =
            pipeline.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("HGETALL", source))?;
        let found = ids.iter().zip(found).filter(|(_, fields)| !fields.is_empty());
        Ok(found.map(|(id, fields)| view(account, *id, &fields)).collect())
    }
}

fn view(account: &AccountName, id: u64, fields: &HashMap<String, String>) -> NotificationView {
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    NotificationView {
        id,
        account: account.to_string(),
        method: text("m").unwrap_or_default(),
        record_id: text("r"),
        version: u32::try_from(number("v")).unwrap_or(u32::MAX),
        outcome: text("o").unwrap_or_default(),
        late: fields.contains_key("late"),
        reason: text("why").as_deref().map(HeldReason::read),
        written_at: Some(number("at")).filter(|at| *at > 0).map(|at| Millis(at).rfc3339()),
        received_at: Millis(number("t")).rfc3339(),
        deliveries: number("d"),
        sign_rule: text("rule").unwrap_or_default(),
        content: content(fields.get("b").map_or("", String::as_str)),
    }
}

/// A content as JSON, or as the text that it is.
fn content(text: &str) -> Value {
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(object) => Value::Object(object),
        Err(_) => Value::String(text.to_owned()),
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
