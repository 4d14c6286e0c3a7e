//! A lane's rate, for those who ask beside the workers.

use std::time::Duration;

use bursar_domain::Lane;

use crate::{Store, StoreError};

impl Store {
    /// Takes one call's place in the lane's rate, which workers and everybody else share. `None` when it was taken; else how
    /// long to wait before the next try.
    ///
    /// # Errors
    /// [`StoreError`]: a place may have been taken all the same; nothing else has happened.
    pub async fn take_turn(&self, lane: &Lane, rate_per_second: f64) -> Result<Option<Duration>, StoreError> {
        if rate_per_second <= 0.0 {
            return Ok(None); // no limit
        }
        let mut call = self.scripts.take.on(&self.keys.base(lane));
        call.push(rate_per_second);
        let wait_ms: u64 = call.run(self).await?;
        Ok((wait_ms > 0).then(|| Duration::from_millis(wait_ms)))
    }
}
