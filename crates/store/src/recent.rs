//! What happened last in a lane, for charts and rates.

use bursar_domain::{Lane, Millis};
use redis::Pipeline;

use crate::events::event;
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
}
