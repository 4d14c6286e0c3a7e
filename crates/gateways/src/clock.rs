//! The local clock, where wire formats need one: timestamps of requests, and the check against a gateway's clock.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::Offset;

/// YZT's and BeingFi's time zone. A fixed offset: no time zone database and no local zone can change it.
const GMT_8: Offset = Offset::constant(8);

/// Now, by this machine's clock. In a debug build `BURSAR_CLOCK_SKEW_MS` sets that clock forward or, below zero, back, so
/// that tests can look at what comes of it.
pub(crate) fn now() -> Timestamp {
    #[allow(clippy::disallowed_methods, reason = "a request's timestamp must be this moment, not Redis's")]
    let now = std::time::SystemTime::now();
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    #[cfg(debug_assertions)]
    let now = skewed(now);
    now
}

#[cfg(debug_assertions)]
fn skewed(now: Timestamp) -> Timestamp {
    static SKEW_MS: std::sync::LazyLock<Option<i64>> =
        std::sync::LazyLock::new(|| std::env::var("BURSAR_CLOCK_SKEW_MS").ok()?.parse().ok());
    let skew = jiff::SignedDuration::from_millis(SKEW_MS.unwrap_or(0));
    now.checked_add(skew).unwrap_or(now)
}

/// The same in milliseconds since 1970, for a comparison of this clock with another.
#[must_use]
pub fn local_now_ms() -> u64 {
    u64::try_from(now().as_millisecond()).unwrap_or_default()
}

/// `yyyy-MM-dd HH:mm:ss` in GMT+8 (docs/gateways/yzt.md). The space is not optional, whatever the pages' examples show (trap 5).
pub(crate) fn yzt_stamp(at: Timestamp) -> String {
    GMT_8.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads such a stamp, strictly.
pub(crate) fn read_yzt_stamp(text: &str) -> Option<Timestamp> {
    let shaped = text.len() == 19 && text.as_bytes().get(10) == Some(&b' ');
    let at = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok().filter(|_| shaped)?;
    GMT_8.to_timestamp(at).ok()
}

/// The moment in an HTTP `Date` header.
pub(crate) fn read_http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_05_timestamps_have_a_space_and_are_read_strictly() {
        let at: Timestamp = "2026-11-22T01:30:00Z".parse().unwrap();
        assert_eq!(yzt_stamp(at), "2026-11-22 09:30:00");
        assert_eq!(read_yzt_stamp("2026-11-22 09:30:00"), Some(at));
        for wrong in ["2024-04-2815:09:29", "2024-04-28  15:09:29", "2024-04-28T15:09:29", "2024-4-28 15:09:29", ""] {
            assert_eq!(read_yzt_stamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn trap_27_each_time_format_has_its_own_formatter() {
        let new_year: Timestamp = "2025-12-31T16:00:00Z".parse().unwrap();
        assert_eq!(yzt_stamp(new_year), "2026-01-01 00:00:00");
        assert_eq!(read_yzt_stamp("20240301131800"), None);
        assert_eq!(read_yzt_stamp("2024-03-01"), None);
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        assert_eq!(read_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at));
        assert_eq!(read_http_date("yesterday"), None);
    }
}
