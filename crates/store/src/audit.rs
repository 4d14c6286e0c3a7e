//! The audit trail: an append-only stream that no bound of another stream trims. Events leave it by their age alone.
//!
//! An operator's action has two entries: one says what is intended and is written before the action, because the job's keys and the trail are
//! in different slots, and one has the result. A reader gets one event of both.

use std::collections::HashSet;
use std::time::Duration;

use bursar_domain::{AuditEvent, AuditFilter, AuditResult, Millis};
use redis::Pipeline;

use crate::jobs::whole_millis;
use crate::{Store, StoreError};

/// The retention of events where the configuration does not say: PCI DSS 10.5.1 asks for twelve months.
pub const AUDIT_KEEP: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Entries that one command reads: about 200 KB.
const STEP: usize = 500;

/// Entries that are read for one page, at most. A page that finds too few events in them has a next one.
const MAX_LOOKED_AT: usize = 10_000;

/// The longest time between an intention and its result: longer than every time limit of an action.
const MAX_BETWEEN: Duration = Duration::from_secs(10 * 60);

/// Results that are looked through for the intentions of a page.
const MAX_RESULTS: usize = 1_000;

/// A place in the trail, from which a page goes on to older events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditCursor {
    at: Millis,
    number: u64,
}

impl std::fmt::Display for AuditCursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}-{}", self.at.0, self.number)
    }
}

impl std::str::FromStr for AuditCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be the next of a page before";
        let (at, number) = text.split_once('-').ok_or(wrong)?;
        Ok(Self { at: Millis(at.parse().map_err(|_| wrong)?), number: number.parse().map_err(|_| wrong)? })
    }
}

/// A page of the trail, newest events first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// The place of the next page; `None` on the last one.
    pub next: Option<AuditCursor>,
    /// The number of entries that this build cannot read: a newer build wrote them, or they were edited.
    pub unreadable: u64,
}

/// An event whose intention is written, and whose result is not.
#[derive(Clone, Debug)]
pub struct Intention {
    event: AuditEvent,
}

/// One entry of the stream.
struct Entry {
    id: AuditCursor,
    event: AuditEvent,
    /// The entry whose result this is.
    intended: Option<AuditCursor>,
}

/// The reply of a range: ids, and the names and values of their entries.
type Entries = Vec<(String, Vec<String>)>;

impl Store {
    /// Keeps events of the audit trail for this time.
    #[must_use]
    pub fn with_audit_keep(mut self, keep: Duration) -> Self {
        self.audit_keep = keep;
        self
    }

    /// Writes an event that has its result. Returns it with its id and time once it is as durable as configured.
    ///
    /// # Errors
    /// [`StoreError`]: the event may have been written.
    pub async fn audit(&self, event: AuditEvent) -> Result<AuditEvent, StoreError> {
        self.append(event, None).await
    }

    /// Writes what an actor intends, before it is done.
    ///
    /// # Errors
    /// [`StoreError`]: the action must not be done.
    pub async fn audit_intention(&self, event: AuditEvent) -> Result<Intention, StoreError> {
        Ok(Intention { event: self.append(event, None).await? })
    }

    /// Writes the result of what was intended, and returns the whole event.
    ///
    /// # Errors
    /// [`StoreError`]: the trail may have the intention alone.
    pub async fn audit_result(
        &self,
        intention: Intention,
        result: AuditResult,
        detail: Option<String>,
    ) -> Result<AuditEvent, StoreError> {
        let Intention { event } = intention;
        let id = event.id.clone();
        self.append(event.ended(result, detail), Some(&id)).await
    }

    /// Writes an event that counts refused attempts. A Redis whose memory is full refuses it: strangers must not fill it.
    ///
    /// # Errors
    /// [`StoreError`]: the event may have been written.
    pub async fn audit_attempts(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XADD").arg(self.keys.audit()).arg("*").arg("event").arg(text(event)).ignore();
        self.query("XADD", &pipeline).await
    }

