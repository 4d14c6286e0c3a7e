//! Handing a lane's jobs to another name, after its account was renamed.

use std::collections::HashMap;

use bursar_domain::{ActionKind, HistoryEvent, Lane, Millis, Reason};
use redis::Pipeline;
use serde_json::Map;

use crate::crash::crash_point;
use crate::scripts::EVENTS_KEPT;
use crate::{Operator, Store, StoreError};

/// Keys that one step of the search looks at: about a millisecond of Redis.
const STEP: usize = 1_000;

/// What became of a lane's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Jobs that are the new lane's now.
    pub moved: usize,
    /// Of them those that may have been sent.
    pub in_doubt: usize,
    /// Keys whose worker's lease has not ended: try again when it has.
    pub held: Vec<String>,
    /// Keys for which the new lane has a job of its own, and that job's key. A person must decide.
    pub conflicts: Vec<(String, String)>,
    /// Keys whose record this build cannot read.
    pub unreadable: Vec<String>,
}

impl Adopted {
    /// Whether nothing was left behind.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.held.is_empty() && self.conflicts.is_empty() && self.unreadable.is_empty()
    }
}

/// What stands under a lane's name.
#[derive(Default)]
struct Found {
    jobs: Vec<String>,
    /// Things by the key of the job that is about them.
    about: HashMap<String, Vec<String>>,
}

impl Store {
    /// Hands every job of `from`, ended ones and tombstones too, to `to`, one by one; each moves in one step. After an error or
    /// the death of the process, calling it again goes on. A pause of `from` becomes one of `to` first.
    ///
    /// No worker may serve `from`, and both must be at the same gateway: that is the caller's to see to.
    ///
    /// # Errors
    /// [`StoreError`]: some jobs may have been moved; repeat.
    pub async fn adopt(&self, from: &Lane, to: &Lane, operator: Operator<'_>) -> Result<Adopted, StoreError> {
        self.introduce(&[to]).await?;
        if let Some(pause) = self.lane_status(from).await?.paused {
            let pause = Reason::AdoptedPause { queue: from.to_string(), pause: Box::new(pause) };
            self.set_paused(to, ActionKind::Pause, pause).await?;
        }
        let found = self.find_all(from).await?;
        let event = HistoryEvent::Adopted(bursar_domain::Adopted {
            at: Millis::default(),
            queue: from.to_string(),
            operator: operator.who.to_owned(),
            comment: operator.why.to_owned(),
            more: Map::new(),
        })
        .recorded();
        let mut adopted = Adopted::default();
        for key in found.jobs {
            crash_point("before_adopt");
            let mut call = self.scripts.adopt.on(&self.keys.base(to));
            call.push(self.keys.wake_channel()).push(to.to_string()).push(EVENTS_KEPT);
            call.push(self.keys.base(from)).push(&key).push(&event);
            for thing in found.about.get(&key).into_iter().flatten() {
                call.push(thing);
            }
            let reply: Vec<String> = call.run(self).await?;
            match (reply.first().map(String::as_str), reply.get(1)) {
                (Some("moved"), Some(state)) => {
                    adopted.moved += 1;
                    adopted.in_doubt += usize::from(state == "in_doubt");
                }
                (Some("gone"), _) => {}
                (Some("held"), _) => adopted.held.push(key),
                (Some("conflict"), Some(other)) => adopted.conflicts.push((key, other.clone())),
                (Some("unreadable"), _) => adopted.unreadable.push(key),
                (_, _) => {
                    return Err(StoreError::Unreadable {
                        what: "the reply of adopt".into(),
                        detail: format!("{reply:?} is no answer"),
                    });
                }
            }
        }
        Ok(adopted)
    }

    /// Every job under a lane's name: tombstones stand in no set, so all keys of this Redis are gone through.
    async fn find_all(&self, lane: &Lane) -> Result<Found, StoreError> {
        let base = self.keys.base(lane);
        let (jobs, about) = (format!("{base}job:"), format!("{base}about:"));
        let (mut found, mut cursor) = (Found::default(), 0_u64);
        let mut seen = std::collections::HashSet::new(); // a scan may tell a key twice
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(format!("{base}*")).arg("COUNT").arg(STEP);
            let (next, names): (u64, Vec<Vec<u8>>) =
                command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SCAN", source))?;
            let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
            let names: Vec<String> = names.filter(|name| seen.insert(name.clone())).collect();
            found.jobs.extend(names.iter().filter_map(|name| name.strip_prefix(&jobs)).map(str::to_owned));
            let things: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&about)).collect();
            if !things.is_empty() {
                let mut pipeline = Pipeline::new();
                for thing in &things {
                    pipeline.get(format!("{about}{thing}"));
                }
                let keys: Vec<Option<String>> = self.query("GET", &pipeline).await?;
                for (thing, key) in things.into_iter().zip(keys) {
                    if let Some(key) = key {
                        found.about.entry(key).or_default().push(thing.to_owned());
                    }
                }
            }
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// Tells if a lane has jobs, open, ended or reduced to tombstones. If it has none, all keys of this Redis were gone through.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_jobs(&self, lane: &Lane) -> Result<bool, StoreError> {
        let status = self.lane_status(lane).await?;
        if status.open_jobs() + status.done > 0 {
            return Ok(true);
        }
        let mut cursor = 0_u64;
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(format!("{}job:*", self.keys.base(lane))).arg("COUNT").arg(STEP);
            let (next, names): (u64, Vec<Vec<u8>>) =
                command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SCAN", source))?;
            if !names.is_empty() || next == 0 {
                return Ok(!names.is_empty());
            }
            cursor = next;
        }
    }
}
