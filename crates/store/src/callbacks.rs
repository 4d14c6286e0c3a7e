//! Telling producers: what is due to be told, taken by one teller at a time, and what became of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bursar_domain::{
    AccountName, Delivery, DeliveryError, DeliveryOutcome, HistoryEvent, IdError, JobView, Lane, Millis, Reason, State,
    TraceParent,
};
use redis::Value;
use serde::Deserialize;

use crate::claim::whole_millis;
use crate::scripts::{EVENTS_KEPT, LOG_QUIET_AFTER};
use crate::submit::word_of;
use crate::{Committed, Store, StoreError};

/// Events in one call of a script: a bound on how long it holds Redis.
pub const MAX_CALLBACKS: usize = 256;

/// What stands in a lane's name where an account's notifications have their keys.
const NOTIFICATIONS: &str = "notify";

/// Whose events they are: what shares a hash tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Jobs of a lane.
    Jobs(Lane),
    /// The gateway's notifications to an account.
    Notifications(AccountName),
}

impl Origin {
    /// What the names of its records begin with.
    pub(crate) const fn records(&self) -> &'static str {
        match self {
            Self::Jobs(_) => "job:",
            Self::Notifications(_) => "note:",
        }
    }
}

impl From<Lane> for Origin {
    fn from(lane: Lane) -> Self {
        Self::Jobs(lane)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jobs(lane) => lane.fmt(out),
            Self::Notifications(account) => write!(out, "{account}/{NOTIFICATIONS}"),
        }
    }
}

impl FromStr for Origin {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((account, NOTIFICATIONS)) => account.parse().map(Self::Notifications),
            Some(_) | None => text.parse().map(Self::Jobs),
        }
    }
}

/// An event to be told: the taker's own until its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The job's key, or the notification's number.
    pub key: String,
    /// The outcome must carry it.
    pub fence: u64,
    /// Where to.
    pub url: String,
    /// Attempts that failed so far.
    pub failures: u32,
    /// When it was first tried: now, if it was not before.
    pub first_tried: Millis,
    /// Which of the events of its job or notification this is; they are told in this order.
    pub number: u64,
    /// When it happened.
    pub at: Millis,
    /// What happened.
    pub what: Happened,
    /// The trace that its job belongs to.
    pub trace: Option<TraceParent>,
}

/// What there is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A job ended or came before a person: as it was then.
    Job(Box<JobView>),
    /// The gateway has notified: the notification as outsiders read it, with its whole content.
    Notified(serde_json::Value),
}

/// How much an origin has to tell, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackStatus {
    /// Jobs, or notifications, with something to be told.
    pub waiting: u64,
    /// When the first of them is to be tried.
    pub next_due: Option<Millis>,
    /// When the event was tried first that has been tried longest, among those that are due first: [`LOOKED_AT`](crate::LOOKED_AT) of them,
    /// or fewer where many origins have something to tell.
    pub first_tried: Option<Millis>,
    /// When this was so, in Redis time.
    pub now: Millis,
}

/// What was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callbacks {
    /// When, in Redis time.
    pub now: Millis,
    /// When to look again at the latest; `None` when nothing waits.
    pub next_due: Option<Millis>,
    /// One event of each job at most.
    pub due: Vec<Callback>,
}

/// What became of one attempt to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// The receiver has it.
    Told,
    /// It may not have it: again at this time.
    Failed(Millis),
    /// It was tried for long enough.
    GivenUp,
    /// The receiver wants no more about this job.
    Gone,
    /// It was not tried: others are first. Again at this time.
    PutOff(Millis),
}

impl Telling {
    const fn words(self) -> (&'static str, u64) {
        match self {
            Self::Told => ("told", 0),
            Self::Failed(again) => ("failed", again.0),
            Self::GivenUp => ("given_up", 0),
            Self::Gone => ("gone", 0),
            Self::PutOff(again) => ("put_off", again.0),
        }
    }
}

/// The outcome for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldOrNot {
    /// The job's key, or the notification's number.
    pub key: String,
    /// The fence under which it was taken.
    pub fence: u64,
    /// What became of it.
    pub telling: Telling,
    /// What the history is to say of it, without its time; `None` for nothing.
    pub delivery: Option<Delivery>,
}

type Row = (String, u64, String, String, u32, u64, String);

