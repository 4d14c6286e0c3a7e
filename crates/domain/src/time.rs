//! Moments in Redis time. Every due time, lease and deadline is one; no local clock decides anything about a job.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Milliseconds since the Unix epoch, by the Redis server's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment and `delay` later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time since `earlier`; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with milliseconds, as the interface shows times: `2026-01-01T00:00:00.000Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
            .map_or_else(|| self.0.to_string(), |at| format!("{at:.3}"))
    }

    /// Reads an RFC 3339 time with an offset. `None` for anything else and for times before 1970.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Self)
    }

    /// The same for a bound of a search: a time before 1970 is the beginning of 1970, before all that is stored.
    #[must_use]
    pub fn parse_bound(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Self(u64::try_from(at.as_millisecond()).unwrap_or_default()))
    }
}

/// The schema of a time as outsiders read it. Milliseconds stay in Redis: every view writes [`Millis::rfc3339`].
impl JsonSchema for Millis {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_and_shown_in_utc() {
        let at = Millis::parse_rfc3339("2026-01-01T08:00:00+08:00").unwrap();
        assert_eq!(at.rfc3339(), "2026-01-01T00:00:00.000Z");
        assert_eq!(Millis::parse_rfc3339("2026-01-01T08:00:00"), None);
        assert_eq!(Millis::parse_rfc3339("tomorrow"), None);
        let long_ago = "0011-05-03T22:17:59Z";
        assert_eq!((Millis::parse_rfc3339(long_ago), Millis::parse_bound(long_ago)), (None, Some(Millis(0))));
        assert_eq!((Millis::parse_bound("2026-01-01T08:00:00+08:00"), Millis::parse_bound("now")), (Some(at), None));
    }
}
