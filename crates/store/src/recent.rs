//! What happened last in a lane, for charts and rates: its newest events, how many jobs ended when, and which wait.

use std::time::Duration;

use bursar_domain::{Key, Lane, Millis};
use redis::Pipeline;

use crate::events::events_of;
use crate::read::from_reply;
use crate::{Event, Store, StoreError};

/// A lane's newest events, with the time at which they were.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Redis time when they were read.
    pub now: Millis,
    /// Newest first.
    pub events: Vec<Event>,
}

/// A stretch of time in a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Jobs that ended in it, those left out that are tombstones by now.
    pub ended: u64,
    /// The first of them.
    pub some: Vec<Key>,
    /// Jobs that came before a person in it, and wait for one still.
    pub in_review: u64,
}

impl Store {
    /// How many jobs of a lane ended in each of `count` stretches of time, of this length each, the first beginning at `from`;
    /// and at most `some` of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stretches(
        &self,
        lane: &Lane,
        from: Millis,
        length: Duration,
        count: u32,
        some: usize,
    ) -> Result<Vec<Stretch>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for index in 0..count {
            let (begin, end) = (from.plus(length * index).0, format!("({}", from.plus(length * (index + 1)).0));
            pipeline.zcount(self.keys.set(lane, "done"), begin, &end);
            pipeline.zcount(self.keys.set(lane, "review"), begin, &end);
            pipeline.cmd("ZRANGE").arg(self.keys.set(lane, "done")).arg(begin).arg(&end);
            pipeline.arg("BYSCORE").arg("LIMIT").arg(0).arg(some);
        }
        let replies: Vec<redis::Value> = self.query("ZCOUNT", &pipeline).await?;
        let stretch = |reply: &[redis::Value]| {
            let keys: Vec<String> = from_reply("ZRANGE", reply.get(2))?;
            Ok(Stretch {
                ended: from_reply("ZCOUNT", reply.first())?,
                in_review: from_reply("ZCOUNT", reply.get(1))?,
                some: keys.iter().filter_map(|key| key.parse().ok()).collect(),
            })
        };
        replies.chunks(3).map(stretch).collect()
    }

    /// The jobs of a lane that are due first, or held by a worker: at most `most` to be sent and as many to be asked about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting(&self, lane: &Lane, most: usize) -> Result<Vec<Key>, StoreError> {
        let Some(last) = isize::try_from(most).ok().and_then(|most| most.checked_sub(1)).filter(|last| *last >= 0)
        else {
            return Ok(Vec::new());
        };
        let mut pipeline = Pipeline::new();
        for set in ["to_send", "to_ask"] {
            pipeline.zrange(self.keys.set(lane, set), 0, last);
        }
        let sets: Vec<Vec<String>> = self.query("ZRANGE", &pipeline).await?;
        Ok(sets.iter().flatten().filter_map(|key| key.parse().ok()).collect())
    }

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
        let mut events = Vec::new();
        for entry in entries {
            events.extend(events_of(lane, entry)?.into_iter().rev());
        }
        events.truncate(limit);
        Ok(Recent { now: Millis(seconds * 1_000 + micros / 1_000), events })
    }
}
