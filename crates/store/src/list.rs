//! Listing a lane's jobs, of one state or of all, a page at a time. A page begins behind the last job of the one before it,
//! wherever that has gone since: jobs that leave meanwhile hide no others.

use std::str::FromStr;

use bursar_domain::{Key, Lane, Millis, State};
use redis::{Pipeline, Value};

use crate::commit::sets_of;
use crate::read::{SETS, from_reply, score};
use crate::{Record, Store, StoreError};

/// Fewest and most keys that one step reads.
const STEP: (usize, usize) = (50, 500);

/// Keys that one page looks at, at most: where few jobs are in the wanted state, a page may come back with few or none.
const MAX_LOOKS: usize = 10_000;

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The jobs of this page.
    pub jobs: Vec<Record>,
    /// Where the next page starts; `None` at the end. There may be a next page behind an empty one.
    pub next: Option<Cursor>,
}

/// A place in a listing. A job that changes its state meanwhile may be seen in both; one that stays is seen once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(Option<Behind>);

/// Behind this job of this set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Behind {
    set: &'static str,
    score: u64,
    key: String,
}

/// As a text for whoever comes back with it; not for reading.
impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            None => Ok(()),
            Some(Behind { set, score, key }) => write!(out, "{set}:{score}:{key}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = bursar_domain::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let read = || {
            let (set, rest) = text.split_once(':')?;
            let (score, key) = rest.split_once(':')?;
            let set = SETS.into_iter().find(|known| *known == set)?;
            Some(Behind { set, score: score.parse().ok()?, key: key.parse::<Key>().ok()?.to_string() })
        };
        read().map(Some).map(Self).ok_or(bursar_domain::IdError::new("is no place in a listing"))
    }
}

impl Store {
    /// A page of at most `limit` of a lane's jobs, of one state or of all: those to be sent first, then by due time, ended
    /// ones last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        lane: &Lane,
        state: Option<State>,
        from: &Cursor,
        limit: usize,
    ) -> Result<Listed, StoreError> {
        let sets = state.map_or(&SETS[..], sets_of);
        let mut behind = from.0.clone();
        let first = behind.as_ref().and_then(|behind| sets.iter().position(|set| *set == behind.set)).unwrap_or(0);
        let (mut jobs, mut looked) = (Vec::new(), 0);
        for set in sets.get(first..).unwrap_or_default() {
            loop {
                let start = match behind.as_ref().filter(|behind| behind.set == *set) {
                    None => 0,
                    Some(behind) => self.rank_behind(lane, behind).await?,
                };
                if jobs.len() >= limit || looked >= MAX_LOOKS {
                    return Ok(Listed { jobs, next: Some(Cursor(behind)) });
                }
                let step = (limit - jobs.len()).clamp(STEP.0, STEP.1);
                let entries = self.entries(lane, set, start, step).await?;
                looked += entries.len();
                let keys: Vec<Key> = entries.iter().filter_map(|(key, _)| key.parse().ok()).collect();
                let mut records = self.jobs(lane, &keys).await?.into_iter().peekable();
                let last_step = entries.len() < step;
                for (key, at) in entries {
                    if jobs.len() >= limit {
                        return Ok(Listed { jobs, next: Some(Cursor(behind)) });
                    }
                    let record = records.next_if(|record| record.key.as_str() == key);
                    jobs.extend(record.filter(|job| state.is_none_or(|state| job.state == state)));
                    behind = Some(Behind { set, score: score(at).0, key });
                }
                if last_step {
                    break;
                }
            }
        }
        Ok(Listed { jobs, next: None })
    }

    async fn entries(
        &self,
        lane: &Lane,
        set: &str,
        start: usize,
        count: usize,
    ) -> Result<Vec<(String, f64)>, StoreError> {
        let mut pipeline = Pipeline::new();
        let stop = isize::try_from(start + count - 1).unwrap_or(isize::MAX);
        pipeline.zrange_withscores(self.keys.set(lane, set), isize::try_from(start).unwrap_or(isize::MAX), stop);
        let (entries,): (Vec<(String, f64)>,) = self.query("ZRANGE", &pipeline).await?;
        Ok(entries)
    }

    /// The rank of the first entry behind a place. The job there may have gone: then its place among those of the same time
    /// is searched for by halves.
    async fn rank_behind(&self, lane: &Lane, behind: &Behind) -> Result<usize, StoreError> {
        let set = self.keys.set(lane, behind.set);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANK").arg(&set).arg(&behind.key);
        pipeline.zscore(&set, &behind.key);
        pipeline.zcount(&set, "-inf", format!("({}", behind.score)).zcount(&set, "-inf", behind.score);
        let replies: Vec<Value> = self.query("ZRANK", &pipeline).await?;
        let rank: Option<usize> = from_reply("ZRANK", replies.first())?;
        let at: Option<f64> = from_reply("ZSCORE", replies.get(1))?;
        if let (Some(rank), Some(at)) = (rank, at)
            && score(at) == Millis(behind.score)
        {
            return Ok(rank + 1);
        }
        let (mut low, mut high): (usize, usize) =
            (from_reply("ZCOUNT", replies.get(2))?, from_reply("ZCOUNT", replies.get(3))?);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entries(lane, behind.set, middle, 1).await?;
            match entry.first() {
                Some((key, at)) if score(*at).0 == behind.score && key.as_bytes() > behind.key.as_bytes() => {
                    high = middle
                }
                Some(_) => low = middle + 1,
                None => high = middle,
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written_and_nothing_else_is_one() {
        for text in ["", "to_send:17:A-1", "done:1732571335000:a:b"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
        for wrong in ["x", "to_send", "to_send:1", "lane:1:A", "to_send:x:A", "to_send:1:", "to_send:-1:A"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
