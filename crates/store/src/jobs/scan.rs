//! Scans all jobs of a queue while workers change them, and lists the due sends.

use bursar_domain::{Millis, Queue, State};

use super::StoredAs;
use super::rows::{Behind, SETS, sets_of};
use crate::Store;
use crate::StoreError;

/// Jobs of one step at most: a bound on memory, and on the time that Redis reads for it.
pub const MAX_STEP: usize = 500;

/// A position in a scan. Waiting jobs come first and ended ones last, which is the way that jobs take.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScanCursor {
    /// The last job that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind: Option<Behind>,
    /// Jobs that ended before are passed over.
    ended_from: Millis,
}

impl ScanCursor {
    /// The beginning of a scan that omits jobs which ended before that moment.
    #[must_use]
    pub fn ended_from(moment: Millis) -> Self {
        Self { behind: None, ended_from: moment }
    }
}

/// One step of a scan.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// The jobs. A job that changes its set meanwhile is returned again, with its new state. A job that cannot be read
    /// is returned for every wanted state.
    pub jobs: Vec<StoredAs>,
    /// The position to continue from; `None` at its end.
    pub next: Option<ScanCursor>,
}

/// One page of the jobs of a queue that are due to be sent.
#[derive(Clone, Debug, Default)]
pub struct DueSends {
    /// The jobs.
    pub jobs: Vec<StoredAs>,
    /// The start of the next page; `None` if there is none.
    pub next: Option<ScanCursor>,
}

impl Store {
    /// One step through a queue's jobs, of one state or of all. No ended job is missed, unless its details expire
    /// meanwhile. An open job is missed if it moves back across the cursor: from a query to a send, or to an earlier
    /// time.
    ///
    /// # Errors
    /// [`StoreError`]: repeat from the same cursor.
    pub async fn scan(
        &self,
        queue: &Queue,
        state: Option<State>,
        from: &ScanCursor,
        limit: usize,
    ) -> Result<Scanned, StoreError> {
        let sets = state.map_or(&SETS[..], sets_of);
        let ended_from = from.ended_from;
        let found = self.rows(queue, sets, from.behind.as_ref(), ended_from, limit.clamp(1, MAX_STEP)).await?;
        let jobs = self.jobs_of_rows(queue, found.set, &found.rows).await?.into_iter().map(|(_, job)| job);
        let jobs = jobs.filter(|job| job.is_in(state)).collect();
        Ok(Scanned { jobs, next: found.next.map(|behind| ScanCursor { behind: Some(behind), ended_from }) })
    }

    /// The jobs that have been due to be sent since before `until`, at most `limit` of them, after the previous page's
    /// cursor. Jobs in the fair order are due; for a job that was claimed before, its last change is its due time.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn due_sends(
        &self,
        queue: &Queue,
        from: &ScanCursor,
        until: Millis,
        limit: usize,
    ) -> Result<DueSends, StoreError> {
        let sets = ["due_sends", "sends"];
        let mut found = self.rows(queue, &sets, from.behind.as_ref(), Millis(0), limit.clamp(1, MAX_STEP)).await?;
        if found.set == "due_sends" {
            let read = found.rows.len();
            found.rows.retain(|row| row.score.time() < until);
            if found.rows.len() < read {
                found.next = Some(Behind { set: "sends", row: None });
            }
        }
        let jobs = self.jobs_of_rows(queue, found.set, &found.rows).await?.into_iter().map(|(_, job)| job);
        let is_due = |job: &StoredAs| match job {
            StoredAs::Job(job) => job.due.is_some_and(|due| due < until),
            StoredAs::Unreadable { .. } => true,
        };
        let next = found.next.map(|behind| ScanCursor { behind: Some(behind), ended_from: Millis(0) });
        Ok(DueSends { jobs: jobs.filter(is_due).collect(), next })
    }
}
