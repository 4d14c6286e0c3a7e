//! A notification as it is stored, and the data of the gateway's record that it is about: JSON texts with full names.

use std::collections::BTreeMap;

use bursar_domain::{AccountName, HeldReason, Millis, NotificationOutcome, NotificationView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jobs::record::{Raw, Unreadable, newer, record_version};

/// One notification: `notification:QUEUE:NUMBER`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredNotification {
    /// The record's version.
    pub(crate) v: u32,
    pub(crate) method: String,
    /// The gateway's record that it is about, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record_id: Option<String>,
    /// The time of its first arrival.
    pub(crate) received_at: Millis,
    /// The time at which the gateway wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) written_at: Option<Millis>,
    /// The rule by which it was signed.
    pub(crate) sign_rule: String,
    /// Its place among the versions of its record.
    pub(crate) version: u32,
    /// The number of its arrivals.
    pub(crate) deliveries: u64,
    pub(crate) outcome: NotificationOutcome,
    /// True if its timestamp was old at its first arrival.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) late: bool,
    /// The code of the reason why it needs review before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_reason: Option<String>,
    /// The receiver of its webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<String>,
    /// True if the job that it names has it in its history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) linked: bool,
    /// SHA-256 of its content, hex.
    pub(crate) sha256: String,
    /// Its content as it was signed; a text where it is no JSON object.
    pub(crate) content: Raw,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl StoredNotification {
    pub(crate) fn read(text: &str) -> Result<Self, Unreadable> {
        read(text)
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts, numbers and raw JSON: writing them cannot fail
    }

    pub(crate) fn content(&self) -> Value {
        serde_json::from_str(self.content.text()).unwrap_or_default() // it is JSON, or it could not have been read
    }

    /// As outsiders read it.
    pub(crate) fn view(&self, account: &AccountName, number: u64) -> NotificationView {
        NotificationView {
            id: number,
            account: account.to_string(),
            method: self.method.clone(),
            record_id: self.record_id.clone(),
            version: self.version,
            outcome: self.outcome,
            late: self.late,
            reason: self.held_reason.as_deref().map(HeldReason::read),
            written_at: self.written_at.map(Millis::rfc3339),
            received_at: self.received_at.rfc3339(),
            deliveries: self.deliveries,
            sign_rule: self.sign_rule.clone(),
            content: self.content(),
        }
    }
}

/// The data of one of the gateway's records, `record:QUEUE:METHOD:RECORD`, or of a held notification,
/// `held_record:QUEUE:METHOD:SHA256`. It outlives the notifications themselves: a replay is recognised, and a final
/// status stays final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownRecord {
    /// The layout's version.
    pub(crate) v: u32,
    /// The notifications' numbers by the SHA-256 of their contents (hex).
    pub(crate) versions: BTreeMap<String, u64>,
    /// The time of the newest version that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest_written_at: Option<Millis>,
    /// True if that version's status may not change back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", rename = "final")]
    pub(crate) is_final: bool,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl KnownRecord {
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Unreadable> {
        let nothing = Self {
            v: record_version(),
            versions: BTreeMap::new(),
            newest_written_at: None,
            is_final: false,
            more: Map::new(),
        };
        text.map_or(Ok(nothing), read)
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    if let Some(newer) = newer(text) {
        return Err(newer);
    }
    serde_json::from_str(text).map_err(|error| Unreadable::Damaged(error.to_string()))
}

/// A content as it is embedded in a record: an object byte for byte, anything else as a text.
pub(crate) fn embedded(content: &str) -> Option<Raw> {
    let is_object = serde_json::from_str::<Map<String, Value>>(content).is_ok();
    Raw::new(content).filter(|_| is_object).or_else(|| Raw::new(&Value::from(content).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_embedded_as_signed_and_anything_else_as_text() {
        for (content, expected) in [
            (r#"{"b":1,  "a":"王"}"#, r#"{"b":1,  "a":"王"}"#),
            ("6", r#""6""#),
            ("{}}", r#""{}}""#),
            (r#"["a"]"#, r#""[\"a\"]""#),
        ] {
            assert_eq!(embedded(content).unwrap().text(), expected);
        }
    }

    #[test]
    fn what_is_known_of_a_record_reads_as_it_is_written() {
        let text = r#"{"v":2,"versions":{"ab":1},"newest_written_at":5,"final":true,"colour":"red"}"#;
        assert_eq!(KnownRecord::read(Some(text)).unwrap().text(), text);
        assert!(KnownRecord::read(None).unwrap().versions.is_empty());
        assert_eq!(KnownRecord::read(Some(r#"{"v":9}"#)), Err(Unreadable::Newer { v: 9 }));
        assert!(matches!(KnownRecord::read(Some("{")), Err(Unreadable::Damaged(_))));
    }
}
