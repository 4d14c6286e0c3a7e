//! Values that are read from Redis at each scrape.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bursar_domain::{AccountName, Fen, Queue};
use bursar_store::{
    BalanceStatus, DeliveryStatus, ImportStatus, OpenProposal, Origin, QueueDemand, QueueStatus, Store, StoreError,
    Workers,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::demand::{Scaling, Startable};
use crate::written::written;

/// For so long an answer is given again: many scrapers must cost Redis no more than one.
const KEPT: Duration = Duration::from_secs(1);

/// A scrape waits for Redis no longer: Prometheus itself gives up after 10 s.
const REDIS_TIMEOUT: Duration = Duration::from_secs(3);

/// The parts of Redis to read.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Queues.
    pub queues: Vec<Queue>,
    /// The origins of webhook deliveries.
    pub origins: Vec<Origin>,
    /// Queues of apalis-redis.
    pub import_queues: Vec<String>,
    /// The balances that the gateway is queried for.
    pub balances: Vec<WatchedBalance>,
    /// The limits by which wanted workers are counted.
    pub scaling: Scaling,
}

/// A balance that the gateway is queried for.
#[derive(Clone, Debug)]
pub struct WatchedBalance {
    /// The account.
    pub account: AccountName,
    /// The sub-type.
    pub sub_type: &'static str,
    /// The interval between queries.
    pub every: Duration,
    /// Below so much its available part is low.
    pub low: Option<Fen>,
}

/// Reads the values and caches them for a second.
#[derive(Debug)]
pub struct Stored {
    store: Store,
    places: RwLock<Arc<Places>>,
    last: Mutex<Option<(Instant, String)>>,
}

/// Everything as it was read. A part that was not read is empty.
pub(crate) struct Read<'a> {
    /// True if every part was read.
    pub(crate) complete: bool,
    pub(crate) queues: Vec<(&'a Queue, QueueStatus)>,
    pub(crate) in_doubt: Vec<(&'a Queue, usize)>,
    /// The work of each queue that has any, and the workers that it wants.
    pub(crate) demand: Option<(Vec<(&'a Queue, Startable)>, u64)>,
    pub(crate) unserved: Vec<(Queue, QueueStatus)>,
    pub(crate) workers: Workers,
    pub(crate) proposals: Vec<OpenProposal>,
    pub(crate) origins: Vec<(&'a Origin, DeliveryStatus)>,
    pub(crate) import_queues: Vec<(&'a str, ImportStatus)>,
    pub(crate) balances: Vec<(&'a WatchedBalance, BalanceStatus)>,
}

impl Stored {
    /// Of these places.
    #[must_use]
    pub fn new(store: Store, places: Places) -> Self {
        Self { store, places: RwLock::new(Arc::new(places)), last: Mutex::default() }
    }

    /// Reads these places from the next scrape on.
    pub fn replace(&self, places: Places) {
        // Nothing panics while it holds this lock.
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(places);
    }

    /// True if Redis answers.
    pub(crate) async fn answers(&self) -> bool {
        matches!(timeout(REDIS_TIMEOUT, self.store.ping()).await, Ok(Ok(())))
    }

    /// The Prometheus text. If Redis does not answer in time, it has [`names::REDIS_UP`](crate::names::REDIS_UP) and
    /// the metric that marks the rest as missing.
    pub(crate) async fn text(&self) -> String {
        let mut last = self.last.lock().await;
        if let Some((at, text)) = last.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            tracing::trace!(age_ms = at.elapsed().as_millis(), "the queues' values of the last scrape are repeated");
            return text.clone();
        }
        let by = Instant::now() + REDIS_TIMEOUT;
        let text = if self.answers().await {
            let places = Arc::clone(&self.places.read().unwrap_or_else(PoisonError::into_inner));
            written(Some(&self.read(&places, by).await))
        } else {
            tracing::warn!("the metrics from Redis are missing: it does not answer");
            written(None)
        };
        *last = Some((Instant::now(), text.clone()));
        text
    }

    /// Reads part by part. A part that fails, or for which no time is left, does not prevent the others.
    async fn read<'a>(&self, places: &'a Places, by: Instant) -> Read<'a> {
        let store = &self.store;
        let queues = within(by, "queues", store.statuses(&places.queues)).await;
        let unserved = within(by, "queues that no worker serves", store.unserved_queues(&places.queues)).await;
        let workers = within(by, "workers", store.workers()).await;
        let proposals = within(by, "proposals", store.proposals(&places.queues)).await;
        let origins = within(by, "webhooks", store.delivery_statuses(&places.origins)).await;
        let import_queues = within(by, "queues of apalis-redis", store.import_statuses(&places.import_queues)).await;
        let watched: Vec<(&AccountName, &str)> =
            places.balances.iter().map(|balance| (&balance.account, balance.sub_type)).collect();
        let balances = within(by, "balances", store.balances(&watched)).await;
        let queues: Option<Vec<(&Queue, QueueStatus)>> =
            queues.map(|statuses| places.queues.iter().zip(statuses).collect());
        // The in-doubt jobs come last because they cost most: their records are read, not only counted.
        let in_doubt = match &queues {
            Some(queues) => within(by, "jobs in doubt", in_doubt(store, queues)).await,
            None => None,
        };
        let demand = match &queues {
            Some(queues) => within(by, "due jobs", demand(store, &places.scaling, queues)).await,
            None => None,
        };
        let complete = queues.is_some()
            && unserved.is_some()
            && workers.is_some()
            && proposals.is_some()
            && origins.is_some()
            && import_queues.is_some()
            && balances.is_some()
            && in_doubt.is_some()
            && demand.is_some();
        Read {
            complete,
            queues: queues.unwrap_or_default(),
            in_doubt: in_doubt.unwrap_or_default(),
            demand,
            unserved: unserved.unwrap_or_default(),
            workers: workers.unwrap_or_default(),
            proposals: proposals.unwrap_or_default(),
            origins: places.origins.iter().zip(origins.unwrap_or_default()).collect(),
            import_queues: places
                .import_queues
                .iter()
                .map(String::as_str)
                .zip(import_queues.unwrap_or_default())
                .collect(),
            balances: places.balances.iter().zip(balances.unwrap_or_default()).collect(),
        }
    }
}

/// The queues with jobs that wait.
fn waiting<'a, 'b>(queues: &'b [(&'a Queue, QueueStatus)]) -> impl Iterator<Item = &'b (&'a Queue, QueueStatus)> {
    queues.iter().filter(|(_, status)| status.counts.to_send + status.counts.to_query > 0)
}

