//! Counts of ended jobs: how many jobs reached each final state in each minute, and the sum of their amounts.
//!
//! A job is counted once, in the minute in which it reached its present final state. The write that ends a job counts it, and the write that
//! changes its end takes it out where it was counted. So the sum over all minutes is always the sum over the jobs that have ended.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bursar_domain::{ContentSummary, Fen, Kind, Millis, Queue, State};
use redis::Pipeline;

use super::overlay::is_open;
use super::record::{Raw, StoredJob};
use crate::reply::from_reply;
use crate::{Store, StoreError};

/// The time for which the counts are kept, unless the configuration says otherwise.
pub const COUNTS_KEEP: Duration = Duration::from_secs(400 * 24 * 3_600);

const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;

/// Hours that one round trip reads: about a millisecond of Redis.
const HOURS_AT_ONCE: usize = 200;

/// A minute and a final state, as the script reads it: hour, minute and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    at: Millis,
    state: &'static str,
}

impl fmt::Display for Bucket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", hour(self.at), self.at.0 % HOUR_MS / MINUTE_MS, self.state)
    }
}

/// An hour as its key names it: `2026-01-31T23`, in UTC.
fn hour(at: Millis) -> String {
    at.rfc3339().chars().take(13).collect()
}

/// The change of the counts by one write.
#[derive(Clone, Debug)]
pub(crate) struct CountChange {
    /// Where the job was counted.
    pub(crate) removed: Option<Counted>,
    /// Where it is counted now.
    pub(crate) added: Option<Counted>,
}

/// A job in the counts.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) bucket: Bucket,
    content: Option<Raw>,
}

impl Counted {
    fn of(record: &StoredJob, state: State) -> Option<Self> {
        let at = record.ended_at.filter(|_| !is_open(state))?;
        let at = Millis(at.0 / MINUTE_MS * MINUTE_MS);
        Some(Self { bucket: Bucket { at, state: state.as_str() }, content: record.content.clone() })
    }

    /// The job's amount; 0 where its content names none.
    pub(crate) fn fen(&self, kind: Option<Kind>) -> i64 {
        let content = kind.zip(self.content.as_ref());
        let amount = content.and_then(|(kind, content)| ContentSummary::of(kind, content.text()).amount);
        amount.map_or(0, Fen::get)
    }
}

impl CountChange {
    /// The change of a queue's counts by a write that replaces this record by that one.
    pub(crate) fn moved(removed: Option<&StoredJob>, added: Option<&StoredJob>) -> Option<Self> {
        let of = |record: Option<&StoredJob>| record.and_then(|record| Counted::of(record, record.state));
        Self::of(of(removed), of(added))
    }

    fn of(removed: Option<Counted>, added: Option<Counted>) -> Option<Self> {
        (removed.is_some() || added.is_some()).then_some(Self { removed, added })
    }
}

impl StoredJob {
    /// Notes the end of a job that was in the state `before`, or that it is open again; returns the change of the counts.
    pub(crate) fn count_end(&mut self, before: State, at: Millis) -> Option<CountChange> {
        if self.state == before {
            return None;
        }
        let removed = Counted::of(self, before);
        self.ended_at = (!is_open(self.state)).then_some(at);
        CountChange::of(removed, Counted::of(self, self.state))
    }
}

/// How many jobs, and the sum of their amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The number of jobs.
    pub count: i64,
    /// The sum of their amounts in fen.
    pub fen: i128,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.fen = self.fen.saturating_add(other.fen); // i128 holds more than all hours of i64 can add up to
    }
}

/// The jobs of a queue that ended in a time, by the minute and the final state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedJobs {
    /// By the beginning of the minute, and the state.
    pub minutes: BTreeMap<(Millis, &'static str), Sum>,
    /// Hours in which a count or a sum could not be written (field `inexact`) or cannot be read: no sum over them is exact.
    pub inexact: Vec<Millis>,
}

impl EndedJobs {
    /// The sum of each final state.
    #[must_use]
    pub fn by_state(&self) -> BTreeMap<&'static str, Sum> {
        let mut sums: BTreeMap<&'static str, Sum> = BTreeMap::new();
        for ((_, state), sum) in &self.minutes {
            *sums.entry(state).or_default() += *sum;
        }
        sums
    }

    /// Adds the fields of one hour.
    fn add(&mut self, hour: Millis, fields: &[(String, String)], (from, until): (Millis, Millis)) {
        for (field, value) in fields {
            let Some((minute, state, is_fen)) = read_field(field) else {
                self.inexact.push(hour);
                continue;
            };
            let at = Millis(hour.0 + minute * MINUTE_MS);
            if at < from || at >= until {
                continue;
            }
            let sum = self.minutes.entry((at, state)).or_default();
            match value.parse::<i64>() {
                Ok(fen) if is_fen => sum.fen += i128::from(fen),
                Ok(count) => sum.count = sum.count.saturating_add(count),
                Err(_) => self.inexact.push(hour),
            }
        }
        self.minutes.retain(|_, sum| *sum != Sum::default()); // all of its jobs have ended in another way since
        self.inexact.dedup();
    }
}

/// Minute, state, and whether it is the sum of the amounts.
fn read_field(field: &str) -> Option<(u64, &'static str, bool)> {
    let (minute, rest) = field.split_once(' ')?;
    let minute = minute.parse().ok().filter(|minute| *minute < 60)?;
    let (word, is_fen) = rest.strip_suffix(" fen").map_or((rest, false), |word| (word, true));
    let state = State::ALL.into_iter().find(|state| state.is_terminal() && state.as_str() == word)?;
    Some((minute, state.as_str(), is_fen))
}