    /// The events that a filter passes, newest first, `limit` at most, older than `before`. A page may have fewer events and a next page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<AuditCursor>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let until = filter.until.map(|until| AuditCursor { at: until, number: 0 });
        let mut before = [before, until].into_iter().flatten().min();
        let mut results = match before {
            Some(place) => self.results_behind(place).await?,
            None => HashSet::new(),
        };
        let mut page = AuditPage::default();
        let mut looked_at = 0;
        while looked_at < MAX_LOOKED_AT {
            let newest = before.map_or_else(|| "+".to_owned(), |before| format!("({before}"));
            let oldest = filter.since.map_or_else(|| "-".to_owned(), |since| since.0.to_string());
            let mut pipeline = Pipeline::new();
            pipeline.cmd("XREVRANGE").arg(self.keys.audit()).arg(newest).arg(oldest).arg("COUNT").arg(STEP);
            let (entries,): (Entries,) = self.query("XREVRANGE", &pipeline).await?;
            let count = entries.len();
            for entry in entries {
                if page.events.len() >= limit {
                    return Ok(page);
                }
                before = entry.0.parse().ok().or(before);
                let Some(Entry { id, event, intended }) = read(entry) else {
                    page.unreadable += 1;
                    continue;
                };
                results.extend(intended);
                if !(event.result == AuditResult::Intended && results.contains(&id)) && filter.passes(&event) {
                    page.events.push(event);
                    page.next = before;
                }
            }
            looked_at += count;
            if count < STEP {
                return Ok(AuditPage { next: None, ..page });
            }
            page.next = before;
        }
        Ok(page)
    }

    /// The entries after a place, oldest first, `limit` at most, each with its place: an intention and its result are two. For a copy of
    /// the trail in files.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_entries(
        &self,
        after: Option<AuditCursor>,
        limit: usize,
    ) -> Result<Vec<(AuditCursor, AuditEvent)>, StoreError> {
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let entries = self.audit_range(&from, "+", limit).await?;
        Ok(entries.into_iter().map(|entry| (entry.id, entry.event)).collect())
    }

    /// The digest of the configuration with which a role began last; `None` if it never began.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_configuration(&self, role: &str) -> Result<Option<String>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.hget(self.keys.configurations(), role);
        let (digest,) = self.query("HGET", &pipeline).await?;
        Ok(digest)
    }

    /// Remembers the digest of the configuration with which a role begins.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn remember_configuration(&self, role: &str, digest: &str) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HSET").arg(self.keys.configurations()).arg(role).arg(digest).ignore();
        self.query("HSET", &pipeline).await
    }

    async fn append(&self, event: AuditEvent, intended: Option<&str>) -> Result<AuditEvent, StoreError> {
        let since = self.since();
        let mut call = self.scripts.audit.on_queue(&self.keys.audit());
        call.push(whole_millis(self.audit_keep)).push(text(&event)).push(intended.unwrap_or_default());
        let id: String = call.run(self).await?;
        self.kept(since).await?;
        Ok(dated(event, &id, intended))
    }

    /// The intentions whose results lie behind this place.
    async fn results_behind(&self, place: AuditCursor) -> Result<HashSet<AuditCursor>, StoreError> {
        let end = place.at.plus(MAX_BETWEEN).0.to_string();
        let entries = self.audit_range(&place.to_string(), &end, MAX_RESULTS).await?;
        Ok(entries.into_iter().filter_map(|entry| entry.intended).collect())
    }

    async fn audit_range(&self, from: &str, to: &str, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XRANGE").arg(self.keys.audit()).arg(from).arg(to).arg("COUNT").arg(limit);
        let (entries,): (Entries,) = self.query("XRANGE", &pipeline).await?;
        Ok(entries.into_iter().filter_map(read).collect())
    }
}

/// The event as the stream has it: its id and time are those of its entry.
fn text(event: &AuditEvent) -> String {
    let stored = AuditEvent { id: String::new(), time: String::new(), ..event.clone() };
    serde_json::to_string(&stored).unwrap_or_default() // texts and numbers: writing them cannot fail
}

fn dated(event: AuditEvent, entry: &str, intended: Option<&str>) -> AuditEvent {
    let time = entry.parse().map(|id: AuditCursor| id.at.rfc3339()).unwrap_or_default();
    AuditEvent { id: intended.unwrap_or(entry).to_owned(), time, ..event }
}

/// `None` for an entry that this build cannot read: a newer build wrote it, or it was edited.
fn read((id, fields): (String, Vec<String>)) -> Option<Entry> {
    let field = |name: &str| fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
    let intended = field("intended");
    let event = dated(serde_json::from_str(field("event")?).ok()?, &id, intended);
    Some(Entry { id: id.parse().ok()?, event, intended: intended.and_then(|id| id.parse().ok()) })
}
