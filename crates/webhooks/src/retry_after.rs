//! `Retry-After`: the time at which a receiver that is busy wants the next attempt (RFC 9110, section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use bursar_domain::Millis;

/// The requested wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    /// So long after its answer.
    In(Duration),
    /// At this moment, by its clock; it is taken for one of Redis time.
    At(Millis),
}

impl RetryAfter {
    /// Reads the header: seconds, or a date. `None` for anything else; the schedule alone decides then.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Only a number that does not fit is left: it means an unlimited wait.
            return Some(Self::In(Duration::from_secs(text.parse().unwrap_or(u64::MAX))));
        }
        let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self::At(Millis(0).plus(since)))
    }

    /// The requested time, for a response that arrived `now`.
    pub(crate) fn moment(self, now: Millis) -> Millis {
        match self {
            Self::In(wait) => now.plus(wait),
            Self::At(moment) => moment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_the_three_kinds_of_dates_are_read() {
        assert_eq!(RetryAfter::read("120"), Some(RetryAfter::In(Duration::from_secs(120))));
        let dates = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
        for date in dates {
            assert_eq!(RetryAfter::read(date), Some(RetryAfter::At(Millis(784_111_777_000))), "{date}");
        }
    }

    #[test]
    fn what_is_neither_queries_for_nothing() {
        for text in ["", "-1", "1.5", "soon", "1994-11-06T08:49:37Z", "12 s"] {
            assert_eq!(RetryAfter::read(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_count_from_the_answer_and_never_overflow() {
        let moment = |text| RetryAfter::read(text).unwrap().moment(Millis(1_000));
        assert_eq!(moment("3"), Millis(4_000));
        assert_eq!(moment("99999999999999999999999999"), Millis(u64::MAX));
        assert_eq!(moment("Sun, 06 Nov 1994 08:49:37 GMT"), Millis(784_111_777_000));
    }
}
