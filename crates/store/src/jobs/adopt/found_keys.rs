//! Finds all keys of a queue. Tombstones are in no set, so all keys of this Redis are scanned.

use std::collections::{HashMap, HashSet};

use bursar_domain::{Key, Queue};
use redis::Pipeline;

use crate::rights::glob;
use crate::{Store, StoreError};

/// The keys of one step of the scan: about a millisecond of Redis.
const STEP: usize = 1_000;

/// The keys of a queue.
#[derive(Default)]
pub(super) struct FoundKeys {
    pub(super) jobs: Vec<Key>,
    /// Keys that no build accepts.
    pub(super) unreadable: Vec<String>,
    /// Business keys by the key of their job.
    pub(super) business_keys: HashMap<String, Vec<String>>,
}

impl Store {
    /// Every job of a queue. Tombstones are in no set, so all keys of this Redis are scanned.
    pub(super) async fn find_all(&self, queue: &Queue) -> Result<FoundKeys, StoreError> {
        let queue_keys = self.queues.of(queue);
        let (jobs, business) = (queue_keys.of_key("job", ""), queue_keys.of_key("business", ""));
        let pattern = format!("{}*:{}:*", glob(&queue_keys.base), queue_keys.queue);
        let (mut found, mut cursor) = (FoundKeys::default(), 0_u64);
        let mut seen = HashSet::new(); // a scan may return a key twice
        loop {
            let (next, names) = self.search(cursor, &pattern).await?;
            let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
            let names: Vec<String> = names.filter(|name| seen.insert(name.clone())).collect();
            for name in names.iter().filter_map(|name| name.strip_prefix(&jobs)) {
                match name.parse() {
                    Ok(key) => found.jobs.push(key),
                    Err(_) => found.unreadable.push(name.to_owned()),
                }
            }
            let owned: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&business)).collect();
            if !owned.is_empty() {
                let mut pipeline = Pipeline::new();
                for name in &owned {
                    pipeline.get(format!("{business}{name}"));
                }
                let keys: Vec<Option<String>> = self.query("GET", &pipeline).await?;
                for (name, key) in owned.into_iter().zip(keys) {
                    if let Some(key) = key {
                        found.business_keys.entry(key).or_default().push(name.to_owned());
                    }
                }
            }
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// True if a queue has jobs: open, ended or reduced to tombstones. If it has none, all keys of this Redis were
    /// scanned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_jobs(&self, queue: &Queue) -> Result<bool, StoreError> {
        let status = self.status(queue).await?;
        if status.open_jobs() + status.counts.done > 0 {
            return Ok(true);
        }
        let jobs = format!("{}*", glob(&self.queues.of(queue).of_key("job", "")));
        let mut cursor = 0_u64;
        loop {
            let (next, names) = self.search(cursor, &jobs).await?;
            if !names.is_empty() || next == 0 {
                return Ok(!names.is_empty());
            }
            cursor = next;
        }
    }

    /// One step through all keys of this Redis: the next step's cursor, 0 after the last one, and the keys that match.
    async fn search(&self, cursor: u64, pattern: &str) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SCAN", source))
    }
}
