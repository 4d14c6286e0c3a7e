//! A token's rate: a burst of one second's requests, then one at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One token's use of its rate: the time at which all of its requests so far would have been due.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    paid_until: Mutex<Option<Instant>>,
}

impl Rate {
    /// Takes one request at `per_second`, 0 for no limit.
    ///
    /// # Errors
    /// The time until the next one.
    pub(crate) fn take(&self, per_second: u32, now: Instant) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let step = Duration::from_secs(1) / per_second;
        let burst = Duration::from_secs(1);
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let next = paid_until.unwrap_or(now).max(now) + step;
        let ahead = next - now;
        if ahead > burst {
            return Err(ahead - burst);
        }
        *paid_until = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_requests_go_at_once_and_then_one_at_a_time() {
        let (rate, now) = (Rate::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(rate.take(10, now), Ok(()));
        }
        assert_eq!(rate.take(10, now), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(10, now + Duration::from_millis(100)), Ok(()));
        assert!(rate.take(10, now + Duration::from_millis(100)).is_err());
        let later = now + Duration::from_secs(60);
        let taken = (0..100).take_while(|_| rate.take(10, later).is_ok()).count();
        assert_eq!(taken, 10, "what was not used is not saved up");
    }

    #[test]
    fn zero_is_no_limit() {
        let (rate, now) = (Rate::default(), Instant::now());
        assert!((0..10_000).all(|_| rate.take(0, now).is_ok()));
    }
}
