//! Jobs that a newer build wrote: the time for which this worker leaves them alone.
//!
//! While workers of both builds run, a short wait lets a newer worker take the job soon. Without a newer worker, many
//! such jobs at the head of a queue would block the jobs behind them, so the wait grows with their number.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::queues::QueueNumber;

/// The wait where few are met.
const SHORTEST: Duration = Duration::from_secs(1);

/// The wait where very many are met: a newer worker that starts has them a minute later at the latest.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait that each such job within the window adds.
const PER_JOB: Duration = Duration::from_millis(1);

/// The window in which such jobs count.
const WINDOW: Duration = Duration::from_secs(60);

/// The jobs of newer builds that were met in each queue.
#[derive(Debug, Default)]
pub(crate) struct Newer {
    queues: HashMap<QueueNumber, Met>,
}

/// Those of one queue.
#[derive(Debug)]
struct Met {
    since: Instant,
    jobs: u32,
}

impl Newer {
    /// The time for which the next ones of this queue are left alone.
    pub(crate) fn wait(&self, queue: QueueNumber, now: Instant) -> Duration {
        let met = self.queues.get(&queue).filter(|met| now.duration_since(met.since) < WINDOW);
        let jobs = met.map_or(0, |met| met.jobs);
        (SHORTEST + PER_JOB.saturating_mul(jobs)).min(LONGEST)
    }

    /// Counts these jobs; `true` if they are the first of a window, so that the log does not name each of them.
    pub(crate) fn note(&mut self, queue: QueueNumber, jobs: usize, now: Instant) -> bool {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        if jobs == 0 {
            return false;
        }
        let met = self.queues.entry(queue).or_insert(Met { since: now, jobs: 0 });
        let is_over = now.duration_since(met.since) >= WINDOW;
        if is_over {
            *met = Met { since: now, jobs: 0 };
        }
        let is_first = met.jobs == 0;
        met.jobs = met.jobs.saturating_add(jobs);
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_each_encounter_and_decays() {
        let (queue, other, now) = (QueueNumber::of(0), QueueNumber::of(1), Instant::now());
        let mut newer = Newer::default();
        assert_eq!(newer.wait(queue, now), SHORTEST);
        assert!(!newer.note(queue, 0, now), "nothing was met");
        let cases = [(1, 1.001), (999, 2.0), (57_000, 59.0), (5_000, 60.0), (usize::MAX, 60.0)];
        for (number, (jobs, seconds)) in cases.into_iter().enumerate() {
            assert_eq!(newer.note(queue, jobs, now), number == 0, "only the first is reported");
            assert_eq!(newer.wait(queue, now).as_secs_f64(), seconds, "after {jobs} more");
        }
        assert_eq!(newer.wait(other, now), SHORTEST, "each queue for itself");
        let later = now + WINDOW;
        assert_eq!(newer.wait(queue, later), SHORTEST);
        assert!(newer.note(queue, 1, later));
    }
}
