//! Webhooks: delivers the outcomes of jobs to their producers, at least once and in order for each job, as signed POSTs
//! in the form of Standard Webhooks. The outbox is in Redis with the job, and is written in the same step as the job's
//! state.
//!
//! Any number of processes may deliver. This crate decides nothing about a job.

mod addresses;
mod agenda;
mod client;
mod dispatcher;
mod host_limits;
mod message;
mod networks;
mod retry_after;
mod schedule;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use bursar_telemetry::{Traces, WebhookMetrics};
use tokio::sync::watch;

pub use addresses::Allowed;
pub use bursar_http_client::{Authorities, Trust};
pub use dispatcher::{Dispatcher, SigningKeys};
pub use networks::AllowedNetwork;
pub use secrets::{Secrets, SecretsError};

/// The operator's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The signing secrets; more than one during a rotation.
    pub secrets: Secrets,
    /// The networks that webhooks may go to, in addition to the public ones.
    pub allowed: Allowed,
    /// The certificate authorities that vouch for receivers.
    pub trust: Trust,
    /// The time limit of one attempt.
    pub timeout: Duration,
    /// The time after which an event is given up.
    pub retry_for: Duration,
    /// Attempts at a time in this process.
    pub concurrency: usize,
}

/// Metrics and traces of the deliveries. The default records nothing.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// The metrics.
    pub metrics: Arc<WebhookMetrics>,
    /// The exporter for the attempts of traced jobs.
    pub traces: Traces,
}

/// Callbacks cannot be made as they are configured. The operator acts next.
#[derive(Debug, thiserror::Error)]
#[error("webhooks.{key} {rule}")]
pub struct SettingsError {
    /// The key of the configuration.
    pub key: &'static str,
    /// The broken rule.
    pub rule: String,
}

/// Checks that webhooks can be delivered with these settings.
///
/// # Errors
/// [`SettingsError`].
pub fn check(settings: &Settings) -> Result<(), SettingsError> {
    client::WebhookClient::new(settings, watch::channel(settings.secrets.clone()).1).map(|_| ())
}
