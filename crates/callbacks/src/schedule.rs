//! When a failed attempt is made again.

use std::time::Duration;

/// The first wait; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// The longest: a receiver that is back hears of it within the hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Doublings after which every wait has long been the longest.
const MAX_DOUBLINGS: u32 = 20;

/// A wait is shortened by up to this part of it, so that what failed together does not come together again.
const SPREAD: u32 = 5;

/// The wait after the attempt that makes it `failures`, at least 1. `draw` gives a number below its argument.
pub(crate) fn wait(failures: u32, draw: impl FnOnce(u64) -> u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
    let whole = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let spread = u64::try_from((whole / SPREAD).as_millis()).unwrap_or(u64::MAX);
    whole - Duration::from_millis(draw(spread.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_seconds_to_an_hour() {
        let waits: Vec<u64> = (1..=12).map(|failures| wait(failures, |_| 0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
        assert_eq!(wait(u32::MAX, |_| 0), LONGEST_WAIT);
        assert_eq!(wait(1, |below| below - 1), Duration::from_millis(4_001));
    }
}
