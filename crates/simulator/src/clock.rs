//! The wall clock, read in this one place, and the two ways the gateways write it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// The gateways write local time of GMT+8 without saying so (page of `bkfunds.balance.pay.apply`).
const ZONE: Offset = Offset::constant(8);
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "a gateway judges timestamps by its own clock; nothing here is due by it")]
pub(crate) fn now_ms() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// `yyyy-MM-dd HH:mm:ss` in GMT+8.
pub(crate) fn written(ms: i64) -> String {
    formatted(ms, FORMAT)
}

/// `yyyyMMdd` in GMT+8.
pub(crate) fn day(ms: i64) -> String {
    formatted(ms, "%Y%m%d")
}

/// Reads `yyyy-MM-dd HH:mm:ss` in GMT+8, strictly: the pages' own `2024-04-2815:09:29` is not a time.
pub(crate) fn read(text: &str) -> Option<i64> {
    let local = DateTime::strptime(FORMAT, text).ok()?;
    let ms = ZONE.to_timestamp(local).ok()?.as_millisecond();
    // `strptime` is lenient about white space and leading zeros.
    (written(ms) == text).then_some(ms)
}

fn formatted(ms: i64, format: &str) -> String {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.to_zoned(TimeZone::fixed(ZONE)).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_time_is_read_back() {
        let ms = 1_795_310_977_000;
        assert_eq!(read(&written(ms)), Some(ms));
        assert_eq!(written(0), "1970-01-01 08:00:00");
        assert_eq!(day(0), "19700101");
    }

    #[test]
    fn the_time_in_the_pages_example_is_refused() {
        assert_eq!(read("2024-04-2815:09:29"), None);
        assert_eq!(read("2024-04-28  5:09:29"), None);
        assert_eq!(read("2024-02-30 15:09:29"), None);
        assert!(read("2024-04-28 15:09:29").is_some());
    }
}
