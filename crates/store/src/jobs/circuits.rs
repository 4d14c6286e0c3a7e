//! Which workers' circuit breakers are open: told by the workers, for people to read.

use std::time::Duration;

use bursar_domain::{Millis, Queue};

use crate::Store;
use crate::StoreError;
use crate::jobs::claim_request::whole_millis;

/// For how long after its rest a worker's word counts: its probe is claimed and called in that time, and then it says more. A worker
/// that has died says nothing.
const REPORTED_FOR: Duration = Duration::from_secs(90);

impl Store {
    /// Tells that `worker` sends nothing in the queue for `rest` because its circuit breaker is open; `None`: that it has closed.
    ///
    /// # Errors
    /// [`StoreError`]: nobody needs to repeat it.
    pub async fn circuit(&self, queue: &Queue, worker: &str, rest: Option<Duration>) -> Result<(), StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.circuit.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(worker).push(rest.map(|rest| whole_millis(rest).to_string()).unwrap_or_default());
        call.push(whole_millis(REPORTED_FOR));
        call.run(self).await
    }
}

/// Whether a circuit breaker that is open until then, or tries now, is still spoken of.
pub(crate) fn counts(until: Millis, now: Millis) -> bool {
    until.plus(REPORTED_FOR) > now
}
