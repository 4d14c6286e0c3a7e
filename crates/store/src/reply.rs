//! Reading replies of Redis.

use bursar_domain::Millis;
use redis::Pipeline;

use crate::{Store, StoreError};

/// The jobs of each set that a count of in-doubt jobs reads: about a millisecond of Redis.
pub const LOOKED_AT: usize = 1_000;

impl Store {
    pub(crate) async fn query<T: redis::FromRedisValue>(
        &self,
        command: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, StoreError> {
        pipeline.query_async(&mut self.connection()).await.map_err(|source| StoreError::of(command, source))
    }
}

/// The only value that was requested.
pub(crate) fn only<T>(read: Vec<T>) -> Result<T, StoreError> {
    let read = read.into_iter().next();
    read.ok_or_else(|| StoreError::Unreadable { what: "a reply of Redis".into(), detail: "it is missing".into() })
}

pub(crate) fn from_reply<T: redis::FromRedisValue>(
    command: &'static str,
    reply: Option<&redis::Value>,
) -> Result<T, StoreError> {
    redis::from_redis_value(reply.cloned().unwrap_or(redis::Value::Nil))
        .map_err(|error| StoreError::Unreadable { what: format!("the reply of {command}"), detail: error.to_string() })
}

/// Scores are whole milliseconds, far below 2^53.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a due time is positive and exact in a double"
)]
pub(crate) fn score(score: f64) -> Millis {
    Millis(score as u64)
}
