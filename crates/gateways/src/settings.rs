//! The settings that accounts have at every gateway, in types that the configuration is read into.

use std::time::Duration;

use bursar_http_client::Trust;

/// A setting that no gateway can work with. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct SettingsError {
    /// The configuration's name for the setting: `private_key_file`.
    pub setting: &'static str,
    /// The problem, to be read after the setting's name: `holds a public key, …`. Never its content.
    pub problem: String,
}

impl SettingsError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// The way of requests; the same for both gateways.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Where requests are posted to.
    pub base_url: String,
    /// The longest wait for name lookup, TCP and TLS together; half of `call_timeout` if that is shorter.
    pub connect_timeout: Duration,
    /// The longest wait for a whole call, connecting included. Must be shorter than the worker's lease allows.
    pub call_timeout: Duration,
    /// The time that a connection which has answered may lie idle and then carry another request. Zero: each request has a
    /// own connection, which no answer to another one can reach and which the gateway is not just closing.
    pub keep_alive: Duration,
    /// The certificate authorities that vouch for the gateway.
    pub trust: Trust,
    /// The form in which parameters are written.
    pub content_type: ContentType,
    /// The meaning of an HTTP 429.
    pub http_429: TooManyRequests,
}

impl Transport {
    /// The defaults of the configuration for the account at `base_url`.
    #[must_use]
    pub fn new(base_url: impl Into<String>, content_type: ContentType) -> Self {
        Self {
            base_url: base_url.into(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            keep_alive: Duration::ZERO,
            trust: Trust::System,
            content_type,
            http_429: TooManyRequests::default(),
        }
    }
}

/// The form in which parameters are written. YZT's gateway takes both, BeingFi's page names both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// `application/json`, every value a text.
    Json,
}

/// The meaning of an HTTP 429 without a readable answer for a send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TooManyRequests {
    /// It may have been executed: a proxy on the way may limit answers as well as requests.
    #[default]
    InDoubt,
    /// The operator knows that whatever answers 429 is in front of the gateway and passes nothing on.
    NotExecuted,
}
