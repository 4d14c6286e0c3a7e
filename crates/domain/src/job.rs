//! A job as it is submitted, and the one validator behind every way of submission.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::fields::{FieldError, RFC_3339, Reader, Written, shown, write_object};
use crate::strict_json::{self, Repeated};
use crate::{AccountName, AccountRules, Key, Kind, Millis, Queue, TraceParent, kinds};

/// The longest job JSON that is read, in bytes.
pub const MAX_JOB_BYTES: usize = 256 * 1024;

/// The most errors of one job that are named.
const MAX_NAMED_ERRORS: usize = 100;

/// The character that some editors write before a text. It says nothing, and no job is refused for it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The longest `callback_url`, in characters.
const MAX_CALLBACK_CHARS: usize = 2048;

/// The longest time that a job may be put off: a year and a month. A later year has a digit too many, and would be
/// paid when no one remembers it.
pub const MAX_DAYS_AHEAD: u64 = 400;

/// True if a job may not be put off until `at`. Only this bound, which an hour more or less does not matter to, looks at the
/// clock of this machine.
#[must_use]
pub fn is_too_far_ahead(at: Millis) -> bool {
    let now = Millis(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default());
    at > now.plus(Duration::from_secs(MAX_DAYS_AHEAD * 24 * 3600))
}

/// The business content of a job: the exact bytes that every send of it carries, fixed at submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    text: String,
    business_key: String,
}

impl Content {
    pub(crate) fn new(fields: &Written, business_key: String) -> Self {
        Self { text: write_object(fields), business_key }
    }

    /// One JSON object, compact, fields in the page's order.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The job's name at the gateway: a second job with the same one is refused, whatever its key.
    #[must_use]
    pub fn business_key(&self) -> &str {
        &self.business_key
    }

    /// The names of the fields that have another value in this other content, or are in one of the two alone; none if it cannot be read.
    #[must_use]
    pub fn fields_that_differ(&self, other: &str) -> Vec<String> {
        let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
        let (Some(own), Some(other)) = (read(&self.text), read(other)) else { return Vec::new() };
        let names: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
        names.into_iter().filter(|name| own.get(*name) != other.get(*name)).map(|name| shown(name)).collect()
    }

    /// SHA-256 of the text: the same key with another hash is a conflict.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }
}

/// A validated job, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Account and kind.
    pub queue: Queue,
    /// The producer's name for it within its queue.
    pub key: Key,
    /// The content that will be sent.
    pub content: Content,
    /// The earliest moment to send it; `None` for at once.
    pub run_at: Option<Millis>,
    /// Where to report its end.
    pub callback_url: Option<String>,
    /// The trace that it belongs to. No part of the content: the same job may come with another one.
    pub trace: Option<TraceParent>,
    /// The name of the environment that it was submitted in. No part of the content either.
    pub environment: Option<String>,
}

/// A job as producers write it: the JSON of the interface, not yet validated. It can be read back, as queues that carry it
/// demand; Bursar reads jobs by [`Job::parse`], which also refuses a field that occurs twice.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// A configured account's name.
    #[schemars(with = "AccountName")]
    pub account: String,
    /// The job's kind.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// The producer's own key.
    #[schemars(with = "Key")]
    pub platform_no: String,
    /// The fields of the gateway's page, by its names.
    pub body: Map<String, Value>,
    /// The time before which the job is not sent, RFC 3339 with an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Millis>")]
    pub run_at: Option<String>,
    /// The URL that the job's webhooks are posted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(url, length(max = MAX_CALLBACK_CHARS))]
    pub callback_url: Option<String>,
    /// The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in nothing else are the
    /// same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<TraceParent>")]
    pub traceparent: Option<String>,
}

impl NewJob {
    /// A job to be sent at once, without a callback. A `body` that is not a JSON object will be refused as an empty one.
    #[must_use]
    pub fn new(account: &str, kind: &str, platform_no: &str, body: Value) -> Self {
        let body = if let Value::Object(body) = body { body } else { Map::new() };
        Self {
            account: account.to_owned(),
            kind: kind.to_owned(),
            platform_no: platform_no.to_owned(),
            body,
            run_at: None,
            callback_url: None,
            traceparent: None,
        }
    }

    /// The same, not sent before this moment (RFC 3339, with an offset).
    #[must_use]
    pub fn not_before(self, run_at: &str) -> Self {
        Self { run_at: Some(run_at.to_owned()), ..self }
    }

    /// The same, as part of the trace that this W3C `traceparent` names.
    #[must_use]
    pub fn within(self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.to_owned()), ..self }
    }

    /// The same, its end reported to this URL.
    #[must_use]
    pub fn reporting_to(self, callback_url: &str) -> Self {
        Self { callback_url: Some(callback_url.to_owned()), ..self }
    }
}

/// A submission that breaks rules: all of them are named. Nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalid {
    /// The key as it was given, if any was, by which the producer knows the job. Fit to be shown.
    pub key: Option<String>,
    /// The wrong fields with their rules; never empty, and bounded.
    pub errors: Vec<FieldError>,
    /// The body that was meant, where a whole request of the gateway's page was given as the body: it breaks no rule.
    pub corrected_body: Option<Map<String, Value>>,
}

impl Invalid {
    fn whole(rule: impl Into<String>) -> Self {
        Self { key: None, errors: vec![FieldError { field: "job".into(), rule: rule.into() }], corrected_body: None }
    }
}

