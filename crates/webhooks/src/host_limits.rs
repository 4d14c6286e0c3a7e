//! A receiver that is slow or has many events must not delay the others. Each receiver gets a share of the concurrent
//! attempts; deliveries beyond its share are postponed until the receiver is likely to have a free slot.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// One receiver's part of all attempts at a time.
const SHARE: usize = 4;

/// The assumed duration of an attempt before one has been measured.
const UNSEEN: Duration = Duration::from_millis(50);

/// The shortest and the longest time for which anything is put off.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(60);

/// Receivers that are remembered while nothing goes on with them.
const MAX_IDLE: usize = 1_024;

/// The receivers with attempts in flight or postponed deliveries.
pub(crate) struct HostLimits {
    at_a_time: usize,
    hosts: HashMap<String, Host>,
}

struct Host {
    under_way: usize,
    /// The smoothed duration of attempts.
    lasts: Duration,
    /// The time until which postponed deliveries occupy the receiver.
    booked: Instant,
}

impl HostLimits {
    /// Shares out `concurrency` attempts at a time.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self { at_a_time: (concurrency / SHARE).max(1), hosts: HashMap::new() }
    }

    /// Takes a place for one attempt.
    ///
    /// # Errors
    /// The time to postpone the delivery by, if the receiver has no free slot.
    pub(crate) fn enter(&mut self, name: &str, now: Instant) -> Result<(), Duration> {
        if self.hosts.len() > MAX_IDLE {
            self.hosts.retain(|_, host| host.under_way > 0 || host.booked > now);
        }
        let host = self.hosts.entry(name.to_owned()).or_insert(Host { under_way: 0, lasts: UNSEEN, booked: now });
        if host.under_way < self.at_a_time {
            host.under_way += 1;
            return Ok(());
        }
        // Each that is put off books the next time at which the receiver is likely to take one.
        let places = u32::try_from(self.at_a_time).unwrap_or(u32::MAX);
        host.booked = host.booked.max(now) + host.lasts / places;
        let wait = host.booked.duration_since(now).clamp(SHORTEST, LONGEST);
        host.booked = host.booked.min(now + LONGEST);
        Err(wait)
    }

    /// Gives the place back after an attempt of this length.
    pub(crate) fn leave(&mut self, name: &str, lasted: Duration) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        host.under_way = host.under_way.saturating_sub(1);
        host.lasts = (host.lasts * 3 + lasted) / 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_receiver_leaves_places_to_the_others() {
        let mut hosts = HostLimits::new(8);
        let now = Instant::now();
        assert_eq!((0..5).filter(|_| hosts.enter("slow", now).is_ok()).count(), 2);
        assert_eq!(hosts.enter("quick", now), Ok(()));
        hosts.leave("slow", Duration::from_secs(10));
        assert_eq!(hosts.enter("slow", now), Ok(()));
    }

    #[tokio::test]
    async fn what_is_put_off_comes_about_as_fast_as_the_receiver_takes_it() {
        let mut hosts = HostLimits::new(16);
        let now = Instant::now();
        for _ in 0..4 {
            hosts.enter("a", now).unwrap();
        }
        for _ in 0..40 {
            hosts.leave("a", Duration::from_millis(400));
            hosts.enter("a", now).unwrap();
        }
        let waits: Vec<Duration> = (0..10).map(|_| hosts.enter("a", now).unwrap_err()).collect();
        assert!(waits.is_sorted());
        let last = waits[9].as_millis();
        assert!((900..=1_100).contains(&last), "ten at 400 ms in four places: {last} ms");
        for _ in 0..10_000 {
            assert!(hosts.enter("a", now).unwrap_err() <= LONGEST);
        }
    }

    #[tokio::test]
    async fn receivers_with_whom_nothing_goes_on_are_forgotten() {
        let mut hosts = HostLimits::new(4);
        let now = Instant::now();
        for number in 0..5_000 {
            let name = format!("host{number}");
            hosts.enter(&name, now).unwrap();
            hosts.leave(&name, SHORTEST);
        }
        assert!(hosts.hosts.len() <= MAX_IDLE + 1);
    }
}
