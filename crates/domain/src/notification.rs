//! A gateway's notification as outsiders read it.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;

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

/// As outsiders read it: `{"code": …, "message": …}`.
impl Serialize for HeldReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("HeldReason", 2)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}

/// One version of what a gateway has notified an account of. Holds names and account numbers of people: code that shows it to
/// readers masks `content` first.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct NotificationView {
    /// Its number within the account.
    pub id: u64,
    /// The account's name.
    pub account: String,
    /// The gateway's method: `bkfunds.acct.transfer.notify`.
    pub method: String,
    /// Which record it is about; versions of one record have it in common.
    pub record_id: Option<String>,
    /// Which version of the record this is, in the order of arrival.
    pub version: u32,
    /// `new`, `changed`, `regressed` (it went back from a final status: an alarm, and no newer status) or `held` (it was
    /// signed, and a person must look at it).
    pub outcome: String,
    /// True if its timestamp was old when it came first.
    pub late: bool,
    /// Why a person must look at it: `code` and `message`.
    pub reason: Option<HeldReason>,
    /// When the gateway wrote it, RFC 3339 in UTC.
    pub written_at: Option<String>,
    /// When it came first.
    pub received_at: String,
    /// The number of times that it came.
    pub deliveries: u64,
    /// By which rule it was signed, `a` or `b`, to be pinned.
    pub sign_rule: String,
    /// Its content; a text where it is no JSON.
    pub content: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_reason_reads_as_it_is_recorded_and_an_unknown_code_is_shown() {
        for reason in HeldReason::ALL {
            assert_eq!(HeldReason::read(reason.code()), reason);
            assert_ne!(reason.to_string(), reason.code());
        }
        let newer = HeldReason::read("of_a_newer_build");
        let expected = serde_json::json!({"code": "of_a_newer_build", "message": "of_a_newer_build"});
        assert_eq!(serde_json::to_value(newer).unwrap(), expected);
    }
}
