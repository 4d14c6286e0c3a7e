//! The data of the charts: the counts of ended jobs, which are exact, and the calls of a sample of jobs, in which every part of the time and
//! all present failures have their share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bursar_domain::{Call, HistoryEvent, Key, Millis, Outcome, Queue, Response, State};
use bursar_store::{EndedJobs, Event, INLINE_EVENTS, JobRecord, Recent, StoredAs, Stretch, Sum};

use crate::dashboard::components::millis;
use crate::state::ServerState;
use crate::state::refusal::Refusal;

/// The columns of a chart.
const COLUMNS: u32 = 30;

const MINUTE_MS: u64 = 60_000;

/// The sample's bounds over all queues: ended jobs, newest events, waiting jobs. Each costs Redis a few microseconds.
const ENDED: usize = 600;
const EVENTS: usize = 400;
const WAITING: usize = 100;

/// Events of each job's history, the newest: those that its record holds.
pub(super) const LINES: usize = INLINE_EVENTS;

/// Records that are read in one step: about a millisecond of Redis.
const RECORDS_AT_ONCE: usize = 100;

/// The ended jobs of one queue and their amounts, by column and the word of their state.
pub(super) type ByColumn = BTreeMap<(usize, &'static str), Sum>;

/// The counts and the sample.
pub(in crate::dashboard) struct Seen {
    pub(super) now: Millis,
    pub(super) since: Millis,
    /// The length of a column.
    pub(super) step: Duration,
    pub(super) columns: Vec<Looked>,
    /// The ended jobs and their amounts, by their state; `None` where they are not known exactly.
    pub(super) sums: Option<BTreeMap<&'static str, Sum>>,
    /// The same of each queue, by column.
    pub(super) by_queue: Vec<(Queue, ByColumn)>,
    /// Jobs whose records were read.
    pub(super) jobs: usize,
    pub(super) calls: Vec<CallSample>,
}

/// One column: how many jobs, by the word of their state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looked(BTreeMap<&'static str, u64>);

impl Looked {
    pub(super) fn of(&self, state: State) -> u64 {
        self.0.get(state.as_str()).copied().unwrap_or_default()
    }

    /// Jobs that ended.
    pub(super) fn ended(&self) -> u64 {
        State::ALL.into_iter().filter(|state| state.is_terminal()).map(|state| self.of(state)).sum()
    }

    fn add(&mut self, state: State, count: u64) {
        self.add_by_name(state.as_str(), count);
    }

    fn add_by_name(&mut self, state: &'static str, count: u64) {
        if count > 0 {
            *self.0.entry(state).or_default() += count;
        }
    }
}

/// One call, by its event in the history.
pub(super) struct CallSample {
    pub(super) call: Call,
    pub(super) answer: Outcome,
    pub(super) ms: u64,
    pub(super) at: Millis,
}

impl Seen {
    pub(super) fn over(&self) -> Duration {
        self.now.since(self.since)
    }

    /// The column of a moment.
    pub(super) fn column_of(&self, at: Millis) -> usize {
        let index = millis(at.since(self.since)) / millis(self.step).max(1);
        usize::try_from(index).unwrap_or(usize::MAX).min(self.columns.len().saturating_sub(1))
    }

    /// The beginning of a column.
    pub(super) fn begin_of(&self, index: usize) -> Millis {
        self.since.plus(self.step * u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// Samples these queues over that time, up to now.
pub(in crate::dashboard) async fn look(app: &ServerState, queues: &[&Queue], over: Duration) -> Result<Seen, Refusal> {
    let step = over / COLUMNS;
    let columns = vec![Looked::default(); usize::try_from(COLUMNS).unwrap_or_default()];
    let mut seen = Seen {
        now: Millis(0),
        since: Millis(0),
        step,
        columns,
        sums: Some(BTreeMap::new()),
        by_queue: Vec::with_capacity(queues.len()),
        jobs: 0,
        calls: Vec::new(),
    };
    let share = |budget: usize| (budget / queues.len().max(1)).max(1);
    let names: Vec<Queue> = queues.iter().copied().cloned().collect();
    let Recent { now, events } = app.store.recent_events(&names, share(EVENTS)).await?;
    // Jobs are counted by minutes: the present one is the last.
    seen.now = Millis((now.0 / MINUTE_MS + 1) * MINUTE_MS);
    seen.since = Millis(seen.now.0.saturating_sub(millis(over)));
    let mut found = Vec::with_capacity(queues.len());
    for (queue, events) in queues.iter().zip(events) {
        found.push((*queue, events, app.store.stretches(queue, seen.since, step, COLUMNS, ENDED / 2).await?));
    }
    let counts = app.store.ended(&names, seen.since, seen.now).await?;
    for (queue, counts) in names.into_iter().zip(&counts) {
        ends(queue, counts, &mut seen);
    }
    // The smaller parts first: the others share the rest of the budget.
    found.sort_by_key(|(_, _, stretches)| stretches.iter().map(|stretch| stretch.some.len()).sum::<usize>());
    let (mut left, mut others) = (ENDED, found.len());
    for (queue, events, stretches) in found {
        let chosen = chosen(&stretches, (left / others.max(1)).max(1));
        left = left.saturating_sub(chosen.iter().map(Vec::len).sum());
        others = others.saturating_sub(1);
        let waiting = app.store.waiting(queue, share(WAITING)).await?;
        let named = events.iter().filter_map(Event::key);
        let keys: BTreeSet<Key> = chosen.iter().flatten().cloned().chain(waiting).chain(named).collect();
        let jobs = records(app, queue, &keys.into_iter().collect::<Vec<_>>()).await?;
        for (column, stretch) in seen.columns.iter_mut().zip(&stretches) {
            column.add(State::NeedsReview, stretch.in_review);
        }
        calls(&jobs, &mut seen);
    }
    Ok(seen)
}

/// The jobs by these keys, without those that cannot be read.
async fn records(app: &ServerState, queue: &Queue, keys: &[Key]) -> Result<BTreeMap<Key, JobRecord>, Refusal> {
    let mut jobs = BTreeMap::new();
    for keys in keys.chunks(RECORDS_AT_ONCE) {
        for job in app.store.jobs(queue, keys).await? {
            if let StoredAs::Job(job) = job {
                jobs.insert(job.key.clone(), *job);
            }
        }
    }
    Ok(jobs)
}

/// The calls of these jobs that were made in that time.
fn calls(jobs: &BTreeMap<Key, JobRecord>, seen: &mut Seen) {
    seen.jobs += jobs.len();
    let since = seen.since;
    let sample = jobs.values().flat_map(|job| &job.recent).filter_map(sample);
    seen.calls.extend(sample.filter(|sample| sample.at >= since));
}

/// Adds the counts of a queue to the columns and sums.
fn ends(queue: Queue, counts: &EndedJobs, seen: &mut Seen) {
    let mut of_queue: BTreeMap<(usize, &'static str), Sum> = BTreeMap::new();
    for ((at, state), sum) in &counts.minutes {
        let index = seen.column_of(*at);
        *of_queue.entry((index, state)).or_default() += *sum;
        if let Some(column) = seen.columns.get_mut(index) {
            column.add_by_name(state, u64::try_from(sum.count).unwrap_or_default());
        }
    }
    match &mut seen.sums {
        Some(sums) if counts.inexact.is_empty() => {
            for (state, sum) in counts.by_state() {
                *sums.entry(state).or_default() += sum;
            }
        }
        sums => *sums = None,
    }
    seen.by_queue.push((queue, of_queue));
}

/// As many ended jobs as the budget allows, from each stretch as many as from any other, if it has them; spread over it.
fn chosen(stretches: &[Stretch], budget: usize) -> Vec<Vec<Key>> {
    let total = |most: usize| stretches.iter().map(|stretch| stretch.some.len().min(most)).sum::<usize>();
    let most = (1..=budget).rev().find(|most| total(*most) <= budget).unwrap_or(1);
    let spread = |stretch: &Stretch| {
        let (have, take) = (stretch.some.len(), stretch.some.len().min(most));
        (0..take).filter_map(|index| stretch.some.get(index * have / take.max(1)).cloned()).collect()
    };
    stretches.iter().map(spread).collect()
}

/// Divides `total` as `found` is divided: whole numbers that add up to `total`, the largest remainders rounded up. All are 0 where nothing was
/// found.
pub(super) fn shares(total: u64, found: &[u64]) -> Vec<u64> {
    let all: u128 = found.iter().map(|count| u128::from(*count)).sum();
    if all == 0 {
        return Vec::new();
    }
    let exact = |count: u64| u128::from(count) * u128::from(total);
    let mut parts: Vec<u64> = found.iter().map(|count| u64::try_from(exact(*count) / all).unwrap_or(total)).collect();
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(found.get(*index).map_or(0, |count| exact(*count) % all)));
    let left = total.saturating_sub(parts.iter().sum());
    for index in order.into_iter().take(usize::try_from(left).unwrap_or_default()) {
        if let Some(count) = parts.get_mut(index) {
            *count += 1;
        }
    }
    parts
}

fn sample(event: &HistoryEvent) -> Option<CallSample> {
    let HistoryEvent::Response(Response { call, read, ms, at, .. }) = event else { return None };
    Some(CallSample { call: *call, answer: read.outcome, ms: *ms, at: *at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(name: &str, count: usize) -> Stretch {
        let some = (0..count).map(|index| format!("{name}{index}").parse().unwrap()).collect();
        Stretch { some, in_review: 0 }
    }

    #[test]
    fn every_part_of_the_time_has_its_share_of_the_sample() {
        let stretches = [stretch("a", 100), stretch("b", 2), stretch("c", 0), stretch("d", 10)];
        let lengths = |budget| chosen(&stretches, budget).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(1_000), [100, 2, 0, 10]);
        assert_eq!(lengths(20), [9, 2, 0, 9]);
        assert_eq!(lengths(1), [1, 1, 0, 1], "none is left out");
        let spread: Vec<String> = chosen(&stretches, 12)[0].iter().map(ToString::to_string).collect();
        assert_eq!(spread, ["a0", "a20", "a40", "a60", "a80"]);
    }

    #[test]
    fn shares_are_whole_and_come_to_what_was_counted() {
        assert_eq!(shares(3, &[2, 1, 0]), [2, 1, 0], "where all were looked at they are what they are");
        assert_eq!(shares(100, &[2, 1, 0]), [67, 33, 0]);
        assert!(shares(5, &[0, 0]).is_empty());
    }
}
