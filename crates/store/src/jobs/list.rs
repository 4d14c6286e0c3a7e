//! Lists a queue's jobs, of one state or of all, a page at a time. A page begins after the last job of the previous
//! one, wherever that job is by now, so jobs that leave meanwhile hide no others.

use std::str::FromStr;

use bursar_domain::{IdError, Millis, Queue, State};

use super::StoredAs;
use super::rows::{Behind, SETS, sets_of};
use crate::Store;
use crate::StoreError;

/// Fewest and most rows that one step reads.
const STEP: (usize, usize) = (50, 500);

/// The rows that one page reads at most: if few jobs are in the wanted state, a page may return few or none.
const MAX_LOOKS: usize = 10_000;

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The jobs of this page. A job that cannot be read is included for every wanted state.
    pub jobs: Vec<StoredAs>,
    /// The start of the next page; `None` at the end. There may be a next page after an empty one.
    pub next: Option<Cursor>,
}

/// A position in a list. A job that changes its set meanwhile may be seen twice; all others are seen once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(Option<Behind>);

/// An opaque text that the caller passes back.
impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |behind| std::fmt::Display::fmt(behind, out))
    }
}

impl FromStr for Cursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse().map(Some).map(Self) }
    }
}

impl StoredAs {
    /// True if a list of jobs in `state` includes it: a job that cannot be read is in every list.
    pub(crate) fn is_in(&self, state: Option<State>) -> bool {
        match self {
            Self::Job(job) => state.is_none_or(|state| job.state == state),
            Self::Unreadable { .. } => true,
        }
    }
}

impl Store {
    /// A page of at most `limit` of a queue's jobs, of one state or of all: those to be sent first, ended ones last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        queue: &Queue,
        state: Option<State>,
        from: &Cursor,
        limit: usize,
    ) -> Result<Listed, StoreError> {
        let sets = state.map_or(&SETS[..], sets_of);
        let (mut from, mut jobs, mut looked) = (from.0.clone(), Vec::new(), 0);
        while jobs.len() < limit && looked < MAX_LOOKS {
            let step = (limit - jobs.len()).clamp(STEP.0, STEP.1);
            let found = self.rows(queue, sets, from.as_ref(), Millis(0), step).await?;
            looked += found.rows.len();
            for (row, job) in self.jobs_of_rows(queue, found.set, &found.rows).await? {
                if !job.is_in(state) {
                    continue;
                }
                if jobs.len() == limit {
                    return Ok(Listed { jobs, next: Some(Cursor(from)) });
                }
                from = Some(Behind { set: found.set, row: Some(row) });
                jobs.push(job);
            }
            let Some(next) = found.next else { return Ok(Listed { jobs, next: None }) };
            from = Some(next);
        }
        Ok(Listed { jobs, next: Some(Cursor(from)) })
    }
}
