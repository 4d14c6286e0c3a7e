//! What Redis knows of the lanes, read when somebody scrapes.

use std::time::Duration;

use bursar_domain::{Call, Lane, Millis};
use bursar_store::{CallbackStatus, LaneStatus, Origin, QueueStatus, Store, StoreError};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::families::register;
use crate::names::{self, Metric};

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
}

/// Reads them, and remembers for a second what it read.
#[derive(Debug)]
pub struct Stored {
    store: Store,
    places: Places,
    last: Mutex<Option<(Instant, String)>>,
}

/// Everything as it was read.
struct Read<'a> {
    lanes: Vec<ReadLane<'a>>,
    origins: Vec<(&'a Origin, CallbackStatus)>,
    queues: Vec<(&'a str, QueueStatus)>,
}

struct ReadLane<'a> {
    lane: &'a Lane,
    status: LaneStatus,
    in_doubt: usize,
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
        Ok(Read { lanes, origins, queues })
    }
}

/// Seconds since something came about or was due; 0 when nothing has.
fn age(since: Option<Millis>, now: Millis) -> f64 {
    since.map_or(Duration::ZERO, |since| now.since(since)).as_secs_f64()
}

/// One family of the page.
struct Column<G>(Metric, Family<Vec<(&'static str, String)>, G>);

impl<G: Default + Clone + Put> Column<G> {
    fn new(metric: Metric) -> Self {
        Self(metric, Family::default())
    }

    fn put<const N: usize>(&self, values: [&str; N], number: G::Number) {
        let labels = self.0.labels.iter().copied().zip(values.map(str::to_owned)).collect();
        self.1.get_or_create(&labels).put(number);
    }
}

type Whole = Gauge;
type Fraction = Gauge<f64, std::sync::atomic::AtomicU64>;

/// A gauge that takes its number.
trait Put {
    type Number;
    fn put(&self, number: Self::Number);
}

impl Put for Whole {
    type Number = u64;
    fn put(&self, number: u64) {
        self.set(i64::try_from(number).unwrap_or(i64::MAX));
    }
}

impl Put for Fraction {
    type Number = f64;
    fn put(&self, number: f64) {
        self.set(number);
    }
}

fn written(read: Option<&Read<'_>>) -> String {
    let (up, jobs, in_doubt) = (
        Column::<Whole>::new(names::REDIS_UP),
        Column::<Whole>::new(names::JOBS),
        Column::<Whole>::new(names::IN_DOUBT),
    );
    let (due_age, paused, orphans) = (
        Column::<Fraction>::new(names::DUE_AGE),
        Column::<Whole>::new(names::PAUSED),
        Column::<Whole>::new(names::ORPHANS),
    );
    let (waiting, aside) = (Column::<Whole>::new(names::INTAKE_WAITING), Column::<Whole>::new(names::INTAKE_ASIDE));
    up.put([], u64::from(read.is_some()));
    for ReadLane { lane, status, in_doubt: doubted } in read.into_iter().flat_map(|read| &read.lanes) {
        let lane = lane.to_string();
        let places =
            [("to_send", status.to_send), ("to_ask", status.to_ask), ("review", status.review), ("done", status.done)];
        for (place, count) in places {
            jobs.put([&lane, place], count);
        }
        in_doubt.put([&lane], u64::try_from(*doubted).unwrap_or(u64::MAX));
        due_age.put([&lane, Call::Send.as_str()], age(status.next_send, status.now));
        due_age.put([&lane, Call::Ask.as_str()], age(status.next_ask, status.now));
        paused.put([&lane], u64::from(status.paused.is_some()));
        orphans.put([&lane], status.orphans);
    }
    for (queue, status) in read.into_iter().flat_map(|read| &read.queues) {
        waiting.put([queue], status.waiting);
        aside.put([queue], status.kept_aside);
    }
    let untold = Column::<Whole>::new(names::CALLBACKS_WAITING);
    let (tell_age, tried_age) =
        (Column::<Fraction>::new(names::CALLBACK_DUE_AGE), Column::<Fraction>::new(names::CALLBACK_TRIED_AGE));
    for (origin, status) in read.into_iter().flat_map(|read| &read.origins) {
        let origin = origin.to_string();
        untold.put([&origin], status.waiting);
        tell_age.put([&origin], age(status.next_due, status.now));
        tried_age.put([&origin], age(status.first_tried, status.now));
    }
    let mut registry = Registry::default();
    for Column(metric, family) in [up, jobs, in_doubt, paused, orphans, untold, waiting, aside] {
        register(&mut registry, metric, family);
    }
    for Column(metric, family) in [due_age, tell_age, tried_age] {
        register(&mut registry, metric, family);
    }
    let mut text = String::new();
    // Only a writer can fail, and a text does not.
    prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).ok();
    text
}
