//! The open circuit breakers, reported by the workers for operators to read.

use std::time::Duration;

use bursar_domain::{Millis, Queue};

use crate::Store;
use crate::StoreError;
use crate::jobs::claim_request::whole_millis;

/// The time for which a worker's report counts after its pause: its probe is claimed and called in that time, and the
/// worker reports again. A worker that has died reports nothing.
const REPORTED_FOR: Duration = Duration::from_secs(90);

impl Store {
    /// Reports that `worker` sends nothing in the queue for `rest` because its circuit breaker is open; `None`: that it
    /// has closed.
    ///
    /// # Errors
    /// [`StoreError`]: repeating is not necessary.
    pub async fn circuit(&self, queue: &Queue, worker: &str, rest: Option<Duration>) -> Result<(), StoreError> {
        let queue_keys = self.queues.of(queue);
        let mut call = self.scripts.circuit.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(worker).push(rest.map(|rest| whole_millis(rest).to_string()).unwrap_or_default());
        call.push(whole_millis(REPORTED_FOR));
        call.run(self).await
    }
}

/// True if a report of a circuit breaker that is open until then, or half open, still counts.
pub(crate) fn counts(until: Millis, now: Millis) -> bool {
    until.plus(REPORTED_FOR) > now
}
