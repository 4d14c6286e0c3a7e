//! The kinds of job. A new kind is one file in `kinds/` and its line in the list below.

mod bill_upload;
mod generic_split;
mod job_kind;
mod pasted;
mod schema;
mod split;
mod summary;
mod transfer;
mod withdrawal;

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::fields::{FieldError, Reader};
use crate::{AccountRules, Content, DEFAULT_MAX_AMOUNT, Fen, IdError, Key, Millis};

pub use job_kind::Repetition;
use job_kind::{BusinessKey, JobKind, Submitted};
pub(crate) use pasted::{read, wire_rule};
pub use summary::ContentSummary;

/// Makes the enum, its list and the way to each kind's facts from one line for each kind: a line that is forgotten in one of the
/// three would be a kind that some part of Bursar does not know.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $module:ident;)+) => {
        /// The kind of a job.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Self; [$(stringify!($kind)),+].len()] = [$(Self::$kind),+];

            pub(crate) const fn facts(self) -> &'static JobKind {
                match self {
                    $(Self::$kind => &$module::KIND,)+
                }
            }
        }
    };
}

kinds! {
    /// `funds.bill.upload`: sends an order's details to the gateway.
    BillUpload => bill_upload;
    /// `bkfunds.balance.pay.apply`: moves a balance between two accounts.
    Transfer => transfer;
    /// `/api/division/exec`: divides a paid order among receivers.
    Split => split;
    /// `bkfunds.withdraw.apply`: pays a balance out to a bank card.
    Withdrawal => withdrawal;
}

impl Kind {
    /// The word for it in job JSON, queues, commands and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// The effect of executing a job of this kind a second time.
    #[must_use]
    pub const fn repetition(self) -> Repetition {
        self.facts().repetition
    }

    /// True if a job of this kind moves money when it is executed, so that a second execution would pay again.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        match self.repetition() {
            Repetition::ByAccount | Repetition::PaysAgain => true,
            Repetition::Harmless => false,
        }
    }

    /// Every field that a body of this kind may have, by the page's name; those of a list's entries as `receivers[].receiverId`.
    /// (A split through YZT's generic apply has no page, and may have any.)
    #[must_use]
    pub fn body_fields(self) -> Vec<String> {
        self.facts().field_names()
    }

    /// True if a body of this kind has a field of this name.
    pub(crate) fn has_body_field(self, name: &str) -> bool {
        self.facts().has_field(name)
    }

    /// The JSON schema (draft 2020-12) of a body of this kind.
    #[must_use]
    pub fn body_schema(self) -> Value {
        schema::of_kind(self.facts())
    }

    /// True if the business key of a job of this kind always is the job's key.
    #[must_use]
    pub const fn is_named_by_key(self) -> bool {
        match self.facts().business_key {
            BusinessKey::JobKey => true,
            BusinessKey::Content { .. } => false,
        }
    }

    /// The business keys that a job of this kind may have, where only a name is known: its key or its order.
    #[must_use]
    pub fn candidate_business_keys(self, name: &str) -> Vec<String> {
        let mut candidate_business_keys = vec![name.to_owned()];
        match self.facts().business_key {
            BusinessKey::JobKey => {}
            BusinessKey::Content { candidates, .. } => candidate_business_keys.extend(candidates(name)),
        }
        candidate_business_keys
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let named = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        named.ok_or_else(|| IdError::new(format!("must be {}", listed(&Self::ALL, "or"))))
    }
}

/// Kinds in a sentence: `bill_upload, transfer or split`.
fn listed(kinds: &[Kind], conjunction: &str) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{} {conjunction} {last}", first.join(", ")),
        None => String::new(),
    }
}

/// Reads `body` for `kind` under `rules`; `None` when anything was wrong, with every error pushed. Without a `key` the
/// body's own errors are found all the same.
pub(crate) fn content(
    kind: Kind,
    rules: &AccountRules,
    key: Option<&Key>,
    mut body: Map<String, Value>,
    errors: &mut Vec<FieldError>,
) -> Option<(Content, Option<Millis>)> {
    let facts = kind.facts();
    if !(facts.is_taken_by)(rules) {
        let takes = listed(&rules.kinds(), "and");
        let rule = format!("is not taken by this {} account, which takes {takes}", rules.gateway.as_str());
        errors.push(FieldError { field: "kind".into(), rule });
        return None;
    }
    let before = errors.len();
    pasted::take_key(&mut body, key, errors);
    let mut reader = Reader::new("body.", body, errors);
    let draft = (facts.read)(&mut reader, &Submitted { key: key.map_or("", Key::as_str), rules });
    reader.finish();
    let draft = draft?;
    let content = Content::new(&draft.fields, draft.business_key);
    check_size(&content, errors);
    check_cap(kind, rules, &content, errors);
    (errors.len() == before && key.is_some()).then_some((content, draft.not_before))
}

/// The wire's own limit is not documented; the gateway's framework takes 256 KB with signatures and encoding (trap 34).
const MAX_CONTENT_BYTES: usize = 200 * 1024;

fn check_size(content: &Content, errors: &mut Vec<FieldError>) {
    if content.text().len() > MAX_CONTENT_BYTES {
        errors
            .push(FieldError { field: "body".into(), rule: format!("must come to at most {MAX_CONTENT_BYTES} bytes") });
    }
}

fn check_cap(kind: Kind, rules: &AccountRules, content: &Content, errors: &mut Vec<FieldError>) {
    let Some(cap) = rules.max_amount else { return };
    if ContentSummary::of(kind, content.text()).amount.is_some_and(|amount| amount > cap) {
        let field = format!("body.{}", kind.facts().amount);
        let rule = format!("must be at most {} fen, this account's max_amount{}", cap.get(), by_default(cap));
        errors.push(FieldError { field, rule });
    }
}

/// The way to decide about the cap, where the account has not.
fn by_default(cap: Fen) -> &'static str {
    if cap == DEFAULT_MAX_AMOUNT { ", which is the default: set it to what you pay at most" } else { "" }
}

/// The business key of a job with this stored content, as it was when the job was submitted.
#[must_use]
pub fn business_key(kind: Kind, key: &Key, content: &str) -> String {
    let value: Value = serde_json::from_str(content).unwrap_or_default();
    kind.facts().business_key(key.as_str(), &|name| value.get(name).and_then(Value::as_str))
}

#[cfg(test)]
mod tests;
