//! `/api/division/receiver/bind` (docs/gateways/beingfi.md): makes an account known as a receiver of splits. It is not idempotent: a
//! second success is a second receiver, and a group that holds both pays the account twice. So it is made once, by a
//! person, and an unclear outcome is called that.

use bursar_domain::{ParsedResponse, identifier_fault};
use serde_json::{Map, Value};

use crate::{Secret, text};

/// A receiver to bind, checked: fields by the page's names, all as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver(Vec<(&'static str, String)>);

/// The outcome of a bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The receiver exists; splits name it by this id.
    Done {
        /// `receiverId`.
        receiver_id: String,
        /// The parsed response.
        parsed: ParsedResponse,
    },
    /// Certainly not bound; the reading says why. May be tried again once that is mended.
    Rejected(ParsedResponse),
    /// It may have been bound. Look into the gateway's console before trying again: a second receiver for the same
    /// account is paid a second time.
    Unknown(ParsedResponse),
}

/// The page's fields: name, whether it must be there, and its length in characters. `accNo` has none here: the page
/// says 10 and an openid has 28 (trap 36).
const FIELDS: &[(&str, bool, usize)] = &[
    ("ifCode", true, 10),
    ("receiverAlias", false, 64),
    ("receiverGroupId", true, 20),
    ("accType", true, 1),
    ("accNo", true, usize::MAX),
    ("accName", false, 30),
    ("relationType", true, 30),
    ("relationTypeName", false, 30),
    ("channelExtInfo", false, 256),
    ("divisionProfit", true, 10),
];

/// Names of people and things are for people to read; everything else names an account, a group or a relation by its letters.
fn unfit(name: &str, text: &str) -> Option<String> {
    match name {
        "receiverAlias" | "accName" | "relationTypeName" | "channelExtInfo" => {
            text.chars().any(char::is_control).then(|| "must hold no control characters".into())
        }
        _ => identifier_fault(text),
    }
}

impl Receiver {
    /// Reads a receiver by the page's field names. Numbers may be numbers or texts, as the page mixes them (trap 36).
    ///
    /// # Errors
    /// Every wrong field with its rule.
    pub fn read(mut fields: Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut read = Vec::new();
        let mut errors = Vec::new();
        for (name, required, max) in FIELDS {
            let text = match fields.remove(*name) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text,
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                    errors.push(format!("{name} must be a text or a number"));
                    continue;
                }
            };
            if text.is_empty() && *required {
                errors.push(format!("{name} is required"));
            } else if text.chars().count() > *max {
                errors.push(format!("{name} must be at most {max} characters long"));
            } else if let Some(rule) = unfit(name, &text) {
                errors.push(format!("{name} {rule}"));
            } else if !text.is_empty() {
                read.push((*name, text));
            }
        }
        errors.extend(fields.keys().map(|name| format!("{} is not a known field", text::word(name, &[]))));
        let mut receiver = Self(read);
        receiver.check(&mut errors);
        if errors.is_empty() { Ok(receiver) } else { Err(errors) }
    }

    fn check(&mut self, errors: &mut Vec<String>) {
        let get = |name: &str| self.0.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str());
        if get("accType").is_some_and(|text| !matches!(text, "0" | "1")) {
            errors.push("accType must be 0 (person) or 1 (business)".into());
        }
        if get("receiverGroupId").is_some_and(|text| text.parse::<u64>().is_err()) {
            errors.push("receiverGroupId must be a positive whole number".into());
        }
        if get("ifCode") == Some("alipay") && get("accName").is_none() {
            errors.push("accName is required for alipay".into());
        }
        if get("relationType") == Some("CUSTOM") && get("relationTypeName").is_none() {
            errors.push("relationTypeName is required when relationType is CUSTOM".into());
        }
        let share = get("divisionProfit").map(canonical_share);
        match share {
            Some(None) => errors.push("divisionProfit must be a share above 0 and at most 1, like 0.3".into()),
            Some(Some(share)) => {
                for (_, text) in self.0.iter_mut().filter(|(name, _)| *name == "divisionProfit") {
                    text.clone_from(&share);
                }
            }
            None => {} // already named as missing
        }
    }

    /// Whose account it is: not to be repeated in words about it.
    pub(super) fn personal(&self) -> Vec<Secret> {
        let personal = self.0.iter().filter(|(name, _)| matches!(*name, "accNo" | "accName" | "receiverAlias"));
        // A single character would be taken out of every other word.
        personal.filter(|(_, text)| text.chars().count() > 1).map(|(_, text)| Secret::new(text.clone())).collect()
    }

    pub(super) fn fields(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

/// Prints names of fields only: the rest is a person's account.
impl std::fmt::Debug for Receiver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The shortest plain notation of a share, as the server writes it when it signs: `0.3`, never `0.30`. At most 6
/// decimals, which its column keeps.
fn canonical_share(text: &str) -> Option<String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = decimals.trim_end_matches('0');
    if !(digits(whole) && (decimals.is_empty() || digits(decimals)) && decimals.len() <= 6) {
        return None;
    }
    match (whole.trim_start_matches('0'), decimals) {
        ("", "") => None,
        ("", decimals) => Some(format!("0.{decimals}")),
        ("1", "") => Some("1".into()),
        _ => None,
    }
}
