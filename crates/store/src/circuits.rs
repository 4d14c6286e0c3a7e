//! Which workers' circuits are open: told by the workers, for people to read.

use std::time::Duration;

use bursar_domain::{Lane, Millis};

use crate::claim::whole_millis;
use crate::{Store, StoreError};

/// For how long after its rest a worker's word counts: its probe is claimed and called in that time, and then it says more. A
/// worker that has died says nothing.
const TOLD_FOR: Duration = Duration::from_secs(90);

impl Store {
    /// Tells that `worker` sends nothing in `lane` for `rest` because its circuit is open; `None`: that it has closed.
    ///
    /// # Errors
    /// [`StoreError`]: nobody needs to repeat it.
    pub async fn circuit(&self, lane: &Lane, worker: &str, rest: Option<Duration>) -> Result<(), StoreError> {
        let mut call = self.scripts.circuit.on(&self.keys.base(lane));
        call.push(worker).push(rest.map(|rest| whole_millis(rest).to_string()).unwrap_or_default());
        call.push(whole_millis(TOLD_FOR));
        call.run(self).await
    }
}

/// Whether a circuit that rests until then, or tries now, is still spoken of.
pub(crate) fn counts(until: Millis, now: Millis) -> bool {
    until.plus(TOLD_FOR) > now
}
