//! The identity of this Redis: an id that Bursar writes on its first contact, and that lasts as long as the data. A
//! Redis that was emptied or replaced has another id or none.

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::Queue;
use redis::Pipeline;

use crate::{Store, StoreError};

/// The identity of this Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incarnations {
    /// Its id; `None` if Bursar has never used this Redis, or all its data are gone.
    pub current: Option<String>,
    /// Earlier ones whose journals were reconciled with it.
    pub settled: BTreeSet<String>,
}

impl Incarnations {
    /// True if this Redis has the sends of that incarnation.
    #[must_use]
    pub fn knows(&self, incarnation: &str) -> bool {
        self.current.as_deref() == Some(incarnation) || self.settled.contains(incarnation)
    }
}

impl Store {
    /// The identity of this Redis. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn incarnations(&self) -> Result<Incarnations, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.get(self.keys.incarnation()).hgetall(self.keys.settled_incarnations());
        let (current, settled): (Option<String>, BTreeMap<String, String>) = self.query("GET", &pipeline).await?;
        Ok(Incarnations { current, settled: settled.into_keys().collect() })
    }

    /// Gives this Redis the id `fresh` unless it has one; returns its id.
    ///
    /// # Errors
    /// [`StoreError`]: repeat, with the same or another.
    pub async fn incarnate(&self, fresh: &str) -> Result<String, StoreError> {
        let mut pipeline = Pipeline::new();
        let name = self.keys.incarnation();
        pipeline.cmd("SET").arg(&name).arg(fresh).arg("NX").ignore().get(&name);
        // No wait for disk or replicas is needed: if the id is lost, the journals that name it are no longer known, and
        // nothing is sent.
        let (current,): (String,) = self.query("SET", &pipeline).await?;
        Ok(current)
    }

    /// Records that the journals of these incarnations were reconciled with this Redis.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn settle_incarnations(&self, of: &BTreeSet<String>) -> Result<(), StoreError> {
        if of.is_empty() {
            return Ok(());
        }
        let since = self.since();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HSET").arg(self.keys.settled_incarnations()); // `hset_multiple` would send HMSET
        for id in of {
            pipeline.arg(id).arg(1);
        }
        pipeline.ignore();
        let () = self.query("HSET", &pipeline).await?;
        self.kept(since).await
    }

    /// The fences of these queues: the number of claims in each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fences(&self, queues: &[Queue]) -> Result<Vec<u64>, StoreError> {
        if queues.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for queue in queues {
            pipeline.hget(self.queues.of(queue).queue_hash(), "fence");
        }
        let fences: Vec<Option<u64>> = self.query("HGET", &pipeline).await?;
        Ok(fences.into_iter().map(Option::unwrap_or_default).collect())
    }
}
