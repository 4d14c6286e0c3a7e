//! Periodic retention of every queue: the details of jobs that ended long ago are reduced, a little at a time, and
//! overlooked queues are found.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Queue;
use bursar_store::{MAX_BATCH, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::queues::{QueueNumber, Queues, ServedQueue};

/// The shortest and the longest time between visits of a queue. Jobs that end from now on are kept for the whole
/// retention, so the next visit is when the oldest ended job may go, and idle queues cost Redis next to nothing.
const LOOKS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3600));

/// Queues that are visited together.
const QUEUES_AT_ONCE: usize = 500;

/// Jobs reduced in one call: a millisecond or two of Redis.
const PER_CALL: usize = MAX_BATCH / 5;

/// Purges every queue until `stopped`; the first time at once. The queue of an added account has its first visit within a minute.
pub(crate) async fn purge(store: Store, settings: Arc<Settings>, queues: Arc<Queues>, stopped: CancellationToken) {
    let mut looks: BTreeSet<(Instant, QueueNumber)> = BTreeSet::new();
    let mut scheduled: BTreeSet<QueueNumber> = BTreeSet::new();
    loop {
        let now = Instant::now();
        looks
            .extend(queues.served().into_iter().filter(|number| scheduled.insert(*number)).map(|number| (now, number)));
        let due: Vec<(Instant, QueueNumber)> =
            looks.iter().take_while(|(at, _)| *at <= now).take(QUEUES_AT_ONCE).copied().collect();
        for look in &due {
            looks.remove(look);
        }
        let (numbers, removed): (Vec<QueueNumber>, Vec<QueueNumber>) =
            due.into_iter().map(|(_, number)| number).partition(|number| queues.current(*number).is_some());
        for number in removed {
            scheduled.remove(&number);
        }
        let kept = look_at_all(&store, &queues, &numbers, settings.retention).await;
        for (number, kept) in numbers.into_iter().zip(kept) {
            let wait =
                if kept.is_zero() { reduce(&store, &queues.get(number), settings.retention).await } else { kept };
            looks.insert((Instant::now() + wait.clamp(LOOKS.0, LOOKS.1), number));
        }
        let next = looks.first().map_or(now + LOOKS.0, |(at, _)| (*at).min(now + LOOKS.0));
        if stopped.run_until_cancelled(tokio::time::sleep_until(next)).await.is_none() {
            return;
        }
    }
}

/// The remaining retention of each queue's oldest ended job. A queue with a key that cannot be read does not prevent
/// the others.
async fn look_at_all(store: &Store, queues: &Queues, numbers: &[QueueNumber], retention: Duration) -> Vec<Duration> {
    let later = |error: &StoreError, numbers: &[QueueNumber]| {
        let first = numbers.first().map(|number| queues.get(*number).queue.to_string());
        tracing::warn!(error = %error.chain(), queue = first, queues = numbers.len(), "could not be reduced; trying again in a minute");
        vec![LOOKS.0; numbers.len()]
    };
    if numbers.is_empty() {
        return Vec::new();
    }
    match look(store, queues, numbers, retention).await {
        Ok(kept) => kept,
        Err(error) if error.is_repeatable() || numbers.len() == 1 => later(&error, numbers),
        Err(_) => {
            let mut kept = Vec::with_capacity(numbers.len());
            for number in numbers.chunks(1) {
                let looked = look(store, queues, number, retention).await;
                kept.extend(looked.unwrap_or_else(|error| later(&error, number)));
            }
            kept
        }
    }
}

/// The remaining retention of each queue's oldest ended job. Due work that no worker would look for is announced.
async fn look(
    store: &Store,
    queues: &Queues,
    numbers: &[QueueNumber],
    retention: Duration,
) -> Result<Vec<Duration>, StoreError> {
    let named: Vec<Queue> = numbers.iter().map(|number| queues.get(*number).queue.clone()).collect();
    for queue in store.find_overlooked(&named).await? {
        tracing::error!(%queue, "due work of this queue was not in Redis's ready set: it is claimed now");
    }
    let now = store.now().await?;
    let oldest = store.oldest_ended(&named).await?;
    let kept = oldest.into_iter().map(|ended| ended.unwrap_or(now).plus(retention).since(now));
    Ok(kept.collect())
}

/// Reduces the jobs whose retention has passed; returns the remaining time of the rest.
async fn reduce(store: &Store, served: &ServedQueue, retention: Duration) -> Duration {
    let queue = &served.queue;
    loop {
        let purged = match is_ours(store, served).await {
            Ok(true) => store.purge_step(queue, retention, PER_CALL).await,
            Ok(false) => return LOOKS.0,
            Err(error) => Err(error),
        };
        match purged {
            // Jobs that wait for the archive may be before others that do not: it goes on while there is progress.
            Ok(purged) if !purged.is_full || purged.reduced == 0 => return LOOKS.0,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                tracing::warn!(error = %error.chain(), %queue, "ended jobs could not be reduced; trying again in a minute");
                return LOOKS.0;
            }
        }
    }
}

/// True if the queue's jobs belong to this worker's gateway. A queue in which nothing is due has had no claim to find
/// that out.
async fn is_ours(store: &Store, served: &ServedQueue) -> Result<bool, StoreError> {
    if served.is_foreign() {
        return Ok(false);
    }
    let gateway = store.gateway(&served.queue).await?;
    Ok(served.identity.is_empty() || gateway.is_none_or(|gateway| gateway == served.identity))
}
