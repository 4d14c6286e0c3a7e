//! A job's record: one JSON text with full names, `PREFIX:{P}:job:QUEUE:KEY`. This module alone reads and writes it.
//!
//! Fields that are empty or zero are left out. Fields that this build does not know are kept when it writes the record back, so that
//! builds of two neighbouring versions can work on one Redis.

use bursar_domain::{ContentDetails, HistoryEvent, Job, Millis, Outcome, Reason, State, TraceParent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::read::lossy;
use crate::StoreError;

/// The layout of a record that this build writes, and the newest one that it reads.
const RECORD_VERSION: u32 = 2;

/// The layout of a record that this build writes, and the newest one that it reads. In a debug build `BURSAR_RECORD_VERSION` names
/// another one, so that a test can have processes of two versions work on one Redis.
#[must_use]
pub fn record_version() -> u32 {
    #[cfg(debug_assertions)]
    {
        static CHOSEN: std::sync::LazyLock<Option<u32>> =
            std::sync::LazyLock::new(|| std::env::var("BURSAR_RECORD_VERSION").ok()?.parse().ok());
        CHOSEN.unwrap_or(RECORD_VERSION)
    }
    #[cfg(not(debug_assertions))]
    RECORD_VERSION
}

/// The events in a record; older ones are moved to `history:QUEUE:KEY`.
pub const INLINE_EVENTS: usize = 8;

/// Bytes of the content's hash that a tombstone keeps.
pub(crate) const TOMBSTONE_HASH_BYTES: usize = 16;

/// The usual length of an event's text: room for it is made at once.
const USUAL_EVENT_BYTES: usize = 256;

/// The usual length of the other fields but the content, with their names.
const USUAL_FIELDS_BYTES: usize = 384;

/// The gateway's numbers that are kept for one job.
const MAX_TRADE_NOS: usize = 8;

/// A job as it is stored. While a worker has claimed it, the record stays unchanged, and the claim entry has the rest:
/// [`super::overlay`] combines the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    rename = "Record",
    description = "A job's record, as Redis has it. Fields that are empty or zero are left out, and fields may be added."
)]
pub(crate) struct StoredJob {
    /// The record's version.
    pub(crate) v: u32,
    pub(crate) state: State,
    /// The time at which it was accepted (ms of Redis time); absent in a tombstone, which has only its state and half
    /// of its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Millis>,
    /// The earliest time to send it, if its producer named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_at: Option<Millis>,
    /// The time of its last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) updated_at: Option<Millis>,
    /// The queue's era at that time: the number of noticed losses.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) era: u64,
    /// The fence of the last claim that ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) fence: u64,
    /// The token of the last claim that ended, by which a repeated commit is recognised.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) last_claim: String,
    /// Requests that may have left.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub(crate) sends: u32,
    /// Of them those made while an earlier one might have been executed.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub(crate) resends: u32,
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub(crate) queries: u32,
    /// Claims whose worker was lost.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub(crate) claims_lost: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_sent_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_sent_at: Option<Millis>,
    /// The time at which it reached its final state: the counts of ended jobs have it there. Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Millis>,
    /// The time of the last call that an operator ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ordered_at: Option<Millis>,
    /// The outcome of a response that arrived after its claim had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) late_outcome: Option<Outcome>,
    /// SHA-256 of the content, Base64; of a tombstone, its first half.
    #[serde(rename = "sha256")]
    #[schemars(with = "String")]
    pub(crate) hash: Hash,
    /// The group that shares the queue fairly with others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) fair_group: String,
    /// The accepted bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub(crate) content: Option<Raw>,
    /// The gateway's numbers for it, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trade_nos: Vec<String>,
    /// The gateway's status as it wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
    /// The name of the environment that it was submitted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    /// Webhook events so far.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub(crate) webhooks: u32,
    /// The newest events, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<HistoryEvent>,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

/// The reason why this build cannot read a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer build wrote it: it is left for one.
    #[error("written by a newer build: its version is {v}, and this build reads up to {}", record_version())]
    Newer {
        /// The record's version.
        v: u32,
    },
    /// It is no record at all.
    #[error("{0}")]
    Damaged(String),
}

impl StoredJob {
    /// Reads a record's text.
    pub(crate) fn read(text: &str) -> Result<Self, Unreadable> {
        match serde_json::from_str::<Self>(text) {
            // This build writes records back in its own layout.
            Ok(record) if record.v <= record_version() => Ok(Self { v: record_version(), ..record }),
            Ok(record) => Err(Unreadable::Newer { v: record.v }),
            Err(error) => Err(newer(text).unwrap_or_else(|| Unreadable::Damaged(error.to_string()))),
        }
    }