impl Store {
    /// Keeps the counts of ended jobs for this time.
    #[must_use]
    pub fn with_counts_keep(mut self, keep: Duration) -> Self {
        self.counts_keep = keep;
        self
    }

    /// The time for which the counts of ended jobs are kept.
    #[must_use]
    pub const fn counts_keep(&self) -> Duration {
        self.counts_keep
    }

    /// The jobs of some queues that ended from one moment until before another, both rounded down to minutes; in the order of the queues.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ended(&self, queues: &[Queue], from: Millis, until: Millis) -> Result<Vec<EndedJobs>, StoreError> {
        let mut ended = vec![EndedJobs::default(); queues.len()];
        let hours: Vec<Millis> =
            (from.0 / HOUR_MS..until.0.div_ceil(HOUR_MS)).map(|hour| Millis(hour * HOUR_MS)).collect();
        let span = [from, until].map(|at| Millis(at.0 / MINUTE_MS * MINUTE_MS));
        let wanted: Vec<(usize, Millis)> =
            (0..queues.len()).flat_map(|place| hours.iter().map(move |hour| (place, *hour))).collect();
        for wanted in wanted.chunks(HOURS_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            for (place, at) in wanted {
                let queue_keys = queues.get(*place).map(|queue| self.queues.of(queue));
                pipeline.hgetall(queue_keys.map(|keys| keys.of_key("ended", &hour(*at))).unwrap_or_default());
            }
            let replies: Vec<redis::Value> = self.query("HGETALL", &pipeline).await?;
            for ((place, hour), reply) in wanted.iter().zip(&replies) {
                let fields: Vec<(String, String)> = from_reply("HGETALL", Some(reply))?;
                if let Some(ended) = ended.get_mut(*place) {
                    ended.add(*hour, &fields, (span[0], span[1]));
                }
            }
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::record::Hash;

    const AT: Millis = Millis(1_767_225_599_999); // 2025-12-31T23:59:59.999Z

    fn fields(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_bucket_names_hour_minute_and_state() {
        let mut record = StoredJob::new(State::Succeeded, Hash::default());
        let change = record.count_end(State::Pending, AT).unwrap();
        assert!(change.removed.is_none());
        assert_eq!(change.added.unwrap().bucket.to_string(), "2025-12-31T23 59 succeeded");
        assert_eq!(record.ended_at, Some(AT));
        assert!(record.count_end(State::Succeeded, Millis(0)).is_none(), "a further query changes nothing");
        assert_eq!(record.ended_at, Some(AT));
    }

    #[test]
    fn every_change_of_a_state_moves_the_count_with_the_job() {
        for before in State::ALL {
            for after in State::ALL {
                let mut record = StoredJob::new(after, Hash::default());
                record.ended_at = before.is_terminal().then_some(AT);
                let later = AT.plus(Duration::from_secs(120));
                let change = record.count_end(before, later);
                let removed =
                    change.as_ref().and_then(|change| change.removed.as_ref()).map(|of| of.bucket.to_string());
                let added = change.as_ref().and_then(|change| change.added.as_ref()).map(|of| of.bucket.to_string());
                let moves = before != after;
                let was = format!("2025-12-31T23 59 {}", before.as_str());
                let is = format!("2026-01-01T00 1 {}", after.as_str());
                assert_eq!(removed, (moves && before.is_terminal()).then_some(was), "{before} {after}");
                assert_eq!(added, (moves && after.is_terminal()).then_some(is), "{before} {after}");
                let expected = if moves { later } else { AT };
                assert_eq!(record.ended_at, after.is_terminal().then_some(expected), "{before} {after}");
            }
        }
    }

    #[test]
    fn an_hours_fields_are_added_up_within_the_time_and_exactly() {
        let hour = Millis(1_767_222_000_000);
        let read = fields(&[
            ("5 succeeded", "2"),
            ("5 succeeded fen", "9007199254740993"),
            ("59 succeeded", "1"),
            ("59 succeeded fen", "9223372036854775807"),
            ("7 failed", "0"),
            ("7 failed fen", "0"),
        ]);
        let mut ended = EndedJobs::default();
        ended.add(hour, &read, (hour, Millis(hour.0 + HOUR_MS)));
        let sum = Sum { count: 3, fen: 9_223_372_036_854_775_807 + 9_007_199_254_740_993 };
        assert_eq!(ended.by_state(), BTreeMap::from([("succeeded", sum)]));
        assert!(ended.inexact.is_empty());
        let mut part = EndedJobs::default();
        part.add(hour, &read, (hour, Millis(hour.0 + 59 * MINUTE_MS)));
        assert_eq!(part.by_state()["succeeded"], Sum { count: 2, fen: 9_007_199_254_740_993 });
    }

    #[test]
    fn what_cannot_be_read_is_inexact() {
        for (field, value) in
            [("inexact", "1"), ("5 succeeded", "many"), ("60 failed", "1"), ("5 queued", "1"), ("", "")]
        {
            let mut ended = EndedJobs::default();
            ended.add(Millis(0), &fields(&[(field, value)]), (Millis(0), Millis(HOUR_MS)));
            assert_eq!(ended.inexact, [Millis(0)], "{field}");
        }
    }
}
