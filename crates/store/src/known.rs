//! All queues known under this prefix, from any configuration, so that no open job is out of sight.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::{Millis, Queue};
use redis::Pipeline;

use crate::reconnecting::{Connection, ConnectionId};
use crate::reply::score;
use crate::rights::is_right;
use crate::{Store, StoreError};

/// A queue that no worker has reported for this long is unserved.
pub(crate) const SERVED_WITHIN: Duration = Duration::from_secs(60);

/// Queues that one command names: a millisecond of Redis.
const NAMED_AT_ONCE: usize = 1_000;

/// The number of tries to write a layout that disappears at once: a Redis is emptied once, not repeatedly.
const LAYOUT_TRIES: usize = 3;

/// Queues that this process has registered over one connection: another connection may lead to a Redis without them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduced(Arc<Mutex<(Option<ConnectionId>, BTreeSet<Queue>)>>);

impl Introduced {
    fn lock(&self) -> MutexGuard<'_, (Option<ConnectionId>, BTreeSet<Queue>)> {
        // Nothing panics while it holds this lock. Should something panic, the set is still valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, connection_id: ConnectionId, queues: &[&Queue]) -> bool {
        let known = self.lock();
        known.0 == Some(connection_id) && queues.iter().all(|queue| known.1.contains(*queue))
    }

    fn add(&self, connection_id: ConnectionId, queues: &[&Queue]) {
        let mut known = self.lock();
        if known.0 != Some(connection_id) {
            *known = (Some(connection_id), BTreeSet::new());
        }
        known.1.extend(queues.iter().copied().cloned());
    }
}

/// A queue under this prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownQueue {
    /// Its name.
    pub queue: Queue,
    /// The last time that a worker reported serving it; `None` if none ever did.
    pub served: Option<Millis>,
    /// True if a worker has reported so within the last minute.
    pub is_served: bool,
}

/// The effect of naming queues.
#[derive(Clone, Copy, Debug)]
enum Served {
    /// A worker serves them at this moment.
    At(Millis),
    /// Nothing.
    NotSaid,
}

impl Store {
    /// Registers queues before their first job, and refuses a cluster. One more round trip for the first submission of
    /// each queue over a connection, none later.
    ///
    /// # Errors
    /// [`StoreError::Cluster`], or Redis's own.
    pub(crate) async fn introduce(&self, queues: &[&Queue]) -> Result<(), StoreError> {
        if queues.is_empty() {
            return Ok(());
        }
        let connection_id = self.connection_id().await?;
        if self.introduced.has(connection_id, queues) {
            return Ok(());
        }
        let mut connection = self.connection().over(connection_id);
        let mut info = redis::cmd("INFO");
        info.arg("cluster");
        let info: redis::RedisResult<String> = info.query_async(&mut connection).await;
        match info {
            Ok(info) if info.contains("cluster_enabled:1") => return Err(StoreError::Cluster),
            Ok(_) => {}
            Err(error) if is_right(&error) => {} // the preflight refuses a Redis that cannot be examined
            Err(error) => return Err(StoreError::of("submit", error)),
        }
        for queues in queues.chunks(NAMED_AT_ONCE) {
            self.name_queues(queues, Served::NotSaid, &connection).await?;
        }
        self.introduced.add(connection_id, queues);
        Ok(())
    }

    /// Reports that a worker serves these queues now; repeat it well within a minute.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn serves(&self, queues: &[Queue]) -> Result<(), StoreError> {
        if queues.is_empty() {
            return Ok(());
        }
        let now = self.now().await?;
        for queues in queues.chunks(NAMED_AT_ONCE) {
            let queues: Vec<&Queue> = queues.iter().collect();
            self.name_queues(&queues, Served::At(now), &self.connection()).await?;
        }
        Ok(())
    }

    /// Writes queues' names if the layout is this store's, and first the layout if there is none. Queues without a
    /// layout belong to an older build, so both go in one write, and a Redis that was emptied in between is written to
    /// again. It is no transaction, because producers need no permission for one.
    async fn name_queues(&self, queues: &[&Queue], served: Served, connection: &Connection) -> Result<(), StoreError> {
        let command = match served {
            Served::At(_) => "ZADD",
            Served::NotSaid => "submit",
        };
        let mut connection = connection.clone();
        let failed = |source| StoreError::of(command, source);
        let layout = self.keys.layout();
        let found: Option<String> =
            redis::cmd("GET").arg(&layout).query_async(&mut connection).await.map_err(failed)?;
        if let Some(found) = found {
            self.has_layout(&found)?;
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SET").arg(&layout).arg(self.layout_text()).arg("NX").ignore();
        pipeline.cmd("ZADD").arg(self.keys.queues());
        let at = match served {
            Served::At(now) => now.0,
            Served::NotSaid => {
                pipeline.arg("NX");
                0
            }
        };
        for queue in queues {
            pipeline.arg(at).arg(queue.to_string());
        }
        pipeline.ignore().get(&layout);
        for _ in 0..LAYOUT_TRIES {
            let (found,): (Option<String>,) = pipeline.query_async(&mut connection).await.map_err(failed)?;
            if let Some(found) = found {
                return self.has_layout(&found); // another process may have been first
            }
        }
        Err(StoreError::Layout("it was written and has disappeared: this Redis is being emptied".into()))
    }

    /// Every queue that a job was submitted to, or that a worker has served, under this prefix.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known_queues(&self) -> Result<Vec<KnownQueue>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANGE").arg(self.keys.queues()).arg(0).arg(-1).arg("WITHSCORES").cmd("TIME");
        let (queues, time): (Vec<(String, f64)>, (u64, u64)) = self.query("ZRANGE", &pipeline).await?;
        let now = Millis(time.0 * 1_000 + time.1 / 1_000);
        let known = queues.into_iter().filter_map(|(name, at)| {
            let served = (at > 0.0).then(|| score(at));
            let is_served = served.is_some_and(|at| now.since(at) < SERVED_WITHIN);
            Some(KnownQueue { queue: name.parse().ok()?, served, is_served })
        });
        Ok(known.collect())
    }
}
