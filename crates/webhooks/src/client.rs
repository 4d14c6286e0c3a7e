//! One attempt: a POST, made once, never redirected, never through a proxy, to an address that may be told.

use std::error::Error as _;
use std::time::Duration;

use bursar_domain::{DeliveryError, Millis, TraceParent};
use bursar_telemetry::AttemptOutcome;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode, retry};
use tokio::sync::watch;
use url::Url;

use crate::addresses::{Allowed, NotAllowed, Resolver, is_not_allowed};
use crate::message::Message;
use crate::retry_after::RetryAfter;
use crate::{Secrets, Settings, SettingsError};

/// As much of an answer as is read, and forgotten, so that the connection can be used again.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// How long a connection may lie idle: a receiver that is told seldom is connected to anew, and judged anew.
const MAX_IDLE: Duration = Duration::from_secs(15);

/// What a receiver, or its absence, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryResponse {
    /// It answered.
    Status {
        /// With this status.
        code: u16,
        /// And asks to be left alone until then.
        retry_after: Option<RetryAfter>,
    },
    /// It may not have it.
    Nothing(DeliveryError),
}

/// The way out.
#[derive(Clone)]
pub(crate) struct WebhookClient {
    client: Client,
    allowed: Allowed,
    secrets: watch::Receiver<Secrets>,
    timeout: Duration,
}

impl WebhookClient {
    /// Signs with what `secrets` holds at each attempt.
    pub(crate) fn new(settings: &Settings, secrets: watch::Receiver<Secrets>) -> Result<Self, SettingsError> {
        let untrusted = |why: String| SettingsError { key: "ca_file", rule: format!("cannot be trusted: {why}") };
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .dns_resolver(std::sync::Arc::new(Resolver(settings.allowed.clone())))
            .timeout(settings.timeout)
            .pool_idle_timeout(MAX_IDLE)
            .user_agent(concat!("bursar/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.ca_pem {
            let certificates =
                Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| untrusted(error.to_string()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| untrusted(error.to_string()))?;
        Ok(Self { client, allowed: settings.allowed.clone(), secrets, timeout: settings.timeout })
    }

    /// Posts `message` to `url`, as a part of `trace`; `now` is in seconds since the epoch.
    pub(crate) async fn post(
        &self,
        url: &Url,
        message: Message,
        trace: Option<&TraceParent>,
        now: u64,
    ) -> DeliveryResponse {
        if self.allowed.check_url(url).is_err() {
            return not_allowed();
        }
        let mut request = self
            .client
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
        // The client's own timeout covers the answer's body as well; this one covers whatever it does not.
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

/// What a receiver that is busy asks for. With any other status the header means something else, or nothing.
fn retry_after(response: &Response) -> Option<RetryAfter> {
    let busy = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = response.headers().get(RETRY_AFTER).filter(|_| busy)?;
    RetryAfter::read(header.to_str().ok()?)
}

/// Reads what is left of an answer, as far as it is worth it.
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

fn why(error: &reqwest::Error) -> DeliveryResponse {
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
    /// What that comes to.
    pub(crate) const fn outcome(self) -> AttemptOutcome {
        match self {
            Self::Status { code: 200..=299, .. } => AttemptOutcome::Delivered,
            Self::Status { code: 410, .. } => AttemptOutcome::Gone,
            Self::Status { code: 429 | 503, .. } => AttemptOutcome::Busy,
            Self::Status { code: 400..=499, .. } => AttemptOutcome::Refused,
            Self::Status { code: 500..=599, .. } => AttemptOutcome::Failing,
            Self::Status { .. } => AttemptOutcome::UnexpectedStatus,
            Self::Nothing(DeliveryError::AddressNotAllowed) => AttemptOutcome::NotAllowed,
            Self::Nothing(DeliveryError::TimedOut) => AttemptOutcome::Silent,
            Self::Nothing(DeliveryError::CannotConnect) => AttemptOutcome::Unreachable,
            Self::Nothing(DeliveryError::ConnectionBroken) => AttemptOutcome::Broken,
            Self::Nothing(
                DeliveryError::CannotSign | DeliveryError::UnreadableUrl | DeliveryError::UnreadableEvent,
            ) => AttemptOutcome::Invalid,
        }
    }

    /// When it asks to be told again, if it does.
    pub(crate) fn requested(self, now: Millis) -> Option<Millis> {
        match self {
            Self::Status { retry_after, .. } => retry_after.map(|requested| requested.moment(now)),
            Self::Nothing(_) => None,
        }
    }
}
