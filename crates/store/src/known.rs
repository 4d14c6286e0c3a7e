//! Lanes that are known under this prefix, whoever's configuration names them: so that no open job is out of sight.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::{Lane, Millis};
use redis::Pipeline;

use crate::link::{Connection, Link};
use crate::reply::score;
use crate::rights::is_right;
use crate::{Store, StoreError};

/// A lane that no worker has named for so long is served by none.
const SERVED_WITHIN: Duration = Duration::from_secs(60);

/// Lanes that one command names: a millisecond of Redis.
const NAMED_AT_ONCE: usize = 1_000;

/// Lanes that this process has made known over one connection: another one may lead to a Redis that does not know them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduced(Arc<Mutex<(Option<Link>, BTreeSet<Lane>)>>);

impl Introduced {
    fn lock(&self) -> MutexGuard<'_, (Option<Link>, BTreeSet<Lane>)> {
        // Nothing panics while it holds the lock; if something did, the set is still one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, link: Link, lanes: &[&Lane]) -> bool {
        let known = self.lock();
        known.0 == Some(link) && lanes.iter().all(|lane| known.1.contains(*lane))
    }

    fn add(&self, link: Link, lanes: &[&Lane]) {
        let mut known = self.lock();
        if known.0 != Some(link) {
            *known = (Some(link), BTreeSet::new());
        }
        known.1.extend(lanes.iter().copied().cloned());
    }
}

/// A lane under this prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLane {
    /// Its name.
    pub lane: Lane,
    /// When a worker last said that it serves it; `None` when none ever did.
    pub served: Option<Millis>,
    /// Whether a worker has said so within the last minute.
    pub is_served: bool,
}

impl Store {
    /// Makes lanes known before their first job, and refuses a cluster. One more round trip for the first submission of each
    /// lane over a connection, none after.
    ///
    /// # Errors
    /// [`StoreError::Cluster`], or Redis's own.
    pub(crate) async fn introduce(&self, lanes: &[&Lane]) -> Result<(), StoreError> {
        if lanes.is_empty() {
            return Ok(());
        }
        let link = self.link().await?;
        if self.introduced.has(link, lanes) {
            return Ok(());
        }
        let mut connection = self.connection().over(link);
        let mut info = redis::cmd("INFO");
        info.arg("cluster");
        let info: redis::RedisResult<String> = info.query_async(&mut connection).await;
        match info {
            Ok(info) if info.contains("cluster_enabled:1") => return Err(StoreError::Cluster),
            Ok(_) => {}
            Err(error) if is_right(&error) => {} // the preflight refuses what nobody can tell
            Err(error) => return Err(StoreError::of("submit", error)),
        }
        self.write_layout("submit", &connection).await?;
        let mut command = redis::cmd("ZADD");
        command.arg(self.keys.lanes()).arg("NX");
        for lane in lanes {
            command.arg(0).arg(lane.to_string());
        }
        let added: redis::RedisResult<()> = command.query_async(&mut connection).await;
        added.map_err(|source| StoreError::of("submit", source))?;
        self.introduced.add(link, lanes);
        Ok(())
    }

    /// Says that a worker serves these lanes now; to be repeated well within a minute.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn serves(&self, lanes: &[Lane]) -> Result<(), StoreError> {
        if lanes.is_empty() {
            return Ok(());
        }
        let now = self.now().await?;
        self.write_layout("ZADD", &self.connection()).await?;
        for lanes in lanes.chunks(NAMED_AT_ONCE) {
            let mut command = redis::cmd("ZADD");
            command.arg(self.keys.lanes());
            for lane in lanes {
                command.arg(now.0).arg(lane.to_string());
            }
            let named: redis::RedisResult<()> = command.query_async(&mut self.connection()).await;
            named.map_err(|source| StoreError::of("ZADD", source))?;
        }
        Ok(())
    }

    /// A queue's name is written only where the layout is this build's.
    async fn write_layout(&self, command: &'static str, connection: &Connection) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        let name = self.keys.layout();
        pipeline.cmd("SET").arg(&name).arg(self.layout_text()).arg("NX").ignore().get(&name);
        let found: redis::RedisResult<(String,)> = pipeline.query_async(&mut connection.clone()).await;
        self.has_layout(&found.map_err(|source| StoreError::of(command, source))?.0)
    }

    /// Every lane that a job was submitted to, or that a worker has served, under this prefix.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known_lanes(&self) -> Result<Vec<KnownLane>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANGE").arg(self.keys.lanes()).arg(0).arg(-1).arg("WITHSCORES").cmd("TIME");
        let (lanes, time): (Vec<(String, f64)>, (u64, u64)) = self.query("ZRANGE", &pipeline).await?;
        let now = Millis(time.0 * 1_000 + time.1 / 1_000);
        let known = lanes.into_iter().filter_map(|(name, at)| {
            let served = (at > 0.0).then(|| score(at));
            let is_served = served.is_some_and(|at| now.since(at) < SERVED_WITHIN);
            Some(KnownLane { lane: name.parse().ok()?, served, is_served })
        });
        Ok(known.collect())
    }
}
