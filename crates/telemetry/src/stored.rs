//! What Redis knows of the lanes, read when somebody scrapes.

use std::time::Duration;

use bursar_domain::{AccountName, Fen, Lane};
use bursar_store::{BalanceStatus, CallbackStatus, LaneStatus, Origin, QueueStatus, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::written::written;

/// For so long an answer is given again: many scrapers must cost Redis no more than one.
const KEPT: Duration = Duration::from_secs(1);

/// A scrape waits for Redis no longer: Prometheus itself gives up after 10 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where in Redis it is looked.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Lanes.
    pub lanes: Vec<Lane>,
    /// Whose events are told.
    pub origins: Vec<Origin>,
    /// Queues of apalis-redis.
    pub queues: Vec<String>,
    /// Balances that are asked for.
    pub balances: Vec<WatchedBalance>,
}

/// A balance that is asked for.
#[derive(Clone, Debug)]
pub struct WatchedBalance {
    /// Whose.
    pub account: AccountName,
    /// Which.
    pub sub_type: &'static str,
    /// How often.
    pub every: Duration,
    /// Below so much its available part is low.
    pub low: Option<Fen>,
}

/// Reads them, and remembers for a second what it read.
#[derive(Debug)]
pub struct Stored {
    store: Store,
    places: Places,
    last: Mutex<Option<(Instant, String)>>,
}

/// Everything as it was read.
pub(crate) struct Read<'a> {
    pub(crate) lanes: Vec<ReadLane<'a>>,
    pub(crate) unserved: Vec<(Lane, LaneStatus)>,
    pub(crate) origins: Vec<(&'a Origin, CallbackStatus)>,
    pub(crate) queues: Vec<(&'a str, QueueStatus)>,
    pub(crate) balances: Vec<(&'a WatchedBalance, BalanceStatus)>,
}

pub(crate) struct ReadLane<'a> {
    pub(crate) lane: &'a Lane,
    pub(crate) status: LaneStatus,
    pub(crate) in_doubt: usize,
}

impl Stored {
    /// Of these places.
    #[must_use]
    pub fn new(store: Store, places: Places) -> Self {
        Self { store, places, last: Mutex::default() }
    }

    /// Whether Redis answers.
    pub(crate) async fn answers(&self) -> bool {
        matches!(timeout(PATIENCE, self.store.ping()).await, Ok(Ok(())))
    }

    /// What Prometheus reads; [`names::REDIS_UP`] alone when Redis does not answer in time.
    pub(crate) async fn text(&self) -> String {
        let mut last = self.last.lock().await;
        if let Some((at, text)) = last.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            tracing::trace!(age_ms = at.elapsed().as_millis(), "what was read of the lanes is told again");
            return text.clone();
        }
        let read = timeout(PATIENCE, self.read()).await;
        let text = match &read {
            Ok(Ok(read)) => written(Some(read)),
            Ok(Err(error)) => {
                tracing::warn!(error = %error.chain(), "the metrics are without what Redis knows");
                written(None)
            }
            Err(_) => {
                tracing::warn!("the metrics are without what Redis knows: it did not answer in time");
                written(None)
            }
        };
        *last = Some((Instant::now(), text.clone()));
        text
    }

    async fn read(&self) -> Result<Read<'_>, StoreError> {
        let places = &self.places;
        let mut lanes = Vec::with_capacity(places.lanes.len());
        for lane in &places.lanes {
            let (status, in_doubt) = (self.store.lane_status(lane).await?, self.store.in_doubt(lane).await?);
            lanes.push(ReadLane { lane, status, in_doubt });
        }
        let mut origins = Vec::with_capacity(places.origins.len());
        for origin in &places.origins {
            origins.push((origin, self.store.callback_status(origin).await?));
        }
        let mut queues = Vec::with_capacity(places.queues.len());
        for queue in &places.queues {
            queues.push((queue.as_str(), self.store.queue_status(queue).await?));
        }
        let mut balances = Vec::with_capacity(places.balances.len());
        for balance in &places.balances {
            balances.push((balance, self.store.balance(&balance.account, balance.sub_type).await?));
        }
        let unserved = self.store.unserved_lanes(&places.lanes).await?;
        Ok(Read { lanes, unserved, origins, queues, balances })
    }
}
