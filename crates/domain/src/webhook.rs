//! The bodies of webhooks, in the form of Standard Webhooks. Their schemas are in the API's description.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{AccountName, Millis, NotificationOutcome, State};

/// The body of one webhook: the same bytes at each attempt.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{D}Webhook")]
pub struct WebhookMessage<D> {
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: WebhookType,
    /// When the event happened.
    #[schemars(with = "Millis")]
    pub timestamp: String,
    /// The event's number among those of its job or notification, from 1.
    pub sequence: u64,
    /// The job as it was at that time, or the notification.
    pub data: D,
}

/// The type of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookType {
    /// A job has ended, or a person must decide.
    Job(State),
    /// A gateway has notified an account.
    NotificationReceived,
}

impl WebhookType {
    /// Every one: of the states, those in which a job stays.
    pub fn all() -> impl Iterator<Item = Self> {
        let settled = State::ALL.into_iter().filter(|state| state.is_settled());
        settled.map(Self::Job).chain([Self::NotificationReceived])
    }
}

/// The word on the wire: `job.succeeded`.
impl fmt::Display for WebhookType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(state) => write!(out, "job.{state}"),
            Self::NotificationReceived => out.write_str("notification.received"),
        }
    }
}

impl Serialize for WebhookType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for WebhookType {
    fn schema_name() -> Cow<'static, str> {
        "WebhookType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<String> = Self::all().map(|event_type| event_type.to_string()).collect();
        json_schema!({"type": "string", "enum": words})
    }
}

/// A gateway's notification as its webhook carries it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "NotificationReceived")]
pub struct NotificationMessage<'a> {
    /// The notification's number within the account.
    pub id: u64,
    /// The notification's version of its record, in the order of arrival.
    pub version: u32,
    /// The notification's place among the versions of its record.
    pub outcome: NotificationOutcome,
    /// True if its timestamp was old when it arrived first.
    pub late: bool,
    /// The account's name.
    pub account: &'a AccountName,
    /// The gateway's method.
    #[schemars(example = "bkfunds.acct.transfer.notify")]
    pub method: &'a str,
    /// The gateway's id of the record.
    pub record_id: Option<&'a str>,
    /// When the gateway wrote it.
    #[schemars(with = "Option<Millis>")]
    pub written_at: Option<String>,
    /// The SHA-256 of the content as the gateway signed it, in hexadecimal.
    pub content_sha256: &'a str,
    /// The content as the gateway wrote it; a text where it is no JSON object.
    pub content: Value,
}

/// Where the webhooks of a job or notification are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// They wait for an attempt.
    Waiting,
    /// They were given up, or their receiver wanted no more. They are kept for a resend.
    Failed,
}

impl WebhookState {
    /// Every state.
    pub const ALL: [Self; 2] = [Self::Failed, Self::Waiting];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for WebhookState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or("must be failed or waiting")
    }
}

/// The undelivered webhooks of one job or notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub struct WebhookView {
    /// The queue's name; of a notification, the account and `notify`.
    #[schemars(example = "main/transfer")]
    pub queue: String,
    /// The job's key; the number of a notification.
    pub key: String,
    /// Where they are.
    pub state: WebhookState,
    /// The receiver: its URL without user, password and query; `null` where its record has none.
    pub receiver: Option<String>,
    /// The number of events.
    pub events: u64,
    /// The type of the first one; `null` where this build cannot read it.
    #[serde(rename = "type")]
    #[schemars(with = "Option<WebhookType>")]
    pub event_type: Option<String>,
    /// The first one's `webhook-id`. It is the same at each attempt and each resend.
    pub webhook_id: Option<String>,
    /// When the first one happened.
    #[schemars(with = "Option<Millis>")]
    pub happened_at: Option<String>,
    /// The failed attempts at the first one.
    pub failed_attempts: u32,
    /// When it is tried next, if it waits.
    #[schemars(with = "Option<Millis>")]
    pub due_at: Option<String>,
    /// When it failed, if it has failed.
    #[schemars(with = "Option<Millis>")]
    pub failed_at: Option<String>,
}

/// The result of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resent {
    /// They are due now, with the same `webhook-id`s.
    Resent,
    /// None has failed, and none waits.
    NothingToResend,
    /// A dispatcher delivers one at this moment: nothing was done.
    UnderWay,
    /// Too many wait already: nothing was done.
    TooMany,
    /// Redis did not answer: it may have been done.
    Failed,
}

impl Resent {
    /// The next step, or the reason why there is none.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Resent => "the webhooks are due now",
            Self::NothingToResend => "no webhook has failed, and none waits",
            Self::UnderWay => "one is being delivered at this moment: try again when it has ended",
            Self::TooMany => "too many webhooks of it wait",
            Self::Failed => "Redis did not answer: the webhooks may be on their way",
        }
    }
}

/// The result of a resend of the webhooks of one job or notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResendResult {
    /// The queue's name; of a notification, the account and `notify`.
    pub queue: String,
    /// The job's key; the number of a notification.
    pub key: String,
    /// The outcome.
    pub outcome: Resent,
    /// The number of events that are delivered again.
    pub events: u64,
}
