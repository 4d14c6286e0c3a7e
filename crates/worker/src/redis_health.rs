//! The last time that this worker had reason to think that Redis has changed.

use std::sync::Arc;
use std::time::Duration;

use bursar_telemetry::{Metrics, RedisOperation};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// After an error of Redis no send is claimed for this long: a worker that knows of a lost write must have time to
/// report it. Longer than workers wait between tries, shorter than the second in which they must resume.
const GRACE_AFTER_TROUBLE: Duration = Duration::from_millis(700);

/// Shared by all parts of the worker that use Redis: one connection may have recovered while another one noticed the
/// error. It begins with the worker, which knows nothing of earlier errors.
#[derive(Clone)]
pub(crate) struct RedisHealth {
    last: watch::Sender<Instant>,
    look: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl RedisHealth {
    pub(crate) fn now(metrics: Arc<Metrics>) -> Self {
        Self { last: watch::Sender::new(Instant::now()), look: Arc::default(), metrics }
    }

    /// Redis did not answer, or answers again.
    pub(crate) fn noticed(&self) {
        self.last.send_replace(Instant::now());
        self.look_again();
    }

    /// Requests a comparison of Redis with this worker's knowledge.
    pub(crate) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Returns when it is.
    pub(crate) async fn wants_a_look(&self) {
        self.look.notified().await;
    }

    /// Records that Redis failed during this operation.
    pub(crate) fn failed(&self, doing: RedisOperation) {
        self.noticed();
        self.counted(doing);
    }

    /// Redis failed as it did before, which is no news of it.
    pub(crate) fn counted(&self, doing: RedisOperation) {
        self.metrics.trouble(doing);
    }

    /// The time of the last such event.
    pub(crate) fn last(&self) -> Instant {
        *self.last.borrow()
    }

    /// A receiver for tasks that must react at once.
    pub(crate) fn watch(&self) -> watch::Receiver<Instant> {
        self.last.subscribe()
    }

    /// Before this moment queries are claimed only.
    pub(crate) fn sends_from(&self) -> Instant {
        self.last() + GRACE_AFTER_TROUBLE
    }
}
