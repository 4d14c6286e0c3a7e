//! A gateway's notification as outsiders read it.

use serde_json::Value;

/// One version of what a gateway has notified an account of. Holds names and account numbers of people: whoever shows it to
/// readers masks `content` first.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct NotificationView {
    /// Its number within the account.
    pub id: u64,
    /// The account's name.
    pub account: String,
    /// What it tells about: `bkfunds.acct.transfer.notify`.
    pub method: String,
    /// Which record it is about; versions of one record have it in common.
    pub record_id: Option<String>,
    /// Which version of the record this is, in the order of arrival.
    pub version: u32,
    /// `new`, `changed`, `regressed` (it went back from what stands for good: an alarm, and no newer word) or `held` (it was
    /// signed, and a person must look at it).
    pub outcome: String,
    /// Whether its timestamp was old when it came first.
    pub late: bool,
    /// Why a person must look at it.
    pub why: Option<String>,
    /// When the gateway wrote it, RFC 3339 in UTC.
    pub written_at: Option<String>,
    /// When it came first.
    pub received_at: String,
    /// How often it came.
    pub deliveries: u64,
    /// By which rule it was signed, `a` or `b`, to be pinned.
    pub sign_rule: String,
    /// Its content; a text where it is no JSON.
    pub content: Value,
}
