//! A probe of Redis's writes, made once for all requests of about the same time.

use std::time::Duration;

use bursar_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::refusal::Refusal;

/// The time limit of a probe: those who ask for health give up after a few seconds.
const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

/// The time for which a probe's outcome is reused.
const LATELY: Duration = Duration::from_millis(500);

/// The latest outcome. Health needs no token, and must not keep Redis busy.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    writes: Found,
}

type Found = Mutex<Option<(Instant, Result<(), Refusal>)>>;

impl Readiness {
    /// Checks that Redis takes writes.
    ///
    /// # Errors
    /// A [`Refusal`] that says why not.
    pub(crate) async fn writes(&self, store: &Store) -> Result<(), Refusal> {
        lately(&self.writes, || answer(store.probe_write())).await
    }
}

/// The outcome of a moment ago, or of a new probe; concurrent requests wait for it.
async fn lately<Look: Future<Output = Result<(), Refusal>>>(
    found: &Found,
    look: impl FnOnce() -> Look,
) -> Result<(), Refusal> {
    let mut found = found.lock().await;
    if let Some((_, answer)) = found.as_ref().filter(|(at, _)| at.elapsed() < LATELY) {
        return answer.clone();
    }
    let answer = look().await;
    *found = Some((Instant::now(), answer.clone()));
    answer
}

async fn answer(call: impl Future<Output = Result<(), StoreError>>) -> Result<(), Refusal> {
    let answer = tokio::time::timeout(REDIS_TIMEOUT, call).await;
    let late = || Refusal::Late(format!("Redis did not answer within {} s", REDIS_TIMEOUT.as_secs()));
    answer.map_err(|_| late())?.map_err(Refusal::from)
}
