//! Queues that no worker serves, so that their open jobs stay visible.

use bursar_domain::Queue;

use super::QueueStatus;
use crate::Store;
use crate::{KnownQueue, StoreError};

impl Store {
    /// Queues other than `ours` with open jobs, with a waiting delivery or with keys in quarantine, that no worker serves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unserved_queues(&self, ours: &[Queue]) -> Result<Vec<(Queue, QueueStatus)>, StoreError> {
        let ours: std::collections::BTreeSet<&Queue> = ours.iter().collect();
        let known = self.known_queues().await?.into_iter();
        let others: Vec<Queue> = known
            .filter(|KnownQueue { queue, is_served, .. }| !is_served && !ours.contains(queue))
            .map(|known| known.queue)
            .collect();
        let statuses = self.statuses(&others).await?;
        let waits =
            |status: &QueueStatus| status.open_jobs() + status.counts.undelivered + status.all_quarantined() > 0;
        Ok(others.into_iter().zip(statuses).filter(|(_, status)| waits(status)).collect())
    }
}
