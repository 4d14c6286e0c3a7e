//! What is done for every lane now and then: the detail of jobs that ended long ago is reduced, a little at a time, and no lane stays
//! overlooked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Lane;
use bursar_store::{MAX_BATCH, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::lanes::{LaneNumber, Lanes, ServedLane};

/// How soon a lane is looked at again: at the earliest, and at the latest. What ends from now on is kept for the whole retention, so a
/// lane is looked at when its oldest ended job may go, and idle lanes cost Redis next to nothing.
const LOOKS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3600));

/// Lanes that are looked at together.
const LANES_AT_ONCE: usize = 500;

/// Jobs reduced in one call: a millisecond or two of Redis.
const PER_CALL: usize = MAX_BATCH / 5;

/// Purges every lane until `stopped`; the first time at once.
pub(crate) async fn purge(store: Store, settings: Arc<Settings>, lanes: Arc<Lanes>, stopped: CancellationToken) {
    let now = Instant::now();
    let mut looks: BTreeSet<(Instant, LaneNumber)> = lanes.numbers().map(|number| (now, number)).collect();
    while let Some((first, _)) = looks.first().copied() {
        if stopped.run_until_cancelled(tokio::time::sleep_until(first)).await.is_none() {
            return;
        }
        let now = Instant::now();
        let due: Vec<(Instant, LaneNumber)> =
            looks.iter().take_while(|(at, _)| *at <= now).take(LANES_AT_ONCE).copied().collect();
        let numbers: Vec<LaneNumber> = due.iter().map(|(_, number)| *number).collect();
        for look in &due {
            looks.remove(look);
        }
        let kept = look_at_all(&store, &lanes, &numbers, settings.retention).await;
        for (number, kept) in numbers.into_iter().zip(kept) {
            let wait = if kept.is_zero() { reduce(&store, lanes.get(number), settings.retention).await } else { kept };
            looks.insert((Instant::now() + wait.clamp(LOOKS.0, LOOKS.1), number));
        }
    }
    stopped.cancelled().await;
}

/// How long each lane's oldest ended job is still kept. A lane with a key that cannot be read keeps no other from being looked at.
async fn look_at_all(store: &Store, lanes: &Lanes, numbers: &[LaneNumber], retention: Duration) -> Vec<Duration> {
    let later = |error: &StoreError, numbers: &[LaneNumber]| {
        let first = numbers.first().map(|number| lanes.get(*number).lane.to_string());
        tracing::warn!(error = %error.chain(), lane = first, lanes = numbers.len(), "could not be looked after; trying again in a minute");
        vec![LOOKS.0; numbers.len()]
    };
    match look(store, lanes, numbers, retention).await {
        Ok(kept) => kept,
        Err(error) if error.is_repeatable() || numbers.len() == 1 => later(&error, numbers),
        Err(_) => {
            let mut kept = Vec::with_capacity(numbers.len());
            for number in numbers.chunks(1) {
                let looked = look(store, lanes, number, retention).await;
                kept.extend(looked.unwrap_or_else(|error| later(&error, number)));
            }
            kept
        }
    }
}

/// How long each lane's oldest ended job is still kept. Something due that no worker would look for is said to be there.
async fn look(
    store: &Store,
    lanes: &Lanes,
    numbers: &[LaneNumber],
    retention: Duration,
) -> Result<Vec<Duration>, StoreError> {
    let named: Vec<Lane> = numbers.iter().map(|number| lanes.get(*number).lane.clone()).collect();
    for lane in store.find_overlooked(&named).await? {
        tracing::error!(%lane, "something is due in this lane, and Redis did not call it ready: it is claimed now");
    }
    let now = store.now().await?;
    let oldest = store.oldest_ended(&named).await?;
    let kept = oldest.into_iter().map(|ended| ended.unwrap_or(now).plus(retention).since(now));
    Ok(kept.collect())
}

/// Reduces what has been kept for long enough; how long the rest may wait.
async fn reduce(store: &Store, served: &ServedLane, retention: Duration) -> Duration {
    let lane = &served.lane;
    loop {
        let purged = match is_ours(store, served).await {
            Ok(true) => store.purge(lane, retention, PER_CALL).await,
            Ok(false) => return LOOKS.0,
            Err(error) => Err(error),
        };
        match purged {
            Ok(reduced) if reduced < PER_CALL => return LOOKS.0,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                tracing::warn!(error = %error.chain(), %lane, "ended jobs could not be reduced; trying again in a minute");
                return LOOKS.0;
            }
        }
    }
}

/// Whether the lane's jobs are for this worker's gateway. No claim has told so of a lane in which nothing is due.
async fn is_ours(store: &Store, served: &ServedLane) -> Result<bool, StoreError> {
    if served.is_foreign() {
        return Ok(false);
    }
    let gateway = store.gateway(&served.lane).await?;
    Ok(served.identity.is_empty() || gateway.is_none_or(|gateway| gateway == served.identity))
}
