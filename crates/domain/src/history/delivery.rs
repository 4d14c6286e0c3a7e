//! An attempt to deliver a webhook.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::More;
use crate::{Millis, State};

/// An attempt to deliver a webhook, or its end without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// When.
    #[serde(default, skip_serializing_if = "super::is_unset")]
    pub at: Millis,
    /// The outcome.
    pub outcome: DeliveryOutcome,
    /// The event's number among those of its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The state in the event; of a dropped delivery alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The message's `webhook-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// The receiver's host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The receiver's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// Why there is no HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DeliveryError>,
    /// The time that the attempt took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The time until which the receiver asked to wait, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// True if its lease had ended: another attempt may have been made.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub late: bool,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: More,
}

impl Delivery {
    /// One of which nothing but the outcome is known.
    #[must_use]
    pub fn of(outcome: DeliveryOutcome) -> Self {
        Self {
            at: Millis::default(),
            outcome,
            sequence: None,
            state: None,
            webhook_id: None,
            host: None,
            http: None,
            error: None,
            ms: None,
            retry_after: None,
            late: false,
            more: More::new(),
        }
    }
}

/// The outcome of an attempt to deliver a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Delivered,
    /// It will be tried again.
    Failed,
    /// It was tried for long enough.
    GivenUp,
    /// The receiver wants no more about this job.
    Gone,
    /// It was never tried: too many events of this job waited.
    Dropped,
}

impl DeliveryOutcome {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Delivered, Self::Failed, Self::GivenUp, Self::Gone, Self::Dropped];
}

/// Why a delivery got no HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryError {
    /// The URL is neither https to a public address, nor allowed by the configuration.
    #[error("the address is not allowed: neither https to a public address, nor named with its port by webhooks.allow")]
    AddressNotAllowed,
    /// The receiver did not answer in time.
    #[error("the receiver did not answer in time")]
    TimedOut,
    /// No connection could be made.
    #[error("cannot connect to the receiver")]
    CannotConnect,
    /// The connection broke before the receiver answered.
    #[error("the connection broke before the receiver answered")]
    ConnectionBroken,
    /// The message could not be signed.
    #[error("the message cannot be signed")]
    CannotSign,
    /// The URL cannot be read.
    #[error("the callback URL cannot be read")]
    UnreadableUrl,
    /// This build cannot read the event.
    #[error("this build cannot read the event")]
    UnreadableEvent,
}

impl DeliveryError {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::AddressNotAllowed,
        Self::TimedOut,
        Self::CannotConnect,
        Self::ConnectionBroken,
        Self::CannotSign,
        Self::UnreadableUrl,
        Self::UnreadableEvent,
    ];
}
