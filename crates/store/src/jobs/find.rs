//! Finds jobs of many queues by what a person knows of them, newest first, a page at a time.
//!
//! A job's time in the list is the time at which it ended or came to need review; for another job, the time at which it was accepted. The
//! sets `done` and `review` have these times as scores, so that the newest jobs of all queues cost one round trip, however many there are.
//! Open jobs have no set by their time: up to [`MAX_OPEN`] of them are read and sorted, and more are listed set by set before all others.
//!
//! A transaction, an order and a key are looked up. Everything else is compared with the records themselves, newest first, until the page is
//! full or the search has reached its bound; the next page then goes on from there. So no index can hide a job or invent one.

mod batch;
mod cursor;
mod numbers;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bursar_domain::{JobFilter, Millis, Queue, Shown};

use super::StoredAs;
use super::rows::{Score, key_of, sets_of};
use crate::Store;
use crate::StoreError;
use batch::{Candidate, Stream};
pub use cursor::FindCursor;
use cursor::{Order, Position};

/// Open jobs that are sorted by their time for each page: half a megabyte of records.
const MAX_OPEN: usize = 1_000;

/// The sets of the list in its order, where open jobs are too many to be sorted.
const SECTIONS: [&[&str]; 4] = [&["sends"], &["due_sends"], &["due_queries"], SETTLED];

/// The sets whose scores are the times of the list.
const SETTLED: &[&str] = &["review", "done"];

/// The number of sections of open jobs.
const OPEN_SECTIONS: usize = 3;

/// Rows of one step at most: a bound on memory, and on the time that Redis reads for it.
const MAX_STEP: usize = 500;

/// The time after which a search with few results ends its page. The page has a place to go on from.
const SEARCH_TIME: Duration = Duration::from_millis(60);

/// Records that a page looks at whatever time it takes, so that each page makes progress.
const MIN_LOOKS: usize = 1_000;

/// Records that a page looks at, at most.
const MAX_LOOKS: usize = 20_000;

/// One page of a search.
#[derive(Clone, Debug, Default)]
pub struct FoundJobs {
    /// The jobs, newest first. A job that cannot be read is included whatever is wanted, unless its key does not fit.
    pub jobs: Vec<(Queue, StoredAs)>,
    /// The start of the next page; `None` at the end. There may be a next page after one that is not full: see `is_partial`.
    pub next: Option<FindCursor>,
    /// True if the search reached its bound before the page was full: older jobs were not looked at yet.
    pub is_partial: bool,
}

impl Store {
    /// A page of at most `limit` of the jobs of these queues that pass the filter, newest first, after the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        queues: &[Queue],
        filter: &JobFilter,
        from: Option<&FindCursor>,
        limit: usize,
    ) -> Result<FoundJobs, StoreError> {
        if filter.trade_no.is_some() || filter.order_id.is_some() {
            return self.find_by_number(queues, filter).await;
        }
        let mut search = Search::new(self, queues, filter, from).await?;
        let (began, mut looked, mut found) = (Instant::now(), 0, FoundJobs::default());
        loop {
            let is_spent = looked >= MAX_LOOKS || (looked >= MIN_LOOKS && began.elapsed() >= SEARCH_TIME);
            if is_spent {
                return Ok(FoundJobs { next: Some(search.cursor()), is_partial: true, ..found });
            }
            let Some(candidates) = search.step(limit - found.jobs.len()).await? else { return Ok(found) };
            looked += candidates.len();
            for candidate in self.read_candidates(queues, candidates).await? {
                let Candidate { at, index, job: Some(job), .. } = candidate else { continue };
                if !search.wants(&job, &at) {
                    continue;
                }
                if found.jobs.len() == limit {
                    return Ok(FoundJobs { next: search.last.take(), ..found });
                }
                search.last = Some(search.cursor_at(at));
                found.jobs.extend(queues.get(index).map(|queue| (queue.clone(), job)));
            }
        }
    }
}

/// A search on its way through the sections of the list.
struct Search<'a> {
    store: &'a Store,
    queues: &'a [Queue],
    filter: &'a JobFilter,
    order: Order,
    /// The open jobs, newest first, where they are sorted; they are merged with the settled ones.
    open: Vec<Candidate>,
    /// Their queues and keys: a job that ended and is queried again is in two sets.
    is_open: HashSet<(usize, String)>,
    section: usize,
    /// The last row that was passed in this section.
    after: Option<Position>,
    streams: Option<Vec<Stream>>,
    /// Rows of each stream in the next step.
    rows: usize,
    /// The place of the last job of the page.
    last: Option<FindCursor>,
}

