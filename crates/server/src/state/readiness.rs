//! Whether Redis takes writes, asked once for all who want to know at about the same time.

use std::time::Duration;

use bursar_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::refusal::Refusal;

/// How long Redis may take to answer a question about health: those who ask give up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer about health holds for the next who ask.
const LATELY: Duration = Duration::from_millis(500);

/// What was found lately. Anybody may ask about health, and none of them is to keep Redis busy.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    writes: Found,
}

type Found = Mutex<Option<(Instant, Result<(), Refusal>)>>;

impl Readiness {
    /// Whether Redis takes writes.
    ///
    /// # Errors
    /// A [`Refusal`] that says why not.
    pub(crate) async fn writes(&self, store: &Store) -> Result<(), Refusal> {
        lately(&self.writes, || answer(store.probe_write())).await
    }
}

/// What was found a moment ago, or is found now; those who ask meanwhile wait for it.
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

async fn answer(asked: impl Future<Output = Result<(), StoreError>>) -> Result<(), Refusal> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let late = || Refusal::Late(format!("Redis did not answer within {} s", PATIENCE.as_secs()));
    answer.map_err(|_| late())?.map_err(Refusal::from)
}
