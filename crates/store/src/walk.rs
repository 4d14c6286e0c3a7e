//! Walking through all jobs of a lane while others work on them: by due time or end, never by position, so that what is
//! added, moved on or taken away meanwhile shifts nothing.

use bursar_domain::{Key, Lane, Millis, State};

use crate::commit::sets_of;
use crate::read::{SETS, score};
use crate::{Record, Store, StoreError};

/// Jobs of one step at most: a bound on what is held in memory, and on how long Redis reads for it.
pub const MAX_STEP: usize = 500;

/// A place on the walk. What waits comes first and what has ended last, which is the way that jobs take.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    set: usize,
    /// The last job that was passed: its time and key.
    after: Option<(u64, String)>,
    /// Jobs that ended before are passed over.
    ended_from: Millis,
}

impl Mark {
    /// The beginning of a walk that leaves out what ended before that moment.
    #[must_use]
    pub fn ended_from(moment: Millis) -> Self {
        Self { ended_from: moment, ..Self::default() }
    }
}

/// One step of a walk.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// The jobs. One that moves on meanwhile is met again, as it is then.
    pub jobs: Vec<Record>,
    /// Where the walk goes on; `None` at its end.
    pub next: Option<Mark>,
}

/// One page of the jobs of a lane that are due to be sent.
#[derive(Clone, Debug, Default)]
pub struct DueSends {
    /// The jobs with the bytes that they send, where these can be read.
    pub jobs: Vec<(Record, Option<String>)>,
    /// The last job of the page: its due time and key. `None` when there is no further page.
    pub last: Option<(u64, String)>,
}

impl Store {
    /// The jobs that have been due to be sent since before `until`, at most `limit` of them, behind the job that `after` names.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn due_sends(
        &self,
        lane: &Lane,
        after: Option<&(u64, String)>,
        until: Millis,
        limit: usize,
    ) -> Result<DueSends, StoreError> {
        let low = after.map_or_else(|| "-inf".to_owned(), |(at, _)| at.to_string());
        let (mut rows, is_full) = self.rows_after(lane, "to_send", &low, after, limit.clamp(1, MAX_STEP)).await?;
        let read = rows.len();
        rows.retain(|(at, _)| Millis(*at) < until);
        let last = (is_full && rows.len() == read).then(|| rows.last().cloned()).flatten();
        let keys: Vec<Key> = rows.iter().filter_map(|(_, key)| key.parse().ok()).collect();
        let jobs = self.jobs(lane, &keys).await?;
        let keys: Vec<Key> = jobs.iter().map(|job| job.key.clone()).collect();
        let contents = self.contents(lane, &keys).await?;
        Ok(DueSends { jobs: jobs.into_iter().zip(contents).collect(), last })
    }

    /// A step through a lane's jobs, of one state or of all. No ended job is missed, unless its detail expires meanwhile; an
    /// open one is, if it moves back across the mark: from an ask to a send, or nearer in time.
    ///
    /// # Errors
    /// [`StoreError`]: repeat from the same mark.
    pub async fn walk(
        &self,
        lane: &Lane,
        state: Option<State>,
        from: &Mark,
        limit: usize,
    ) -> Result<Walked, StoreError> {
        let sets = state.map_or(&SETS[..], sets_of);
        let Some(set) = sets.get(from.set) else { return Ok(Walked::default()) };
        let low = match (&from.after, *set) {
            (Some((at, _)), _) => at.to_string(),
            (None, "done") => from.ended_from.0.to_string(),
            (None, _) => "-inf".to_owned(),
        };
        let limit = limit.clamp(1, MAX_STEP);
        let (rows, is_full) = self.rows_after(lane, set, &low, from.after.as_ref(), limit).await?;
        let ended_from = from.ended_from;
        let next = match rows.last() {
            Some(last) if is_full => Mark { set: from.set, after: Some(last.clone()), ended_from },
            Some(_) | None => Mark { set: from.set + 1, after: None, ended_from },
        };
        let keys: Vec<Key> = rows.iter().filter_map(|(_, key)| key.parse().ok()).collect();
        let mut jobs = self.jobs(lane, &keys).await?;
        jobs.retain(|job| state.is_none_or(|state| job.state == state));
        Ok(Walked { jobs, next: (next.set < sets.len()).then_some(next) })
    }

    /// What stands in the set behind that place, and whether there may be more of it. Many jobs can have one and the same
    /// time: then more are read until one is new.
    async fn rows_after(
        &self,
        lane: &Lane,
        set: &str,
        low: &str,
        after: Option<&(u64, String)>,
        mut limit: usize,
    ) -> Result<(Vec<(u64, String)>, bool), StoreError> {
        loop {
            let mut command = redis::cmd("ZRANGE");
            command.arg(self.keys.set(lane, set)).arg(low).arg("+inf").arg("BYSCORE");
            command.arg("LIMIT").arg(0).arg(limit).arg("WITHSCORES");
            let rows: Vec<(String, f64)> =
                command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("ZRANGE", source))?;
            let is_full = rows.len() == limit;
            let rows = rows.into_iter().map(|(key, at)| (score(at).0, key));
            let new: Vec<(u64, String)> = rows.filter(|row| after.is_none_or(|after| row > after)).collect();
            if !new.is_empty() || !is_full {
                return Ok((new, is_full));
            }
            limit *= 2;
        }
    }
}
