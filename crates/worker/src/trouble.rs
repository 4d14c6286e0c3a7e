//! When this worker last had reason to think that Redis is not the one it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_telemetry::{Doing, Metrics};
use tokio::sync::Notify;
use tokio::time::Instant;

/// After trouble with Redis no send is claimed for so long: a worker that knows of a write which Redis has lost must have
/// had the time to say so. Longer than workers wait between tries, shorter than the second in which they are to resume.
const GRACE_AFTER_TROUBLE: Duration = Duration::from_millis(700);

/// Shared by everything in the worker that speaks with Redis: one connection may have come back, and another one noticed.
/// It begins with the worker, which knows of nothing that was before.
#[derive(Clone)]
pub(crate) struct Trouble {
    last: Arc<Mutex<Instant>>,
    look: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Trouble {
    pub(crate) fn now(metrics: Arc<Metrics>) -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())), look: Arc::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        // Nothing panics while it holds the lock; if something did, the moment is still one.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redis did not answer, or answers again.
    pub(crate) fn noticed(&self) {
        *self.lock() = Instant::now();
        self.look_again();
    }

    /// The last such moment.
    pub(crate) fn last(&self) -> Instant {
        *self.lock()
    }

    /// Redis is to be compared with what this worker knows.
    pub(crate) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Returns when it is.
    pub(crate) async fn wants_a_look(&self) {
        self.look.notified().await;
    }

    /// Redis failed somebody who was doing this.
    pub(crate) fn failed(&self, doing: Doing) {
        self.noticed();
        self.counted(doing);
    }

    /// Redis failed as it did before, which is no news of it.
    pub(crate) fn counted(&self, doing: Doing) {
        self.metrics.trouble(doing);
    }

    /// Before this moment asks are claimed only.
    pub(crate) fn sends_from(&self) -> Instant {
        *self.lock() + GRACE_AFTER_TROUBLE
    }
}
