//! What happened last in a lane: its newest events and the newest lines of some jobs' logs, for charts and rates.

use bursar_domain::{AttemptView, Key, Lane, Millis};
use redis::Pipeline;

use crate::events::event;
use crate::read::{attempt, unreadable};
use crate::{Event, Store, StoreError};

/// A lane's newest events, with the time at which they were.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Redis time when they were read.
    pub now: Millis,
    /// Newest first.
    pub events: Vec<Event>,
}

impl Store {
    /// A lane's newest events, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent_events(&self, lane: &Lane, limit: usize) -> Result<Recent, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME");
        pipeline.cmd("XREVRANGE").arg(self.keys.set(lane, "events")).arg("+").arg("-").arg("COUNT").arg(limit);
        type Reply = ((u64, u64), Vec<(String, Vec<(String, String)>)>);
        let ((seconds, micros), entries): Reply = self.query("XREVRANGE", &pipeline).await?;
        let events = entries.into_iter().map(|entry| event(lane, entry)).collect::<Result<_, _>>()?;
        Ok(Recent { now: Millis(seconds * 1_000 + micros / 1_000), events })
    }

    /// The newest `lines` of each of these jobs' logs, oldest first; in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent_attempts(
        &self,
        lane: &Lane,
        keys: &[Key],
        lines: usize,
    ) -> Result<Vec<Vec<AttemptView>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let newest = isize::try_from(lines).unwrap_or(isize::MAX);
        let mut pipeline = Pipeline::new();
        for key in keys {
            pipeline.lrange(self.keys.log(lane, key.as_str()), -newest, -1);
        }
        let logs: Vec<Vec<Vec<u8>>> = self.query("LRANGE", &pipeline).await?;
        let read =
            |log: Vec<Vec<u8>>| log.iter().map(|line| attempt(line).unwrap_or_else(|| unreadable(line))).collect();
        Ok(logs.into_iter().map(read).collect())
    }
}
