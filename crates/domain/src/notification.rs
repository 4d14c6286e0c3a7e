//! A gateway's notification as outsiders read it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{AccountName, Millis};

/// Why a notification is held: it was signed, and a person must look at it before anybody relies on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldReason {
    /// Its content is no JSON object.
    NotAnObject,
    /// Its timestamp is not in the page's format.
    UnreadableTimestamp,
    /// It names no job where its method was said to name one.
    NamesNoJob,
    /// Its method is not one that `notify_methods` expects.
    UnexpectedMethod,
    /// It has no `record_id`.
    NoRecordId,
    /// Its timestamp is older than `notify_max_age`.
    TooOld,
    /// A code of a newer build.
    Other(String),
}

impl HeldReason {
    /// Every one that this build gives.
    pub const ALL: [Self; 6] = [
        Self::NotAnObject,
        Self::UnreadableTimestamp,
        Self::NamesNoJob,
        Self::UnexpectedMethod,
        Self::NoRecordId,
        Self::TooOld,
    ];

    /// The code, as it is recorded.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::UnreadableTimestamp => "unreadable_timestamp",
            Self::NamesNoJob => "names_no_job",
            Self::UnexpectedMethod => "unexpected_method",
            Self::NoRecordId => "no_record_id",
            Self::TooOld => "too_old",
            Self::Other(code) => code,
        }
    }

    /// The reason of this code.
    #[must_use]
    pub fn read(code: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.code() == code).unwrap_or_else(|| Self::Other(code.to_owned()))
    }
}

/// In English.
impl fmt::Display for HeldReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotAnObject => "its content is no JSON object",
            Self::UnreadableTimestamp => "its timestamp is not in the page's format",
            Self::NamesNoJob => "it names no job where its method was said to name one",
            Self::UnexpectedMethod => "its method is not one that notify_methods expects",
            Self::NoRecordId => "it has no record_id",
            Self::TooOld => "its timestamp is older than notify_max_age",
            Self::Other(code) => code,
        })
    }
}

/// A held notification's reason as outsiders read it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HeldReason")]
struct HeldReasonView<'a> {
    /// The reason's code. Codes may be added.
    #[schemars(extend("examples" = HeldReason::ALL.map(|reason| reason.code().to_owned())))]
    code: &'a str,
    /// The reason as an English text. Programs read `code`.
    message: String,
}

impl Serialize for HeldReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HeldReasonView { code: self.code(), message: self.to_string() }.serialize(serializer)
    }
}

impl JsonSchema for HeldReason {
    fn schema_name() -> Cow<'static, str> {
        HeldReasonView::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        HeldReasonView::json_schema(generator)
    }
}

/// A notification's place among the versions of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationOutcome {
    /// The first one of its record.
    New,
    /// Another version of its record.
    Changed,
    /// It takes back what an earlier version says is final: an alarm, and no newer word.
    Regressed,
    /// It is signed, and a person must look at it.
    Held,
}

impl NotificationOutcome {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::New, Self::Changed, Self::Regressed, Self::Held];

    /// The word for it on record and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Regressed => "regressed",
            Self::Held => "held",
        }
    }
}

/// One version of a gateway's notification. It holds names and account numbers of people: readers are shown it with its `content` masked.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Notification")]
pub struct NotificationView {
    /// The notification's number within the account.
    pub id: u64,
    /// The account's name.
    #[schemars(with = "AccountName")]
    pub account: String,
    /// The gateway's method.
    #[schemars(example = "bkfunds.acct.transfer.notify")]
    pub method: String,
    /// The gateway's id of the record; versions of one record have it in common.
    pub record_id: Option<String>,
    /// The notification's version of its record, in the order of arrival.
    pub version: u32,
    /// The notification's place among the versions of its record.
    pub outcome: NotificationOutcome,
    /// True if its timestamp was old when it arrived first.
    pub late: bool,
    /// Why a person must look at it.
    pub reason: Option<HeldReason>,
    /// When the gateway wrote it.
    #[schemars(with = "Option<Millis>")]
    pub written_at: Option<String>,
    /// When it arrived first.
    #[schemars(with = "Millis")]
    pub received_at: String,
    /// The number of times that it arrived.
    pub deliveries: u64,
    /// The rule by which it was signed, `a` or `b`.
    pub sign_rule: String,
    /// The content as the gateway wrote it; a text where it is no JSON object.
    pub content: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_back_and_an_unknown_code_is_shown() {
        for reason in HeldReason::ALL {
            assert_eq!(HeldReason::read(reason.code()), reason);
            assert_ne!(reason.to_string(), reason.code());
        }
        let newer = HeldReason::read("of_a_newer_build");
        let expected = serde_json::json!({"code": "of_a_newer_build", "message": "of_a_newer_build"});
        assert_eq!(serde_json::to_value(newer).unwrap(), expected);
    }
}
