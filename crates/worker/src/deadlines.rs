//! Deadlines of jobs that wait to be sent where nothing is sent: in a paused lane, behind an open circuit, while Redis is not fit for
//! money. A claim looks at none of them, so this does.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::{Millis, State, Subject, overdue};
use bursar_store::{JobRecord, MAX_STEP, ScanCursor, StoreError, StoredAs};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::lanes::{LaneNumber, ServedLane};
use crate::shared::Shared;

/// The pause between looks. A look reads one page of a lane, so that a long queue costs Redis no more than a short one.
const ROUND: Duration = Duration::from_secs(5);

/// How long a job has been due before its deadline is looked at here: where sends go on, claims take it within this time.
const LEFT_TO_CLAIMS: Duration = Duration::from_secs(5);

/// How long a claim's word counts that it left sends. Where sends wait, a worker claims at least once a minute.
const COUNTS_FOR: Duration = Duration::from_secs(120);

/// The lanes in which sends are due that this worker's last claim left.
#[derive(Default)]
pub(crate) struct LeftSends {
    lanes: Mutex<HashMap<LaneNumber, Instant>>,
}

impl LeftSends {
    fn lock(&self) -> MutexGuard<'_, HashMap<LaneNumber, Instant>> {
        // Nothing panics while it holds the lock; if something did, the lanes are still whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claim has left due sends, or none.
    pub(crate) fn note(&self, lane: LaneNumber, sends_left: bool) {
        if sends_left {
            self.lock().insert(lane, Instant::now());
        } else {
            self.lock().remove(&lane);
        }
    }

    fn all(&self) -> BTreeSet<LaneNumber> {
        let mut lanes = self.lock();
        lanes.retain(|_, noted| noted.elapsed() < COUNTS_FOR);
        lanes.keys().copied().collect()
    }
}

/// Ends what is overdue until `stopped`.
pub(crate) async fn watch(shared: Shared, stopped: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cursors: HashMap<LaneNumber, ScanCursor> = HashMap::new();
    while stopped.run_until_cancelled(rounds.tick()).await.is_some() {
        // Should Redis have lost a send, what it calls never sent may have been: who knows of that is to speak first.
        if Instant::now() < shared.redis_health.sends_from() || !shared.guard.allows() {
            continue;
        }
        let lanes = shared.left.all();
        cursors.retain(|number, _| lanes.contains(number));
        for number in lanes {
            match look(&shared, number, cursors.remove(&number).unwrap_or_default()).await {
                Ok(Some(cursor)) => drop(cursors.insert(number, cursor)),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error = %error.chain(), lane = %shared.lanes.get(number).lane, "deadlines could not be looked at");
                }
            }
        }
    }
}

/// One page of a lane; where the next one begins.
async fn look(shared: &Shared, number: LaneNumber, from: ScanCursor) -> Result<Option<ScanCursor>, StoreError> {
    let served = shared.lanes.get(number);
    let Some(now) = shared.memory.clock() else { return Ok(None) };
    let page = shared.store.due_sends(&served.lane, &from, due_before(now), MAX_STEP).await?;
    for job in page.jobs {
        match job {
            StoredAs::Job(record) => end_if_overdue(shared, served, &record, now).await?,
            StoredAs::Unreadable { .. } => {} // the claim that takes it says so
        }
    }
    Ok(page.next)
}

async fn end_if_overdue(
    shared: &Shared,
    served: &ServedLane,
    record: &JobRecord,
    now: Millis,
) -> Result<(), StoreError> {
    let lane = &served.lane;
    let next_day = record.content.as_ref().is_some_and(|content| Subject::of(lane.kind, content).next_day);
    let Some(next) = overdue(&record.facts(next_day), &served.policy, now) else { return Ok(()) };
    if !matches!(next.state, State::Failed | State::NeedsReview) || !shared.store.end_overdue(record, &next).await? {
        return Ok(()); // it has moved on
    }
    let reason = next.reason.map(|reason| reason.to_string()).unwrap_or_default();
    served.metrics.committed(next.state);
    if next.state == State::NeedsReview {
        tracing::error!(%lane, key = %record.key, reason, "needs review");
    } else {
        tracing::info!(%lane, key = %record.key, reason, "failed");
    }
    Ok(())
}

fn due_before(now: Millis) -> Millis {
    Millis(now.0.saturating_sub(u64::try_from(LEFT_TO_CLAIMS.as_millis()).unwrap_or(u64::MAX)))
}
