//! Redis's time between replies.

use bursar_domain::Millis;
use tokio::time::Instant;

/// Redis's time, carried on from a reply by this machine's monotonic clock. It is never ahead of Redis, because a reply
/// takes time.
#[derive(Clone, Copy, Debug)]
pub struct RedisClock {
    then: Millis,
    at: Instant,
}

impl RedisClock {
    /// `then` was the time in a reply that has just come.
    #[must_use]
    pub fn new(then: Millis) -> Self {
        Self { then, at: Instant::now() }
    }

    /// Redis's time now.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.then.plus(self.at.elapsed())
    }

    /// The time in the reply.
    #[must_use]
    pub const fn then(&self) -> Millis {
        self.then
    }

    /// The moment on this machine's clock at which Redis's time is `due`; the moment of the reply for an earlier time.
    #[must_use]
    pub fn moment_of(&self, due: Millis) -> Instant {
        self.at + due.since(self.then)
    }
}
