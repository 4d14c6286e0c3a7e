//! Callbacks: tells producers what became of their jobs, at least once and in order for each job, by signed POSTs in the
//! form of Standard Webhooks. What there is to tell stands in Redis beside the job, put there in the same step as its state.
//!
//! Any number of processes may tell. Nothing here decides anything about a job.

mod addresses;
mod agenda;
mod client;
mod dispatcher;
mod host_limits;
mod message;
mod retry_after;
mod schedule;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use bursar_telemetry::{Traces, WebhookMetrics};
use tokio::sync::watch;

pub use addresses::Allowed;
pub use dispatcher::{Dispatcher, SigningKeys};
pub use ipnet::IpNet;
pub use secrets::{Secrets, SecretsError};

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What messages are signed with; more than one while secrets change.
    pub secrets: Secrets,
    /// Networks that may be told beside the public ones.
    pub allowed: Allowed,
    /// A certificate authority (PEM) to trust beside the system's.
    pub ca_pem: Option<String>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long an event is tried before it is given up.
    pub retry_for: Duration,
    /// Attempts at a time in this process.
    pub concurrency: usize,
}

/// Who is told how the telling goes. The default: nobody.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// What is counted.
    pub metrics: Arc<WebhookMetrics>,
    /// Where the attempts of traced jobs are told.
    pub traces: Traces,
}

/// Callbacks cannot be made as they are configured. The operator acts next.
#[derive(Debug, thiserror::Error)]
#[error("webhooks.{key} {rule}")]
pub struct SettingsError {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is wrong with it.
    pub rule: String,
}

/// Whether callbacks can be made as they are configured.
///
/// # Errors
/// [`SettingsError`].
pub fn check(settings: &Settings) -> Result<(), SettingsError> {
    client::WebhookClient::new(settings, watch::channel(settings.secrets.clone()).1).map(|_| ())
}
