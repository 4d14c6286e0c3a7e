//! The schedule of attempts.

use std::time::Duration;

use bursar_domain::Millis;

/// The first wait; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// The longest: a receiver that is back hears of it within the hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Doublings after which every wait has long been the longest.
const MAX_DOUBLINGS: u32 = 20;

/// A wait is shortened by up to a fifth, so that deliveries that failed together are not retried together.
const SPREAD: u32 = 5;

/// The wait after the attempt that makes it `failures`, at least 1. `draw` gives a number below its argument.
pub(crate) fn wait(failures: u32, draw: impl FnOnce(u64) -> u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
    let whole = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let spread = u64::try_from((whole / SPREAD).as_millis()).unwrap_or(u64::MAX);
    whole - Duration::from_millis(draw(spread.max(1)))
}

/// The time of the next attempt after a failed one; `None` if the event has been tried for long enough.
///
/// `wait` is the schedule's, `requested` the receiver's. The request is honoured within bounds: never less than the
/// schedule's wait, because "at once" from a failing receiver would overload it; and never beyond the end of
/// `retry_for`, because "next year" must not block the event and the later events of its job. It applies to this event
/// alone: one host may serve many receivers, and the others have requested nothing.
pub(crate) fn again(
    now: Millis,
    first_tried: Millis,
    retry_for: Duration,
    wait: Duration,
    requested: Option<Millis>,
) -> Option<Millis> {
    let (earliest, latest) = (now.plus(wait), first_tried.plus(retry_for));
    (earliest <= latest).then(|| requested.unwrap_or(earliest).clamp(earliest, latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_respected_within_the_schedules_bounds() {
        let day = Duration::from_secs(86_400);
        let (now, first) = (Millis(100_000), Millis(40_000));
        let again = |requested| again(now, first, day, Duration::from_secs(5), requested);
        assert_eq!(again(None), Some(Millis(105_000)));
        assert_eq!(again(Some(Millis(160_000))), Some(Millis(160_000)));
        assert_eq!(again(Some(Millis(100_001))), Some(Millis(105_000)), "no sooner than the schedule has it");
        assert_eq!(again(Some(Millis(u64::MAX))), Some(first.plus(day)), "once more at the end of the day");
    }

    #[test]
    fn a_delivery_past_its_time_is_given_up_despite_retry_after() {
        let again =
            |now, requested| again(Millis(now), Millis(0), Duration::from_secs(60), Duration::from_secs(5), requested);
        assert_eq!(again(55_000, None), Some(Millis(60_000)));
        assert_eq!(again(55_001, None), None);
        assert_eq!(again(55_001, Some(Millis(1))), None);
    }

    #[test]
    fn waits_double_from_seconds_to_an_hour() {
        let waits: Vec<u64> = (1..=12).map(|failures| wait(failures, |_| 0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
        assert_eq!(wait(u32::MAX, |_| 0), LONGEST_WAIT);
        assert_eq!(wait(1, |below| below - 1), Duration::from_millis(4_001));
    }
}
