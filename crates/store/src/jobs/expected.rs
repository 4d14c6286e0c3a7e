//! The time and the eras that a submission is expected to find in Redis, by the replies to earlier ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bursar_domain::{Millis, Queue};

use crate::RedisClock;

/// Redis's time and the queues' eras. New records contain them, and the script replaces wrong ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    clock: Option<RedisClock>,
    /// Eras of queues whose Redis has lost writes: most have none.
    eras: BTreeMap<Queue, u64>,
}

impl Expected {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock. Should something panic, the script still compares these values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redis's time, 0 while unknown, and the queue's era.
    pub(crate) fn of(&self, queue: &Queue) -> (Millis, u64) {
        let inner = self.lock();
        let now = inner.clock.as_ref().map(RedisClock::now).unwrap_or_default();
        (now, inner.eras.get(queue).copied().unwrap_or_default())
    }

    /// Records the time and the era of a reply that has just come.
    pub(crate) fn saw(&self, queue: &Queue, now: Millis, era: u64) {
        let mut inner = self.lock();
        inner.clock = Some(RedisClock::new(now));
        if era == 0 {
            inner.eras.remove(queue);
        } else if inner.eras.get(queue) != Some(&era) {
            inner.eras.insert(queue.clone(), era);
        }
    }
}
