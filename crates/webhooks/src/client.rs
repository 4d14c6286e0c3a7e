//! One attempt: a single POST to an allowed address, without redirects, retries or proxy.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{DeliveryError, Millis, TraceParent};
use bursar_http_client::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use bursar_http_client::{Client, Response, StatusCode, hardened};
use bursar_telemetry::AttemptOutcome;
use tokio::sync::watch;
use url::Url;

use crate::addresses::{Allowed, NotAllowed, Resolver, Route, is_not_allowed};
use crate::message::Message;
use crate::retry_after::RetryAfter;
use crate::{Secrets, Settings, SettingsError};

#[cfg(test)]
mod inside_tests;

/// As much of an answer as is read, and forgotten, so that the connection can be used again.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The longest time that an idle connection is kept. A later delivery connects again, and its address is checked again.
const MAX_IDLE: Duration = Duration::from_secs(15);

/// The receiver's response, or the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryResponse {
    /// It answered.
    Status {
        /// With this status.
        code: u16,
        /// The time that the receiver asks to wait (`Retry-After`).
        retry_after: Option<RetryAfter>,
    },
    /// It may not have it.
    Nothing(DeliveryError),
}

/// The way out.
#[derive(Clone)]
pub(crate) struct WebhookClient {
    /// A client for each route that differs in the addresses that it may reach.
    clients: Arc<HashMap<Route, Client>>,
    allowed: Allowed,
    secrets: watch::Receiver<Secrets>,
    timeout: Duration,
}

impl WebhookClient {
    /// Signs each attempt with the current content of `secrets`.
    pub(crate) fn new(settings: &Settings, secrets: watch::Receiver<Secrets>) -> Result<Self, SettingsError> {
        let untrusted = |why: String| SettingsError { key: "ca_file", rule: format!("cannot be trusted: {why}") };
        let client = |route: Route| {
            let builder = hardened()
                .dns_resolver(Arc::new(Resolver { allowed: settings.allowed.clone(), route }))
                .timeout(settings.timeout)
                .pool_idle_timeout(MAX_IDLE);
            let builder = settings.trust.apply(builder).map_err(|error| untrusted(error.to_string()))?;
            Ok((route, builder.build().map_err(|error| untrusted(error.to_string()))?))
        };
        let clients = settings.allowed.routes().into_iter().map(client).collect::<Result<_, SettingsError>>()?;
        Ok(Self { clients: Arc::new(clients), allowed: settings.allowed.clone(), secrets, timeout: settings.timeout })
    }

    /// Posts `message` to `url`, as a part of `trace`; `now` is in seconds since the epoch.
    pub(crate) async fn post(
        &self,
        url: &Url,
        message: Message,
        trace: Option<&TraceParent>,
        now: u64,
    ) -> DeliveryResponse {
        let Some(client) = self.allowed.route(url).ok().and_then(|route| self.clients.get(&route)) else {
            return not_allowed();
        };
        let mut request = client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now);
        if let Some(trace) = trace {
            request = request.header("traceparent", trace.as_str());
        }
        let secrets = self.secrets.borrow().clone();
        if !secrets.is_empty() {
            let signature = secrets.sign(&message.id, now, &message.body);
            let Ok(signature) = HeaderValue::try_from(signature) else {
                return DeliveryResponse::Nothing(DeliveryError::CannotSign);
            };
            request = request.header("webhook-signature", signature);
        }
        // The client's own timeout includes the response body; this one covers everything else.
        match tokio::time::timeout(self.timeout, request.body(message.body).send()).await {
            Ok(Ok(response)) => {
                let reply =
                    DeliveryResponse::Status { code: response.status().as_u16(), retry_after: retry_after(&response) };
                forget(response).await;
                reply
            }
            Ok(Err(error)) => why(&error),
            Err(_) => DeliveryResponse::Nothing(DeliveryError::TimedOut),
        }
    }
}

/// The `Retry-After` of a busy receiver. With any other status the header has another meaning or none.
fn retry_after(response: &Response) -> Option<RetryAfter> {
    let busy = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = response.headers().get(RETRY_AFTER).filter(|_| busy)?;
    RetryAfter::read(header.to_str().ok()?)
}

/// Reads the rest of a response, up to a bound, so that the connection can be used again.
async fn forget(mut response: Response) {
    let mut left = MAX_ANSWER_BYTES;
    while let Ok(Some(chunk)) = response.chunk().await {
        let Some(rest) = left.checked_sub(chunk.len()) else { return };
        left = rest;
    }
}

fn not_allowed() -> DeliveryResponse {
    tracing::warn!("{NotAllowed}");
    DeliveryResponse::Nothing(DeliveryError::AddressNotAllowed)
}

fn why(error: &bursar_http_client::Error) -> DeliveryResponse {
    if error.source().is_some_and(is_not_allowed) {
        return not_allowed();
    }
    DeliveryResponse::Nothing(if error.is_timeout() {
        DeliveryError::TimedOut
    } else if error.is_connect() {
        DeliveryError::CannotConnect
    } else {
        DeliveryError::ConnectionBroken
    })
}

impl DeliveryResponse {
    /// The outcome for the metrics.
    pub(crate) const fn outcome(self) -> AttemptOutcome {
        match self {
            Self::Status { code: 200..=299, .. } => AttemptOutcome::Delivered,
            Self::Status { code: 410, .. } => AttemptOutcome::Gone,
            Self::Status { code: 429 | 503, .. } => AttemptOutcome::Busy,
            Self::Status { code: 400..=499, .. } => AttemptOutcome::Refused,
            Self::Status { code: 500..=599, .. } => AttemptOutcome::Failing,
            Self::Status { .. } => AttemptOutcome::UnexpectedStatus,
            Self::Nothing(DeliveryError::AddressNotAllowed) => AttemptOutcome::NotAllowed,
            Self::Nothing(DeliveryError::TimedOut) => AttemptOutcome::NoAnswer,
            Self::Nothing(DeliveryError::CannotConnect) => AttemptOutcome::Unreachable,
            Self::Nothing(DeliveryError::ConnectionBroken) => AttemptOutcome::Broken,
            Self::Nothing(
                DeliveryError::CannotSign | DeliveryError::UnreadableUrl | DeliveryError::UnreadableEvent,
            ) => AttemptOutcome::Invalid,
        }
    }

    /// The time at which the receiver wants the next attempt, if it named one.
    pub(crate) fn requested(self, now: Millis) -> Option<Millis> {
        match self {
            Self::Status { retry_after, .. } => retry_after.map(|requested| requested.moment(now)),
            Self::Nothing(_) => None,
        }
    }
}