impl Store {
    /// Takes at most `most` due events, one of each job, for `lease`.
    ///
    /// # Errors
    /// [`StoreError`]: some may have been taken; they come due again when the lease ends.
    pub async fn claim_callbacks(
        &self,
        origin: &Origin,
        lease: Duration,
        most: usize,
    ) -> Result<Callbacks, StoreError> {
        let mut call = self.scripts.claim_callbacks.on(&self.keys.base(origin));
        call.push(whole_millis(lease)).push(most.min(MAX_CALLBACKS)).push(origin.records());
        let (now, next_due, rows): (u64, i64, Vec<Row>) = call.run(self).await?;
        let mut due = Vec::with_capacity(rows.len());
        let mut unreadable = Vec::new();
        for row in rows {
            let (key, fence) = (row.0.clone(), row.1);
            match callback(origin, row) {
                Some(callback) => due.push(callback),
                None => unreadable.push(ToldOrNot { key, fence, telling: Telling::GivenUp, delivery: Some(unread()) }),
            }
        }
        // One that this build cannot read must not keep those behind it from being told.
        self.commit_callbacks(origin, &unreadable).await?;
        Ok(Callbacks { now: Millis(now), next_due: u64::try_from(next_due).ok().map(Millis), due })
    }

    /// Records what became of events; one answer each, in order. Safe to repeat under each fence.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; what stays unrecorded is told again when its lease ends.
    pub async fn commit_callbacks(
        &self,
        origin: &Origin,
        outcomes: &[ToldOrNot],
    ) -> Result<Vec<Committed>, StoreError> {
        let mut answers = Vec::with_capacity(outcomes.len());
        for batch in outcomes.chunks(MAX_CALLBACKS) {
            let mut call = self.scripts.commit_callbacks.on(&self.keys.base(origin));
            call.push(EVENTS_KEPT).push(LOG_QUIET_AFTER).push(origin.records());
            for outcome in batch {
                let (word, again) = outcome.telling.words();
                let line = outcome.delivery.clone().map(|delivery| HistoryEvent::Delivery(delivery).recorded());
                call.push(&outcome.key).push(outcome.fence).push(word).push(again).push(line.unwrap_or_default());
            }
            let replies: Vec<Value> = call.run(self).await?;
            for reply in &replies {
                answers.push(word_of("commit_callbacks", reply, Committed::WORDS)?);
            }
        }
        Ok(answers)
    }
}

fn unread() -> Delivery {
    Delivery { error: Some(DeliveryError::UnreadableEvent), ..Delivery::of(DeliveryOutcome::GivenUp) }
}

/// An event as the scripts put it down.
#[derive(Deserialize)]
struct Stored {
    n: u64,
    t: u64,
    s: Option<String>,
    c: Option<u64>,
    sends: Option<u32>,
    asks: Option<u32>,
    no: Option<String>,
    g: Option<String>,
    r: Option<String>,
    note: Option<serde_json::Value>,
}

fn callback(origin: &Origin, (key, fence, event, url, failures, first_tried, trace): Row) -> Option<Callback> {
    let stored: Stored = serde_json::from_str(&event).ok()?;
    let (number, at) = (stored.n, Millis(stored.t));
    let what = match origin {
        Origin::Jobs(lane) => Happened::Job(Box::new(as_it_was(lane, &key, stored)?)),
        Origin::Notifications(_) => Happened::Notified(stored.note?),
    };
    let (first_tried, trace) = (Millis(first_tried), trace.parse().ok());
    Some(Callback { key, fence, url, failures, first_tried, number, at, what, trace })
}

fn as_it_was(lane: &Lane, key: &str, stored: Stored) -> Option<JobView> {
    let state: State = stored.s?.parse().ok()?;
    Some(JobView {
        account: lane.account.to_string(),
        kind: lane.kind.to_string(),
        platform_no: key.to_owned(),
        state,
        trade_no: stored.no.and_then(|numbers| numbers.split_whitespace().last().map(str::to_owned)),
        gateway_status: stored.g,
        attempts: stored.sends.unwrap_or_default(),
        asks: stored.asks.unwrap_or_default(),
        created_at: JobView::time(stored.c.map(Millis)),
        updated_at: JobView::time(Some(Millis(stored.t))),
        due_at: None,
        reason: stored.r.as_deref().map(Reason::read),
    })
}