/// The work that could begin now in each queue with waiting jobs, and the workers that all of it wants.
async fn demand<'a>(
    store: &Store,
    scaling: &Scaling,
    queues: &[(&'a Queue, QueueStatus)],
) -> Result<(Vec<(&'a Queue, Startable)>, u64), StoreError> {
    let waiting: Vec<&(&Queue, QueueStatus)> = waiting(queues).collect();
    let queues: Vec<Queue> = waiting.iter().map(|(queue, _)| (*queue).clone()).collect();
    let demands: Vec<QueueDemand> = store.demands(&queues).await?;
    let found: Vec<(&Queue, Startable)> = waiting
        .into_iter()
        .zip(demands)
        .map(|((queue, status), demand)| (*queue, scaling.startable(queue, status, &demand)))
        .collect();
    let wanted = scaling.workers_wanted(found.iter().map(|(_, startable)| startable));
    Ok((found, wanted))
}

/// The number of in-doubt jobs of each queue that may have any.
async fn in_doubt<'a>(
    store: &Store,
    queues: &[(&'a Queue, QueueStatus)],
) -> Result<Vec<(&'a Queue, usize)>, StoreError> {
    let waiting: Vec<&Queue> = waiting(queues).map(|(queue, _)| *queue).collect();
    let queues: Vec<Queue> = waiting.iter().copied().cloned().collect();
    let counts = store.in_doubt_of(&queues).await?;
    Ok(waiting.into_iter().zip(counts).collect())
}

/// One part; nothing when it could not be read by then, which is said.
async fn within<T>(by: Instant, what: &str, read: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    match timeout_at(by, read).await {
        Ok(Ok(read)) => Some(read),
        Ok(Err(error)) => {
            tracing::warn!(error = %error.chain(), "the metrics of {what} are missing");
            None
        }
        Err(_) => {
            tracing::warn!("the metrics of {what} are missing: there was no time to read them");
            None
        }
    }
}
