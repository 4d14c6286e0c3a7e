//! This machine's clock, for the ends of sessions and tokens. It decides nothing about a job.

use bursar_domain::Millis;

/// The time by this machine's clock.
#[allow(clippy::disallowed_methods, reason = "how long a browser stays signed in decides nothing about a job")]
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
