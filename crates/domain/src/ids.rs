//! Names: of an account, of a job within its queue, and of a queue.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::Kind;
use crate::identifier::{identifier_fault, named, white_space};

/// The longest name of an account, in bytes: it is part of every Redis key of its jobs.
const MAX_ACCOUNT_BYTES: usize = 32;

/// The longest key, in characters: the page's length for `platform_no`.
const MAX_KEY_CHARS: usize = 64;

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(Cow<'static, str>);

impl IdError {
    /// The rule that the text breaks, to be read after what it was given as.
    pub fn new(rule: impl Into<Cow<'static, str>>) -> Self {
        Self(rule.into())
    }
}

/// A configured set of gateway credentials, by the name that the operator gave it: `main`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct AccountName(String);

impl AccountName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > MAX_ACCOUNT_BYTES || !text.bytes().all(allowed) {
            return Err(IdError::new(format!("must be 1 to {MAX_ACCOUNT_BYTES} letters, digits, - or _")));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The rule of [`AccountName::from_str`].
impl JsonSchema for AccountName {
    fn schema_name() -> Cow<'static, str> {
        "AccountName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a configured account.",
            "type": "string",
            "pattern": format!("^[A-Za-z0-9_-]{{1,{MAX_ACCOUNT_BYTES}}}$"),
            "examples": ["main"],
        })
    }
}

/// `platform_no`: what the producer calls the job, and for transfers what the gateway deduplicates by.
/// At most 64 characters, the page's length for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number that is the same for the same key on every machine: the seed of its jitter.
    #[must_use]
    pub fn seed(&self) -> u64 {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(self.0.as_bytes());
        digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }
}

impl FromStr for Key {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.chars().count() > MAX_KEY_CHARS {
            return Err(IdError::new(format!("must be 1 to {MAX_KEY_CHARS} characters")));
        }
        if text.chars().any(char::is_control) {
            return Err(IdError::new("must hold no white space and no control characters"));
        }
        if let Some(space) = white_space(text) {
            return Err(IdError::new(format!(
                "must hold no white space and no control characters, and holds {}",
                named(space)
            )));
        }
        if let Some(rule) = identifier_fault(text) {
            return Err(IdError::new(rule));
        }
        if matches!(text, "." | "..") {
            return Err(IdError::new("must not be . or ..: no browser opens a page of that name"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The rules of [`Key::from_str`] that a schema can hold.
impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The producer's own key for the job, unique in its queue. It holds no white space and no control characters.",
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_KEY_CHARS,
            "examples": ["1001XP2025010110000001"],
        })
    }
}

/// Account × kind, written `main/transfer`: the unit of fairness, rate limit, pause and sharding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue {
    /// Whose credentials.
    pub account: AccountName,
    /// Which kind of job.
    pub kind: Kind,
}

impl fmt::Display for Queue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.account, self.kind)
    }
}

impl FromStr for Queue {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = IdError::new("a queue is written ACCOUNT/KIND, for example main/transfer");
        let (account, kind) = text.split_once('/').ok_or_else(|| wrong.clone())?;
        Ok(Self { account: account.parse().map_err(|_| wrong.clone())?, kind: kind.parse().map_err(|_| wrong)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_24_a_key_is_counted_in_characters_and_refused_never_cut() {
        assert!("号".repeat(64).parse::<Key>().is_ok());
        assert!("号".repeat(65).parse::<Key>().is_err());
        for wrong in ["", "a b", "a\n", "\u{0}", ".", ".."] {
            assert!(wrong.parse::<Key>().is_err(), "{wrong:?}");
        }
        for fit in ["...", ".a", "a..b"] {
            assert!(fit.parse::<Key>().is_ok(), "{fit:?}");
        }
    }

    #[test]
    fn a_lookalike_key_is_refused_and_the_character_named() {
        for (wrong, character) in [
            ("PAY1\u{200b}", "U+200B"),
            ("PAY1\u{202c}", "U+202C"),
            ("\u{feff}PAY1", "U+FEFF"),
            ("PAY\u{ad}1", "U+00AD"),
            ("PAY1\u{2060}", "U+2060"),
            ("PAY1\u{e0020}", "U+E0020"),
            ("PAY1\u{a0}", "U+00A0"),
            ("\u{202e}1YAP", "U+202E"),
        ] {
            let rule = wrong.parse::<Key>().unwrap_err().to_string();
            assert!(rule.ends_with(&format!(", and holds {character}")), "{wrong:?}: {rule}");
        }
        assert!("caf\u{e9}".parse::<Key>().is_ok() && "cafe\u{301}".parse::<Key>().is_err());
    }

    #[test]
    fn a_queue_reads_as_it_is_written() {
        let queue: Queue = "main/bill_upload".parse().unwrap();
        assert_eq!(queue.to_string(), "main/bill_upload");
        for wrong in ["main", "main/", "/transfer", "main/pay", "a b/transfer"] {
            assert!(wrong.parse::<Queue>().is_err(), "{wrong}");
        }
    }
}
