//! When to try again. `backoff` computes the growth, a seed decides the jitter; nothing sleeps on either: a wait becomes
//! a due time in Redis and outlives the process that computed it.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

use crate::Policy;

/// Doublings after which every configurable wait has long reached its maximum (2^40 ms are 34 years).
const MAX_DOUBLINGS: u32 = 40;

/// Polls are spread by this many per cent either way, so that a thousand jobs accepted at once are not asked about at once.
const POLL_SPREAD_PERCENT: u64 = 20;

/// The wait before send number `sends + 1` of a job whose earlier sends certainly executed nothing:
/// exponential from `retry_initial` to `retry_max`, full jitter (anything between nothing and all of it).
#[must_use]
pub fn retry_delay(policy: &Policy, sends: u32, seed: u64) -> Duration {
    let mut growth = ExponentialBackoff {
        current_interval: policy.retry_initial,
        initial_interval: policy.retry_initial,
        max_interval: policy.retry_max,
        multiplier: 2.0,
        randomization_factor: 0.0, // its jitter cannot be seeded; ours can
        max_elapsed_time: None,    // deadlines are judged in Redis time, not here
        ..ExponentialBackoff::default()
    };
    let mut ceiling = policy.retry_initial;
    for _ in 0..sends.clamp(1, MAX_DOUBLINGS) {
        ceiling = growth.next_backoff().unwrap_or(policy.retry_max);
    }
    let millis = millis(ceiling.min(policy.retry_max));
    Duration::from_millis(draw(seed, sends, 0, millis))
}

/// The wait before send number `sends + 1` of a job that was not ready: `not_ready_wait` and up to a tenth more.
#[must_use]
pub fn not_ready_delay(policy: &Policy, sends: u32, seed: u64) -> Duration {
    let wait = millis(policy.not_ready_wait);
    Duration::from_millis(draw(seed, sends, wait, wait.saturating_add(wait / 10)))
}

/// The wait before query number `queries + 1`: the policy's list, then its last entry without end, ± 20 %.
#[must_use]
pub fn poll_delay(policy: &Policy, queries: u32, seed: u64) -> Duration {
    let index = usize::try_from(queries).unwrap_or(usize::MAX).min(policy.poll.len().saturating_sub(1));
    let base = policy.poll.get(index).copied().map_or(0, millis);
    let spread = base / 100 * POLL_SPREAD_PERCENT + base % 100 * POLL_SPREAD_PERCENT / 100;
    Duration::from_millis(draw(seed, queries, base - spread, base.saturating_add(spread)))
}

/// A short wait on top of the time of `resend_after`, a tenth of it and at most a second: jobs that fell in doubt together, when a
/// gateway or a worker went down, are not sent again together.
#[must_use]
pub fn resend_spread(policy: &Policy, seed: u64) -> Duration {
    Duration::from_millis(draw(seed, u32::MAX, 0, millis(policy.resend_after / 10).min(1_000)))
}

/// A number from `low` to `high`, the same for the same seed and step.
fn draw(seed: u64, step: u32, low: u64, high: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ (u64::from(step) << 32)).u64(low..=high)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_up_to_the_maximum() {
        let policy = Policy::default();
        for (sends, ceiling_s) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (500, 300)] {
            let longest = (0..2_000).map(|seed| retry_delay(&policy, sends, seed)).max().unwrap();
            let ceiling = Duration::from_secs(ceiling_s);
            assert!(longest <= ceiling, "{sends}: {longest:?}");
            assert!(longest >= ceiling * 9 / 10, "{sends}: {longest:?} never comes near {ceiling:?}");
        }
    }

    #[test]
    fn full_jitter_reaches_down_to_nothing() {
        let shortest = (0..2_000).map(|seed| retry_delay(&Policy::default(), 10, seed)).min().unwrap();
        assert!(shortest < Duration::from_secs(3), "{shortest:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_wait() {
        let policy = Policy::default();
        assert_eq!(retry_delay(&policy, 4, 7), retry_delay(&policy, 4, 7));
        assert_ne!(retry_delay(&policy, 4, 7), retry_delay(&policy, 4, 8));
        assert_ne!(poll_delay(&policy, 4, 7), poll_delay(&policy, 5, 7));
    }

    #[test]
    fn polls_follow_the_list_within_a_fifth_and_stay_at_its_last() {
        let policy = Policy::default();
        for (queries, base_s) in [(0, 5), (1, 10), (7, 600), (8, 600), (u32::MAX, 600)] {
            for seed in 0..200 {
                let delay = poll_delay(&policy, queries, seed).as_millis();
                assert!((base_s * 800..=base_s * 1200).contains(&delay), "{queries}: {delay}");
            }
        }
    }
}