    /// The text that is stored.
    pub(crate) fn text(&self) -> String {
        let content = self.content.as_ref().map_or(0, |content| content.text().len());
        let events = self.history.len().saturating_mul(USUAL_EVENT_BYTES);
        let mut text = Vec::with_capacity(content.saturating_add(events).saturating_add(USUAL_FIELDS_BYTES));
        // Texts, numbers and raw JSON: writing them cannot fail, and makes UTF-8.
        serde_json::to_writer(&mut text, self).map_or_else(|_| String::new(), |()| lossy(text))
    }

    /// The rest of it when its details are deleted.
    pub(crate) fn tombstone(&self) -> Self {
        Self {
            state: self.state,
            hash: Hash(self.hash.0.iter().copied().take(TOMBSTONE_HASH_BYTES).collect()),
            ..Self::new(self.state, Hash::default())
        }
    }

    /// A record without anything but its state and hash.
    pub(crate) fn new(state: State, hash: Hash) -> Self {
        Self {
            v: record_version(),
            state,
            created_at: None,
            run_at: None,
            updated_at: None,
            era: 0,
            fence: 0,
            last_claim: String::new(),
            sends: 0,
            resends: 0,
            queries: 0,
            claims_lost: 0,
            first_sent_at: None,
            last_sent_at: None,
            ended_at: None,
            ordered_at: None,
            late_outcome: None,
            hash,
            fair_group: String::new(),
            content: None,
            trade_nos: Vec::new(),
            gateway_status: None,
            reason: None,
            callback_url: None,
            traceparent: None,
            environment: None,
            webhooks: 0,
            history: Vec::new(),
            more: Map::new(),
        }
    }

    /// The record of a job that is accepted. The script adds the time and the era.
    ///
    /// # Errors
    /// If its content is no JSON.
    pub(crate) fn accepted(job: &Job, group: &str) -> Result<Self, StoreError> {
        let content = Raw::new(job.content.text()).ok_or_else(|| StoreError::Unreadable {
            what: format!("the content of job {}", job.key),
            detail: "it is no JSON".into(),
        })?;
        Ok(Self {
            run_at: job.run_at,
            fair_group: group.to_owned(),
            content: Some(content),
            callback_url: job.callback_url.clone(),
            traceparent: job.trace.as_ref().map(|trace| TraceParent::as_str(trace).to_owned()),
            environment: job.environment.clone(),
            ..Self::new(State::Queued, Hash(job.content.hash().to_vec()))
        })
    }

    pub(crate) fn is_tombstone(&self) -> bool {
        self.created_at.is_none()
    }

    /// True if this hash is that of the job's content.
    pub(crate) fn has_hash(&self, hash: &[u8]) -> bool {
        let compared = if self.is_tombstone() { hash.get(..self.hash.0.len()).unwrap_or(hash) } else { hash };
        !self.hash.0.is_empty() && self.hash.0 == compared
    }

    /// Adds new numbers after the known ones; the oldest are dropped beyond the bound.
    pub(crate) fn learn(&mut self, numbers: &[String]) {
        for number in numbers {
            if !self.trade_nos.contains(number) {
                self.trade_nos.push(number.clone());
            }
        }
        let surplus = self.trade_nos.len().saturating_sub(MAX_TRADE_NOS);
        self.trade_nos.drain(..surplus);
    }

    /// Counts and returns the webhook event for the job's state at that moment, as JSON; empty if there is no receiver.
    pub(crate) fn webhook_event(&mut self, at: Millis) -> String {
        let is_announced = match self.state {
            State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled => true,
            State::Queued | State::InDoubt | State::Pending => false,
        };
        if !is_announced || self.callback_url.is_none() {
            return String::new();
        }
        self.webhooks = self.webhooks.saturating_add(1);
        let event = WebhookEvent {
            sequence: self.webhooks,
            at,
            state: self.state,
            created_at: self.created_at,
            sends: self.sends,
            queries: self.queries,
            trade_no: self.trade_nos.last().cloned(),
            gateway_status: self.gateway_status.clone(),
            reason: self.reason.clone(),
            environment: self.environment.clone(),
            details: ContentDetails::default(),
        };
        serde_json::to_string(&event).unwrap_or_default() // texts and numbers: writing them cannot fail
    }

    /// The events beyond the record's bound, as history lines, oldest first.
    pub(crate) fn overflow(&mut self) -> Vec<String> {
        let surplus = self.history.len().saturating_sub(INLINE_EVENTS);
        self.history.drain(..surplus).map(|event| event.recorded()).collect()
    }
}

/// A version that cannot be read otherwise may be a newer one.
pub(crate) fn newer(text: &str) -> Option<Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_str(text).ok()?;
    (v > record_version()).then_some(Unreadable::Newer { v })
}

/// The webhook event of a job: its end, or that it needs review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// Its number among the job's events.
    pub sequence: u32,
    /// The time at which it happened.
    pub at: Millis,
    /// The state.
    pub state: State,
    /// The time at which the job was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Millis>,
    /// Requests that may have left.
    #[serde(default)]
    pub sends: u32,
    /// Queries.
    #[serde(default)]
    pub queries: u32,
    /// The gateway's newest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade_no: Option<String>,
    /// The gateway's status as it wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_status: Option<String>,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The name of the environment that the job was submitted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The amount and the parties of the job, masked: of its record, which the event is delivered with.
    #[serde(skip)]
    pub details: ContentDetails,
}

