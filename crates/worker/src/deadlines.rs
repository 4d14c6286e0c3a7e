//! Deadlines of jobs that wait to be sent where nothing is sent: in a paused lane, behind an open circuit, while Redis is not fit for
//! money. A claim looks at none of them, so this does.

use std::collections::HashMap;
use std::time::Duration;

use bursar_domain::{Millis, State, Subject, overdue};
use bursar_store::{MAX_STEP, StoreError};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::lanes::LaneNumber;
use crate::shared::Shared;

/// The pause between looks. A look reads one page of each lane, so that a long queue costs Redis no more than a short one.
const ROUND: Duration = Duration::from_secs(5);

/// How long a job has been due before its deadline is looked at here: where sends go on, claims take it within this time.
const LEFT_TO_CLAIMS: Duration = Duration::from_secs(5);

/// Ends what is overdue until `stopped`.
pub(crate) async fn watch(shared: Shared, stopped: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut places: HashMap<LaneNumber, (u64, String)> = HashMap::new();
    while stopped.run_until_cancelled(rounds.tick()).await.is_some() {
        // Should Redis have lost a send, what it calls never sent may have been: who knows of that is to speak first.
        if Instant::now() < shared.trouble.sends_from() || !shared.guard.allows() {
            continue;
        }
        for number in shared.lanes.numbers() {
            match look(&shared, number, places.remove(&number)).await {
                Ok(Some(place)) => drop(places.insert(number, place)),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error = %error.chain(), lane = %shared.lanes.get(number).lane, "deadlines could not be looked at");
                }
            }
        }
    }
}

/// One page of a lane; where the next one begins.
async fn look(
    shared: &Shared,
    number: LaneNumber,
    after: Option<(u64, String)>,
) -> Result<Option<(u64, String)>, StoreError> {
    let served = shared.lanes.get(number);
    let lane = &served.lane;
    let Some(now) = shared.memory.clock() else { return Ok(None) };
    let page = shared.store.due_sends(lane, after.as_ref(), due_before(now), MAX_STEP).await?;
    for (record, content) in page.jobs {
        let next_day = content.is_some_and(|content| Subject::of(lane.kind, &content).next_day);
        let Some(next) = overdue(&record.facts(next_day), &served.policy, now) else { continue };
        if !matches!(next.state, State::Failed | State::NeedsReview)
            || !shared.store.end_overdue(&record, &next).await?
        {
            continue; // it has moved on
        }
        let reason = next.reason.map(|reason| reason.to_string()).unwrap_or_default();
        served.metrics.committed(next.state);
        if next.state == State::NeedsReview {
            tracing::error!(%lane, key = %record.key, reason, "needs review");
        } else {
            tracing::info!(%lane, key = %record.key, reason, "failed");
        }
    }
    Ok(page.last)
}

fn due_before(now: Millis) -> Millis {
    Millis(now.0.saturating_sub(u64::try_from(LEFT_TO_CLAIMS.as_millis()).unwrap_or(u64::MAX)))
}
