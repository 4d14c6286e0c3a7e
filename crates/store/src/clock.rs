//! What a clock of Redis that was wrong for a while leaves behind.

use std::time::Duration;

use bursar_domain::Lane;

use crate::claim::whole_millis;
use crate::{Store, StoreError};

/// Entries in one call: a millisecond or two of Redis.
const ENTRIES: usize = 200;

/// Calls for one lane and set at most. Jobs beyond it come due by the clock that was wrong.
const MAX_CALLS: usize = 10_000;

impl Store {
    /// After Redis's clock was set back: brings due times that were reckoned by the other clock to where they belong, and ends
    /// leases within `lease` from now. Returns how many entries that changed; done twice, it changes nothing more.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn set_clock_back(&self, lane: &Lane, lease: Duration) -> Result<u64, StoreError> {
        let mut changed = 0;
        for set in ["to_send", "to_ask"] {
            let mut pass_over = 0_usize;
            for _ in 0..MAX_CALLS {
                let mut call = self.scripts.clock_back.on(&self.keys.base(lane));
                call.push(set).push(pass_over).push(ENTRIES).push(whole_millis(lease));
                let (looked, moved, next): (usize, u64, usize) = call.run(self).await?;
                changed += moved;
                pass_over = next;
                if looked < ENTRIES {
                    break;
                }
            }
        }
        Ok(changed)
    }
}