/// A hash's bytes, written in Base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) Vec<u8>);

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        serializer.serialize_str(&base64::prelude::BASE64_STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine;
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        base64::prelude::BASE64_STANDARD_NO_PAD.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// JSON that is kept byte for byte.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Raw(Box<RawValue>);

impl Raw {
    /// `None` for a text that is no JSON.
    pub(crate) fn new(text: &str) -> Option<Self> {
        RawValue::from_string(text.to_owned()).ok().map(Self)
    }

    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) const fn is_zero_u32(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = r#"{"node_id":"00061967","total_amount":10,"remark":"货款 \u4e00"}"#;

    fn finished() -> StoredJob {
        StoredJob {
            created_at: Some(Millis(1_795_938_993_688)),
            updated_at: Some(Millis(1_795_938_993_951)),
            fence: 12,
            last_claim: "vm-1/7".into(),
            sends: 1,
            content: Raw::new(CONTENT),
            trade_nos: vec!["2025062413293980461".into()],
            gateway_status: Some("1".into()),
            ..StoredJob::new(State::Succeeded, Hash(vec![7; 32]))
        }
    }

    #[test]
    fn a_record_reads_back_with_its_content_byte_for_byte() {
        let text = finished().text();
        let read = StoredJob::read(&text).unwrap();
        assert_eq!(read, finished());
        assert_eq!(read.text(), text);
        assert!(text.contains(CONTENT), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["content"]["total_amount"], 10, "a reader of Redis finds JSON in JSON");
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let fields: Map<String, Value> =
            serde_json::from_str(&StoredJob::new(State::Queued, Hash(vec![1; 32])).text()).unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["sha256", "state", "v"]);
    }

    #[test]
    fn fields_and_events_of_a_newer_build_are_kept() {
        let mut value: Value = serde_json::from_str(&finished().text()).unwrap();
        value["colour"] = serde_json::json!({"shade": [1, 2]});
        value["history"] = serde_json::json!([{"event": "blessed", "at": 5, "by": "li"}]);
        let mut read = StoredJob::read(&value.to_string()).unwrap();
        read.state = State::Refunded;
        let written: Value = serde_json::from_str(&read.text()).unwrap();
        assert_eq!(written["colour"], value["colour"]);
        assert_eq!(written["history"], value["history"]);
    }

    #[test]
    fn a_newer_version_differs_from_a_damaged_text() {
        for (text, expected) in [
            (r#"{"v":3,"state":"queued","sha256":""}"#, Some(3)),
            (r#"{"v":3,"state":"dreaming"}"#, Some(3)),
            (r#"{"v":2,"state":"dreaming","sha256":""}"#, None),
            (r#"{"v":2,"sha256":""}"#, None),
            (r#"{"state":"queued","sha256":""}"#, None),
            ("", None),
            ("[]", None),
            ("{\"v\":2,", None),
        ] {
            match (StoredJob::read(text).unwrap_err(), expected) {
                (Unreadable::Newer { v }, Some(version)) => assert_eq!(v, version, "{text}"),
                (Unreadable::Damaged(why), None) => assert!(!why.is_empty(), "{text}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_tombstone_has_half_of_its_contents_hash() {
        let tombstone = finished().tombstone();
        assert_eq!(tombstone.text(), r#"{"v":2,"state":"succeeded","sha256":"BwcHBwcHBwcHBwcHBwcHBw"}"#);
        let read = StoredJob::read(&tombstone.text()).unwrap();
        assert!(read.is_tombstone() && read.has_hash(&[7; 32]));
        let mut other = [7; 32];
        other[3] = 8;
        assert!(!read.has_hash(&other) && !read.has_hash(&[]));
        assert!(
            finished().has_hash(&[7; 32]) && !finished().has_hash(&[7; 16]),
            "a whole record compares the whole hash"
        );
    }

    #[test]
    fn the_newest_trade_numbers_stay() {
        let mut record = finished();
        record.trade_nos = (1..=MAX_TRADE_NOS).map(|number| number.to_string()).collect();
        record.learn(&["1".into(), "9".into()]);
        assert_eq!(record.trade_nos, ["2", "3", "4", "5", "6", "7", "8", "9"]);
    }

    #[test]
    fn events_beyond_the_newest_leave_the_record_oldest_first() {
        let mut record = finished();
        let event = |at: u64| HistoryEvent::read(format!(r#"{{"event":"blessed","at":{at}}}"#).as_bytes());
        record.history = (1..=10).map(event).collect();
        assert_eq!(record.overflow(), [r#"{"event":"blessed","at":1}"#, r#"{"event":"blessed","at":2}"#]);
        assert_eq!(record.history.len(), INLINE_EVENTS);
        assert!(record.overflow().is_empty());
    }
}
