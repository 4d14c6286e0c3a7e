//! The jobs of a queue that ended per minute, from its newest events.

use std::time::Duration;

use bursar_domain::{Millis, State};
use bursar_store::Event;

use super::millis;

/// The time that a queue's rate covers at most.
const RATE_OVER: Duration = Duration::from_secs(10 * 60);

/// The jobs of a queue that ended per minute.
pub(in crate::dashboard) struct Rate {
    /// With one decimal.
    pub(in crate::dashboard) per_minute: String,
    pub(in crate::dashboard) over: Duration,
}

/// A queue's rate; `None` where nothing has happened.
pub(in crate::dashboard) fn rate(now: Millis, events: &[Event]) -> Option<Rate> {
    let oldest = events.last()?.id.at;
    let since = Millis(now.0.saturating_sub(millis(RATE_OVER))).max(oldest);
    let ended = events.iter().filter(|event| event.id.at >= since && event.state().is_some_and(State::is_terminal));
    let count = u64::try_from(ended.count()).unwrap_or(u64::MAX);
    // A burst a second ago is no rate: at least a minute counts.
    let over = now.since(since).max(Duration::from_secs(60));
    let tenths = count.saturating_mul(600_000) / millis(over).max(1);
    Some(Rate { per_minute: format!("{}.{}", tenths / 10, tenths % 10), over })
}

#[cfg(test)]
mod tests {
    use bursar_store::EventId;

    use super::*;

    fn ended(at: u64, state: &str) -> Event {
        let fields = vec![("key".into(), "A".into()), ("state".into(), state.to_owned())];
        let id = EventId { at: Millis(at), ..EventId::default() };
        Event { id, partition: 0, queue: "main/transfer".into(), fields }
    }

    #[test]
    fn a_rate_counts_ends_over_the_time_that_its_events_cover() {
        let recent = |events: Vec<Event>| rate(Millis(1_000_000), &events);
        assert!(recent(vec![]).is_none());
        let five = vec![ended(999_000, "succeeded"), ended(880_000, "in_doubt"), ended(880_000, "failed")];
        let text = recent(five).unwrap();
        assert_eq!((text.per_minute.as_str(), text.over), ("1.0", Duration::from_secs(120)));
        assert_eq!(recent(vec![ended(999_999, "succeeded")]).unwrap().per_minute, "1.0", "not 60,000");
        let old = vec![ended(999_000, "succeeded"), ended(1, "succeeded")];
        assert_eq!(recent(old).unwrap().over, RATE_OVER);
    }
}