impl Job {
    /// Reads one job's JSON. `accounts` returns an account's rules, `None` for an unknown one.
    ///
    /// # Errors
    /// [`Invalid`], naming every wrong field; nothing is half-read.
    pub fn parse(bytes: &[u8], accounts: impl Fn(&str) -> Option<AccountRules>) -> Result<Self, Invalid> {
        if bytes.len() > MAX_JOB_BYTES {
            return Err(Invalid::whole(format!("must be at most {MAX_JOB_BYTES} bytes of JSON")));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Invalid::whole(format!("must be UTF-8: byte {} is not", error.valid_up_to() + 1)))?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let value = strict_json::read(text, Repeated::Refused)
            .map_err(|error| Invalid::whole(format!("must be one JSON object: {error}")))?;
        Self::read(value, accounts)
    }

    /// Validates a job that was built in Rust, by the same rules.
    ///
    /// # Errors
    /// [`Invalid`], naming every wrong field.
    pub fn validate(new: &NewJob, accounts: impl Fn(&str) -> Option<AccountRules>) -> Result<Self, Invalid> {
        let value = serde_json::to_value(new).map_err(|error| Invalid::whole(error.to_string()))?;
        Self::read(value, accounts)
    }

    fn read(value: Value, accounts: impl Fn(&str) -> Option<AccountRules>) -> Result<Self, Invalid> {
        let Value::Object(object) = value else { return Err(Invalid::whole("must be a JSON object")) };
        let key_text = object.get("platform_no").and_then(Value::as_str).map(shown);
        let mut errors = Vec::new();
        let mut corrected_body = None;
        let job = Self::read_object(object, accounts, &mut errors, &mut corrected_body);
        match job {
            Some(job) if errors.is_empty() => Ok(job),
            Some(_) | None => Err(Invalid { key: key_text, errors: bounded(errors), corrected_body }),
        }
    }

    fn read_object(
        object: Map<String, Value>,
        accounts: impl Fn(&str) -> Option<AccountRules>,
        errors: &mut Vec<FieldError>,
        corrected_body: &mut Option<Map<String, Value>>,
    ) -> Option<Self> {
        let mut reader = Reader::new("", object, errors);
        let account: Option<AccountName> = named(&mut reader, "account");
        let kind: Option<Kind> = named(&mut reader, "kind");
        let key: Option<Key> = named(&mut reader, "platform_no");
        let run_at = optional_text(&mut reader, "run_at", RFC_3339, Millis::parse_rfc3339);
        if run_at.is_some_and(is_too_far_ahead) {
            reader.wrong("run_at", format!("must be at most {MAX_DAYS_AHEAD} days ahead"));
        }
        let callback_url = optional_text(
            &mut reader,
            "callback_url",
            "must be an http or https URL of at most 2048 characters",
            callback,
        );
        let trace = optional_named(&mut reader, "traceparent");
        let body = match reader.take("body") {
            Some(Value::Object(body)) => Some(body),
            Some(_) => wrong(&mut reader, "body", "must be an object with the page's fields"),
            None => wrong(&mut reader, "body", "is required"),
        };
        let rules = account.as_ref().and_then(|account| accounts(account.as_str()));
        if let (Some(account), None) = (&account, rules) {
            reader.wrong("account", format!("names no configured account: {account}"));
        }
        reader.finish();
        let (kind, rules, body) = (kind?, rules?, body?);
        let (content, not_before) = kinds::read(kind, &rules, key.as_ref(), body, errors, corrected_body)?;
        Some(Self {
            queue: Queue { account: account?, kind },
            key: key?,
            content,
            run_at: run_at.max(not_before),
            callback_url,
            trace,
            environment: None,
        })
    }
}

/// Names the first errors and counts the rest: a refusal must not outgrow what it refuses.
fn bounded(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    let further = errors.len().saturating_sub(MAX_NAMED_ERRORS);
    if further > 0 {
        errors.truncate(MAX_NAMED_ERRORS);
        errors.push(FieldError { field: "job".into(), rule: format!("breaks {further} further rules") });
    }
    errors
}

fn wrong<T>(reader: &mut Reader<'_>, name: &str, rule: &str) -> Option<T> {
    reader.wrong(name, rule);
    None
}

fn named<T: FromStr<Err = crate::IdError>>(reader: &mut Reader<'_>, name: &'static str) -> Option<T> {
    match reader.take(name) {
        Some(value) => read_named(reader, name, &value),
        None => wrong(reader, name, "is required"),
    }
}

fn optional_named<T: FromStr<Err = crate::IdError>>(reader: &mut Reader<'_>, name: &'static str) -> Option<T> {
    let value = reader.take(name)?;
    read_named(reader, name, &value)
}

fn read_named<T: FromStr<Err = crate::IdError>>(reader: &mut Reader<'_>, name: &str, value: &Value) -> Option<T> {
    let Value::String(text) = value else { return wrong(reader, name, "must be a string") };
    text.parse().map_err(|error: crate::IdError| reader.wrong(name, error.to_string())).ok()
}

fn optional_text<T>(
    reader: &mut Reader<'_>,
    name: &'static str,
    rule: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let value = reader.take(name)?;
    match value.as_str().and_then(read) {
        Some(value) => Some(value),
        None => wrong(reader, name, rule),
    }
}

fn callback(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let fits = text.chars().count() <= MAX_CALLBACK_CHARS && matches!(url.scheme(), "http" | "https") && url.has_host();
    fits.then(|| text.to_owned())
}
