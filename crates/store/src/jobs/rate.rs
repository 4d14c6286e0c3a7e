//! A queue's rate, for calls that no claim goes with.

use std::time::Duration;

use bursar_domain::Queue;

use crate::Store;
use crate::StoreError;

impl Store {
    /// Takes one call's token of the queue's rate, which all processes share. `None` if it was taken; else the time
    /// until the next try.
    ///
    /// # Errors
    /// [`StoreError`]: a token may have been taken; nothing else has happened.
    pub async fn take_rate_token(&self, queue: &Queue, rate_per_second: f64) -> Result<Option<Duration>, StoreError> {
        if rate_per_second <= 0.0 {
            return Ok(None); // no limit
        }
        let queue_keys = self.queues.of(queue);
        let mut call =
            self.scripts.take_rate_token.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(rate_per_second);
        let wait_ms: u64 = call.run(self).await?;
        Ok((wait_ms > 0).then(|| Duration::from_millis(wait_ms)))
    }
}
