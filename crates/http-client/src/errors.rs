//! Errors of reqwest in words that fit a log line.

use std::error::Error as _;

/// A text that names no certificate authority; to be read after the key of its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedAuthority {
    /// The text has no certificate.
    #[error("holds no PEM certificate")]
    None,
    /// A certificate cannot be read.
    #[error("holds no readable certificate: {0}")]
    Unreadable(String),
}

/// The causes of an error, on one line. reqwest's own first line says "error sending request" and the address, which is the
/// configuration's and no news: the causes say what happened.
#[must_use]
pub fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(source) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&source.to_string());
        cause = source.source();
    }
    match (text.is_empty(), error.is_timeout()) {
        (true, true) => "timed out".into(),
        (true, false) => "the request failed".into(),
        (false, _) => text,
    }
}
