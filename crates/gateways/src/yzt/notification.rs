//! `bkfunds.acct.transfer.notify` (docs/gateways/yzt.md): money came in from a bank. It names no job of ours, so nothing here
//! makes an answer of it; what is verified is that the platform wrote it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::Yzt;
use super::request::join;
use crate::json::RawObject;
use crate::rsa2::Verifier;
use crate::{SettingsError, SharedParts, clock};

/// The largest notification that is read, in bytes; the page's is under 2 KiB.
pub const MAX_NOTIFICATION_BYTES: usize = 64 * 1024;

/// The longest id of a record that is believed, in bytes; the page's is 32.
const MAX_RECORD_ID_BYTES: usize = 64;

/// Which parameters the platform signed. No page says: both rules are in use in this family of gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignRule {
    /// All but `sign`: the rule of requests.
    A,
    /// All but `sign` and `sign_type`: the rule of Alipay's notifications.
    B,
}

impl SignRule {
    /// The word for it in the configuration and on record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// The bank credit, which is the one method whose fields a page describes.
const BANK_CREDIT: &str = "bkfunds.acct.transfer.notify";

/// A notification as the gateway's pages describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// It is about this record, in this status.
    Record(String, RecordStatus),
    /// It should name a record, and names none.
    NoRecordId,
    /// No page describes its method.
    Nowhere,
}

/// The status of a notification's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordStatus {
    /// Later notifications may say more.
    Open,
    /// No later notification changes it.
    Final,
}

/// Why a notification is not one: answer it with anything but `success`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// Longer than any.
    #[error("the notification is longer than {MAX_NOTIFICATION_BYTES} bytes")]
    TooLong,
    /// Not one JSON object of texts, each named once: the signed text is unknown.
    #[error("the notification is not an object of texts")]
    Unreadable,
    /// A parameter is missing.
    #[error("the notification has no {0}")]
    Missing(&'static str),
    /// Another algorithm, which rule B would leave unsigned.
    #[error("the notification's sign_type is not RSA2")]
    NotRsa2,
    /// For another app.
    #[error("the notification is for another app_id")]
    OtherApp,
    /// Not signed by the platform.
    #[error("the notification's signature is not the platform's")]
    BadSign,
    /// The account waives signatures: it has no key to verify a notification with.
    #[error("this account has no platform public key to verify notifications with")]
    NoKey,
}

/// A notification that the platform has signed. Holds names and account numbers of people: does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The gateway's method.
    pub method: String,
    /// When it was written; `None` if not in the page's format.
    pub timestamp: Option<Timestamp>,
    /// The content as it was signed, whether or not it is JSON: the page's own example is not (trap 28).
    pub biz_content: String,
    /// The rule by which the signature fits, to be pinned once known.
    pub rule: SignRule,
}

impl Notification {
    /// The content as JSON; `None` when it is none, which is for a person to look at. It is never repaired.
    #[must_use]
    pub fn content(&self) -> Option<Value> {
        serde_json::from_str(&self.biz_content).ok()
    }