impl<'a> Search<'a> {
    async fn new(
        store: &'a Store,
        queues: &'a [Queue],
        filter: &'a JobFilter,
        from: Option<&FindCursor>,
    ) -> Result<Self, StoreError> {
        let open_sets: Vec<&'static str> =
            SECTIONS.iter().take(OPEN_SECTIONS).flat_map(|sets| wanted(sets, filter)).collect();
        let begins_at = |section| (section, None);
        let (mut order, (mut section, mut after)) = match from {
            Some(from) => (from.order, (from.section, Some(from.at.clone()))),
            None => (Order::ByTime, begins_at(OPEN_SECTIONS)),
        };
        let mut open = Vec::new();
        if order == Order::ByTime && !open_sets.is_empty() {
            match store.open_candidates(queues, &open_sets, MAX_OPEN).await? {
                Some(sorted) => open = sorted,
                // A job may be on two pages then, and none is missed.
                None => (order, (section, after)) = (Order::BySet, begins_at(0)),
            }
        }
        let is_open = open.iter().map(|open| (open.index, open.key().to_owned())).collect();
        open.retain(|open| after.as_ref().is_none_or(|after| open.at < *after));
        Ok(Self { store, queues, filter, order, open, is_open, section, after, streams: None, rows: 0, last: None })
    }

    /// The place that the search has reached.
    fn cursor(&self) -> FindCursor {
        self.cursor_at(self.after.clone().unwrap_or_else(Position::newest))
    }

    fn cursor_at(&self, at: Position) -> FindCursor {
        FindCursor { order: self.order, section: self.section, at }
    }

    /// The next candidates, newest first; `None` at the end. About as many as are `wanted`, where nothing but their set decides.
    async fn step(&mut self, wanted: usize) -> Result<Option<Vec<Candidate>>, StoreError> {
        loop {
            let Some(sets) = SECTIONS.get(self.section) else { return Ok(None) };
            if self.streams.is_none() {
                let sets = self::wanted(sets, self.filter);
                let streams = sets.flat_map(|set| (0..self.queues.len()).map(move |index| Stream { index, set }));
                let streams: Vec<Stream> = streams.collect();
                self.rows = ((wanted + 1) / streams.len().max(1)).clamp(16, MAX_STEP);
                self.streams = Some(streams);
            }
            let streams = self.streams.take().unwrap_or_default();
            let bounds =
                if self.section == OPEN_SECTIONS { (self.filter.since, self.filter.until) } else { (None, None) };
            let batch = self.store.batch(self.queues, streams, self.after.as_ref(), bounds, self.rows).await?;
            self.rows = (self.rows * 2).min(MAX_STEP);
            let is_over = batch.live.is_empty();
            let mut candidates = batch.candidates;
            candidates.retain(|candidate| !self.is_open.contains(&(candidate.index, candidate.key().to_owned())));
            // The sorted open jobs that are newer than the last of these, or all at the end.
            let reached = if is_over { None } else { batch.reached };
            let count =
                self.open.iter().take_while(|open| reached.as_ref().is_none_or(|reached| open.at >= *reached)).count();
            if self.section == OPEN_SECTIONS {
                candidates.extend(self.open.drain(..count));
                candidates.sort_by(|one, other| other.at.cmp(&one.at));
            }
            if is_over {
                self.after = candidates.last().map(|last| last.at.clone()).or(self.after.take());
                if candidates.is_empty() {
                    (self.section, self.after) = (self.section + 1, None);
                    continue;
                }
                self.streams = Some(Vec::new());
            } else {
                (self.after, self.streams) = (reached, Some(batch.live));
            }
            candidates.retain(|candidate| self.filter.fits_key(candidate.key()));
            return Ok(Some(candidates));
        }
    }

    /// True if the record is one of a wanted job.
    fn wants(&self, job: &StoredAs, at: &Position) -> bool {
        let StoredAs::Job(job) = job else { return true };
        let at = if self.section == OPEN_SECTIONS { at.score.time() } else { job.created.unwrap_or_default() };
        fits(self.filter, job, at)
    }
}

/// True if a job with this time in the list passes the filter.
fn fits(filter: &JobFilter, job: &super::JobRecord, at: Millis) -> bool {
    filter.fits_time(at)
        && filter.fits_key(job.key.as_str())
        && filter.fits_record(job.state, &job.trade_nos, job.reason.as_ref())
        && (!filter.is_about_content() || filter.fits_content(&job.details(Shown::Whole)))
}

/// Those of the sets in which wanted jobs can be.
fn wanted<'a>(sets: &'a [&'static str], filter: &JobFilter) -> impl Iterator<Item = &'static str> + use<'a> {
    let possible = filter.state.map(sets_of);
    sets.iter().copied().filter(move |set| possible.is_none_or(|possible| possible.contains(set)))
}
