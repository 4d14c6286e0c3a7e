//! Retention: the detail of jobs that ended long ago is reduced, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use bursar_store::{MAX_BATCH, Store};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::lanes::Lanes;

/// How often a lane is looked at when nothing was left over from the last look; the first time at once.
const ROUND: Duration = Duration::from_secs(60);

/// Jobs reduced in one call: a millisecond or two of Redis.
const PER_CALL: usize = MAX_BATCH / 5;

/// Purges every lane until `stopped`.
pub(crate) async fn purge(store: Store, settings: Arc<Settings>, lanes: Arc<Lanes>, stopped: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopped.run_until_cancelled(rounds.tick()).await.is_some() {
        for number in lanes.numbers() {
            let served = lanes.get(number);
            let lane = &served.lane;
            while !served.is_foreign() {
                match store.purge(lane, settings.retention, PER_CALL).await {
                    Ok(reduced) if reduced < PER_CALL => break,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => {
                        tracing::warn!(error = %error.chain(), %lane, "ended jobs could not be reduced; trying again in a minute");
                        break;
                    }
                }
            }
        }
    }
}
