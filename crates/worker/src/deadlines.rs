//! Enforces deadlines of jobs that wait to be sent while nothing is sent: in a paused queue, behind an open circuit, or
//! while the send gate is closed. Claims do not see these jobs.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::{ContentSummary, Millis, State, overdue};
use bursar_store::{JobRecord, MAX_STEP, ScanCursor, StoreError, StoredAs};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::queues::{QueueNumber, ServedQueue};
use crate::shared::Shared;

/// The pause between checks. A check reads one page of a queue, so that a long queue costs Redis no more than a short
/// one.
const ROUND: Duration = Duration::from_secs(5);

/// A job must be due for this long before its deadline is checked here. Where sends go on, a claim takes it sooner.
const LEFT_TO_CLAIMS: Duration = Duration::from_secs(5);

/// The time for which a claim's note of due sends counts. Where sends wait, a worker claims at least once a
/// minute.
const COUNTS_FOR: Duration = Duration::from_secs(120);

/// The queues with due sends that this worker's last claim left.
#[derive(Default)]
pub(crate) struct LeftSends {
    queues: Mutex<HashMap<QueueNumber, Instant>>,
}

impl LeftSends {
    fn lock(&self) -> MutexGuard<'_, HashMap<QueueNumber, Instant>> {
        // Nothing panics while it holds this lock. Should something panic, the queues are still valid.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claim has left due sends, or none.
    pub(crate) fn note(&self, queue: QueueNumber, sends_left: bool) {
        if sends_left {
            self.lock().insert(queue, Instant::now());
        } else {
            self.lock().remove(&queue);
        }
    }

    fn all(&self) -> BTreeSet<QueueNumber> {
        let mut queues = self.lock();
        queues.retain(|_, noted| noted.elapsed() < COUNTS_FOR);
        queues.keys().copied().collect()
    }
}

/// Ends overdue jobs until `stopped`.
pub(crate) async fn watch(shared: Shared, stopped: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cursors: HashMap<QueueNumber, ScanCursor> = HashMap::new();
    while stopped.run_until_cancelled(rounds.tick()).await.is_some() {
        // If Redis lost a send, a job that Redis calls unsent may have been sent. The worker that made the send must
        // report it first.
        if Instant::now() < shared.redis_health.sends_from() || !shared.journal_check.allows() {
            continue;
        }
        let queues = shared.left.all();
        cursors.retain(|number, _| queues.contains(number));
        for number in queues {
            match look(&shared, number, cursors.remove(&number).unwrap_or_default()).await {
                Ok(Some(cursor)) => drop(cursors.insert(number, cursor)),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error = %error.chain(), queue = %shared.queues.get(number).queue, "deadlines could not be checked");
                }
            }
        }
    }
}

/// One page of a queue; where the next one begins.
async fn look(shared: &Shared, number: QueueNumber, from: ScanCursor) -> Result<Option<ScanCursor>, StoreError> {
    // A removed account's jobs are no longer this worker's.
    let Some(served) = shared.queues.current(number) else { return Ok(None) };
    let Some(now) = shared.memory.clock() else { return Ok(None) };
    let page = shared.store.due_sends(&served.queue, &from, due_before(now), MAX_STEP).await?;
    for job in page.jobs {
        match job {
            StoredAs::Job(record) => end_if_overdue(shared, &served, &record, now).await?,
            StoredAs::Unreadable { .. } => {} // the claim that takes it says so
        }
    }
    Ok(page.next)
}

async fn end_if_overdue(
    shared: &Shared,
    served: &ServedQueue,
    record: &JobRecord,
    now: Millis,
) -> Result<(), StoreError> {
    let queue = &served.queue;
    let next_day = record.content.as_ref().is_some_and(|content| ContentSummary::of(queue.kind, content).next_day);
    let Some(next) = overdue(&record.progress(next_day), &served.policy, now) else { return Ok(()) };
    if !matches!(next.state, State::Failed | State::NeedsReview) || !shared.store.end_overdue(record, &next).await? {
        return Ok(()); // it has moved on
    }
    let reason = next.reason.map(|reason| reason.to_string()).unwrap_or_default();
    served.metrics().committed(next.state);
    if next.state == State::NeedsReview {
        tracing::error!(%queue, key = %record.key, reason, "needs review");
    } else {
        tracing::info!(%queue, key = %record.key, reason, "failed");
    }
    Ok(())
}

fn due_before(now: Millis) -> Millis {
    Millis(now.0.saturating_sub(u64::try_from(LEFT_TO_CLAIMS.as_millis()).unwrap_or(u64::MAX)))
}
