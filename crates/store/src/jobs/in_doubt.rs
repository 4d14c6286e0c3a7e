//! The number of jobs that are in doubt and have no claim. No set has exactly these, so records are read, within a bound.

use bursar_domain::{Queue, State};
use redis::Pipeline;

use super::overlay::ClaimEntry;
use super::read::{EraFields, era_of, lossy};
use super::record::StoredJob;
use super::rows::{key_of, sets_of};
use crate::Store;
use crate::reply::from_reply;
use crate::{LOOKED_AT, StoreError};

/// The approximate bound of records that one count reads, over all queues: ten megabytes, and a tenth of a second.
const LOOKED_AT_ALL: usize = 10_000;

/// The least number of jobs of each set that are read.
const LEAST: usize = 20;

/// The approximate number of records that one round trip reads: a megabyte or two.
const RECORDS_AT_ONCE: usize = 1_000;

/// Queues whose sets one round trip reads.
const QUEUES_AT_ONCE: usize = 200;

impl Store {
    /// The number of jobs of a queue that are in doubt and have no claim, among the first [`LOOKED_AT`] of each set in
    /// which they may be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_doubt(&self, queue: &Queue) -> Result<usize, StoreError> {
        Ok(self.in_doubt_of(std::slice::from_ref(queue)).await?.pop().unwrap_or_default())
    }

    /// The same for many queues, in order. The more queues there are, the fewer jobs of each are read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_doubt_of(&self, queues: &[Queue]) -> Result<Vec<usize>, StoreError> {
        let share = (LOOKED_AT_ALL / queues.len().max(1)).clamp(LEAST, LOOKED_AT);
        let mut counts = vec![0; queues.len()];
        let mut batch: Vec<(usize, Vec<String>)> = Vec::new();
        let mut records = 0;
        for (at, keys) in self.perhaps_in_doubt(queues, share).await? {
            for keys in keys.chunks(RECORDS_AT_ONCE) {
                records += keys.len();
                batch.push((at, keys.to_vec()));
                if records >= RECORDS_AT_ONCE {
                    self.count_in_doubt(queues, &std::mem::take(&mut batch), &mut counts).await?;
                    records = 0;
                }
            }
        }
        self.count_in_doubt(queues, &batch, &mut counts).await?;
        Ok(counts)
    }

    /// For each queue by its place the keys in the sets in which jobs in doubt may be.
    async fn perhaps_in_doubt(&self, queues: &[Queue], share: usize) -> Result<Vec<(usize, Vec<String>)>, StoreError> {
        let mut found = Vec::new();
        for (chunk, queues) in queues.chunks(QUEUES_AT_ONCE).enumerate() {
            let mut pipeline = Pipeline::new();
            let sets = sets_of(State::InDoubt);
            for queue in queues {
                let queue_keys = self.queues.of(queue);
                for set in sets {
                    pipeline.cmd("ZRANGE").arg(queue_keys.set(set)).arg(0).arg(share - 1);
                }
            }
            let replies: Vec<Vec<Vec<u8>>> = self.query("ZRANGE", &pipeline).await?;
            for (at, members) in replies.chunks(sets.len()).enumerate() {
                let keys = members.concat().into_iter().filter_map(|member| key_of(&lossy(member)));
                let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
                if !keys.is_empty() {
                    found.push((chunk * QUEUES_AT_ONCE + at, keys));
                }
            }
        }
        Ok(found)
    }

    async fn count_in_doubt(
        &self,
        queues: &[Queue],
        batch: &[(usize, Vec<String>)],
        counts: &mut [usize],
    ) -> Result<(), StoreError> {
        let batch: Vec<(usize, &Queue, &Vec<String>)> =
            batch.iter().filter_map(|(at, keys)| Some((*at, queues.get(*at)?, keys))).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        for (_, queue, keys) in &batch {
            let queue_keys = self.queues.of(queue);
            pipeline.cmd("HMGET").arg(queue_keys.set("claims")).arg(*keys); // before the records, as in `read.rs`
            pipeline.cmd("HMGET").arg(queue_keys.queue_hash()).arg("era").arg("resumed").arg("resumed_at");
            pipeline.cmd("MGET");
            for key in *keys {
                pipeline.arg(format!("{}:{key}", queue_keys.set("job")));
            }
        }
        let replies: Vec<redis::Value> = self.query("MGET", &pipeline).await?;
        for ((at, _, _), row) in batch.into_iter().zip(replies.chunks(3)) {
            let claims: Vec<Option<Vec<u8>>> = from_reply("HMGET", row.first())?;
            let era: EraFields = from_reply("HMGET", row.get(1))?;
            let records: Vec<Option<Vec<u8>>> = from_reply("MGET", row.get(2))?;
            let era = era_of(era);
            let is_in_doubt = |(claim, text): (Option<Vec<u8>>, Option<Vec<u8>>)| {
                let Ok(stored) = StoredJob::read(&lossy(text.unwrap_or_default())) else { return false };
                let claim = claim.and_then(|claim| ClaimEntry::read(&lossy(claim)));
                stored.current_claim(claim).is_none() && stored.in_era(era).state == State::InDoubt
            };
            if let Some(count) = counts.get_mut(at) {
                *count += claims.into_iter().zip(records).map(is_in_doubt).filter(|counts| *counts).count();
            }
        }
        Ok(())
    }
}