    /// The text of a field, by its name: the record's id, the thing that a job is about. `None` for what is no short text,
    /// and where the name occurs twice.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let fits = |text: &String| text.len() <= MAX_RECORD_ID_BYTES && !text.chars().any(char::is_control);
        RawObject::parse(&self.biz_content)?.word(name).ok().flatten().filter(fits)
    }

    /// The id of its record, where it has one.
    #[must_use]
    pub fn record_id(&self) -> Option<String> {
        self.text("record_id")
    }

    /// Reads it as the gateway's pages describe its method.
    #[must_use]
    pub fn described(&self) -> Described {
        if self.method != BANK_CREDIT {
            return Described::Nowhere;
        }
        let Some(record_id) = self.record_id() else { return Described::NoRecordId };
        // 0 not deducted, 6 under way, 1 deducted: one that has been deducted stays so (trap 32).
        let status = match self.text("deduct_status").as_deref() {
            Some("1") => RecordStatus::Final,
            Some(_) | None => RecordStatus::Open,
        };
        Described::Record(record_id, status)
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Notification")
            .field("method", &self.method)
            .field("timestamp", &self.timestamp)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

/// Reads the notifications to one account. Needs the platform's public key and none of the account's secrets.
pub struct NotificationReader {
    app_id: String,
    verifier: Arc<Verifier>,
}

impl fmt::Debug for NotificationReader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NotificationReader").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

impl NotificationReader {
    /// For the app of this id, by the platform's public key.
    ///
    /// # Errors
    /// [`SettingsError`] of `platform_public_key_file`.
    pub fn new(app_id: &str, platform_public_key: &str) -> Result<Self, SettingsError> {
        Self::sharing(app_id, platform_public_key, &SharedParts::default())
    }

    /// The same for one account of many, which has the key in common with those who have the same.
    ///
    /// # Errors
    /// As for [`NotificationReader::new`].
    pub fn sharing(app_id: &str, platform_public_key: &str, parts: &SharedParts) -> Result<Self, SettingsError> {
        let verifier = parts.verifier("platform_public_key_file", platform_public_key)?;
        Ok(Self { app_id: app_id.to_owned(), verifier })
    }

    /// Verifies a notification's body, by `rule` or, as long as none is known, by either.
    ///
    /// # Errors
    /// [`NotificationError`]: nothing of it is to be believed or kept as verified.
    pub fn read(&self, body: &str, rule: Option<SignRule>) -> Result<Notification, NotificationError> {
        read(&self.app_id, Some(&self.verifier), body, rule)
    }
}

impl Yzt {
    /// Verifies a notification's body, by `rule` or, as long as none is known, by either.
    ///
    /// # Errors
    /// [`NotificationError`]: nothing of it is to be believed or kept as verified.
    pub fn notification(&self, body: &str, rule: Option<SignRule>) -> Result<Notification, NotificationError> {
        read(self.caller.app_id(), self.verifier.as_deref(), body, rule)
    }
}

fn read(
    app_id: &str,
    verifier: Option<&Verifier>,
    body: &str,
    rule: Option<SignRule>,
) -> Result<Notification, NotificationError> {
    if body.len() > MAX_NOTIFICATION_BYTES {
        return Err(NotificationError::TooLong);
    }
    let mut params = texts(body).ok_or(NotificationError::Unreadable)?;
    params.sort();
    let get = |name: &'static str| {
        let found = params.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        found.ok_or(NotificationError::Missing(name))
    };
    let sign = get("sign")?;
    if get("sign_type")? != "RSA2" {
        return Err(NotificationError::NotRsa2);
    }
    if get("app_id")? != app_id {
        return Err(NotificationError::OtherApp);
    }
    let rule = rule_of(verifier.ok_or(NotificationError::NoKey)?, &params, &sign, rule)?;
    Ok(Notification {
        method: get("method")?,
        timestamp: clock::read_yzt_stamp(&get("timestamp")?),
        biz_content: get("biz_content")?,
        rule,
    })
}

/// Each rule over all parameters, then without the empty ones. A signature covers its whole text, so trying up to four
/// texts weakens nothing.
fn rule_of(
    verifier: &Verifier,
    params: &[(String, String)],
    sign: &str,
    pinned: Option<SignRule>,
) -> Result<SignRule, NotificationError> {
    let rules = [SignRule::A, SignRule::B].into_iter().filter(|rule| pinned.is_none_or(|pinned| pinned == *rule));
    for rule in rules {
        let signed = |name: &str| match rule {
            SignRule::A => name != "sign",
            SignRule::B => name != "sign" && name != "sign_type",
        };
        let all: Vec<_> = params.iter().filter(|(name, _)| signed(name)).cloned().collect();
        let filled: Vec<_> = all.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        if verifier.verifies(&join(&all), sign) || verifier.verifies(&join(&filled), sign) {
            return Ok(rule);
        }
    }
    Err(NotificationError::BadSign)
}

/// An object's fields if all of them are texts and none occurs twice.
fn texts(body: &str) -> Option<Vec<(String, String)>> {
    let object = RawObject::parse(body)?;
    let text_of = |name: &str| match object.value(name) {
        Ok(Some(Value::String(text))) => Some((name.to_owned(), text)),
        Ok(_) | Err(_) => None,
    };
    object.fields().map(|(name, _)| text_of(name)).collect()
}
