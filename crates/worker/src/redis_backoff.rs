//! Waits for Redis to come back: short waits that grow, and one log line for each outage, not for each try.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use bursar_store::StoreError;
use bursar_telemetry::RedisOperation;

use crate::redis_health::RedisHealth;

/// First wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait between tries: workers must resume within a second after Redis is back.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// One loop's backoff with Redis.
pub(crate) struct RedisBackoff {
    doing: RedisOperation,
    redis_health: RedisHealth,
    backoff: ExponentialBackoff,
    failing: bool,
}

impl RedisBackoff {
    pub(crate) fn new(doing: RedisOperation, redis_health: RedisHealth) -> Self {
        let backoff = ExponentialBackoff {
            current_interval: FIRST_WAIT,
            initial_interval: FIRST_WAIT,
            max_interval: LONGEST_WAIT,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { doing, redis_health, backoff, failing: false }
    }

    /// Logs the first failure of an outage, and waits.
    pub(crate) async fn wait(&mut self, error: &StoreError) {
        // A failed subscription to hints says nothing new about Redis. If it counted, a worker without the permission
        // to subscribe would never send.
        if self.failing && self.doing == RedisOperation::Listening {
            self.redis_health.counted(self.doing);
        } else {
            self.redis_health.failed(self.doing);
        }
        if !self.failing {
            tracing::warn!(error = %error.chain(), "Redis failed while {}; retrying until it is back", self.doing.as_str());
            self.failing = true;
        }
        // Its jitter goes half beyond its maximum.
        tokio::time::sleep(self.backoff.next_backoff().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)).await;
    }

    /// Logs the end of an outage, if there was one.
    pub(crate) fn over(&mut self) {
        if self.failing {
            self.redis_health.noticed();
            tracing::info!("Redis is back for {}", self.doing.as_str());
            self.failing = false;
            self.backoff.reset();
        }
    }
}
