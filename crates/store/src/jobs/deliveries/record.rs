//! The data of a delivery besides its event: the record of attempts, and the claim entry.

use bursar_domain::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jobs::record::{Unreadable, is_zero_u32, newer, record_version};

/// The attempts at the next event: `delivery:QUEUE:KEY`. It exists only after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredDelivery {
    /// The record's version.
    pub(crate) v: u32,
    /// The token of the last claim that wrote it, by which a repeated commit is recognised.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) last_claim: String,
    /// Attempts that failed.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub(crate) failures: u32,
    /// The time of the event's first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_tried_at: Option<Millis>,
    /// True if the receiver wants no more events.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gone: bool,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl StoredDelivery {
    pub(crate) fn new() -> Self {
        Self {
            v: record_version(),
            last_claim: String::new(),
            failures: 0,
            first_tried_at: None,
            gone: false,
            more: Map::new(),
        }
    }

    /// Reads a record's text. A damaged one loses the count of failures, and prevents no delivery.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Unreadable> {
        let Some(text) = text else { return Ok(Self::new()) };
        if let Some(newer) = newer(text) {
            return Err(newer);
        }
        Ok(serde_json::from_str(text).unwrap_or_else(|_| Self::new()))
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }
}

/// A dispatcher's claim, in `delivery_claims:QUEUE`. `claim_deliveries.lua` writes it; it begins like a job's claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeliveryEntry {
    /// The claim's token: the dispatcher's name, a slash, and the number of that dispatcher's claim call.
    #[serde(rename = "claim")]
    pub(crate) token: String,
    call: String,
    pub(crate) at: Millis,
    /// The first of the claims before it that were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Box<DeliveryEntry>>,
}

impl DeliveryEntry {
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }

    /// Since when it is tried, by this claim or one that was lost.
    pub(crate) fn since(&self) -> Millis {
        self.after.as_ref().map_or(self.at, |after| after.since().min(self.at))
    }

    /// The entry that is in force once this claim is released; empty for none.
    pub(crate) fn released(&self) -> String {
        self.after.as_ref().map(|after| after.text()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_readable_and_keeps_what_a_newer_build_added() {
        let text = r#"{"v":2,"last_claim":"d/1","failures":2,"first_tried_at":5,"colour":"red"}"#;
        let record = StoredDelivery::read(Some(text)).unwrap();
        assert_eq!((record.failures, record.first_tried_at, record.gone), (2, Some(Millis(5)), false));
        assert_eq!(record.text(), text);
        assert_eq!(StoredDelivery::read(None).unwrap(), StoredDelivery::new());
    }

    #[test]
    fn a_damaged_record_begins_again_and_a_newer_one_is_left() {
        assert_eq!(StoredDelivery::read(Some("{")).unwrap(), StoredDelivery::new());
        assert_eq!(StoredDelivery::read(Some(r#"{"v":3,"failures":"many"}"#)), Err(Unreadable::Newer { v: 3 }));
    }

    #[test]
    fn an_entry_knows_its_first_try_and_its_defaults() {
        let lost = r#"{"claim":"a/1","call":"deliver","at":20}"#;
        let entry =
            DeliveryEntry::read(&format!(r#"{{"claim":"b/2","call":"deliver","at":30,"after":{lost}}}"#)).unwrap();
        assert_eq!((entry.since(), entry.released().as_str()), (Millis(20), lost));
        let first = DeliveryEntry::read(lost).unwrap();
        assert_eq!((first.since(), first.released().as_str()), (Millis(20), ""));
    }
}
