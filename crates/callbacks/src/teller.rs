//! Takes what is due to be told, as much as can be told at once, and records what became of it.
//!
//! It sleeps until something is due that it knows of, a message names an origin, or an attempt has ended.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{Delivery, DeliveryError, DeliveryOutcome, Millis};
use bursar_store::{Callback, Callbacks, Happened, Origin, Store, StoreError, Telling, ToldOrNot, Wakes, crash_point};
use bursar_telemetry::{OriginMetrics, Role, Span, Told, Traces};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::hosts::Hosts;
use crate::message::Message;
use crate::post::{Heard, Post};
use crate::{Secrets, Settings, SettingsError, Telemetry, schedule};

/// How often an origin is looked at in which nothing is known to be due: a message may have been lost.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long after a failure of Redis it is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// A lease is this many times an attempt's timeout: an attempt begins within one, and ends within the next.
const LEASE_TIMEOUTS: u32 = 3;

/// Tells until it is told to end.
pub struct Teller {
    store: Store,
    post: Post,
    settings: Arc<Settings>,
    telemetry: Telemetry,
    secrets: SecretsInUse,
    looks: Vec<Look>,
    hosts: Hosts,
    under_way: JoinSet<Ended>,
    trouble: bool,
}

/// What a teller signs with, for whoever changes it while it tells.
#[derive(Clone, Debug)]
pub struct SecretsInUse(watch::Sender<Secrets>);

impl SecretsInUse {
    /// Signs with these from the next attempt on, also what was tried before.
    pub fn replace(&self, secrets: Secrets) {
        self.0.send_replace(secrets);
    }
}

/// When an origin is looked at next.
struct Look {
    origin: Origin,
    metrics: Arc<OriginMetrics>,
    at: Instant,
}

/// One event that was taken: to whom, and until when its attempt may begin.
struct Taken {
    origin: Origin,
    metrics: Arc<OriginMetrics>,
    callback: Callback,
    host: String,
    begin_by: Instant,
    clock: RedisClock,
}

/// What an attempt came to.
struct Ended {
    origin: Origin,
    host: String,
    lasted: Duration,
}

/// Redis time, carried on by the monotonic clock.
#[derive(Clone, Copy)]
struct RedisClock {
    at: Millis,
    seen: Instant,
}

impl RedisClock {
    fn now(self) -> Millis {
        self.at.plus(self.seen.elapsed())
    }
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Teller").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Teller {
    /// Tells what comes about in `origins`.
    ///
    /// # Errors
    /// [`SettingsError`] for an authority that cannot be used.
    pub fn new(
        settings: Settings,
        telemetry: Telemetry,
        store: Store,
        origins: Vec<Origin>,
    ) -> Result<Self, SettingsError> {
        if settings.secrets.is_empty() {
            tracing::warn!("callbacks are not signed: callbacks.secrets_file names nothing to sign them with");
        }
        let now = Instant::now();
        let look = |origin| Look { metrics: Arc::new(telemetry.metrics.origin(&origin)), origin, at: now };
        let (secrets, in_use) = watch::channel(settings.secrets.clone());
        Ok(Self {
            post: Post::new(&settings, in_use)?,
            secrets: SecretsInUse(secrets),
            hosts: Hosts::new(settings.concurrency),
            settings: Arc::new(settings),
            looks: origins.into_iter().map(look).collect(),
            telemetry,
            under_way: JoinSet::new(),
            trouble: false,
            store,
        })
    }

    /// What it signs with.
    #[must_use]
    pub fn secrets(&self) -> SecretsInUse {
        self.secrets.clone()
    }

    /// Tells until `drain`; what is under way then is finished.
    pub async fn run(mut self, drain: CancellationToken) {
        let mut wakes = None;
        while !drain.is_cancelled() {
            if wakes.is_none() {
                wakes = self.store.callback_wakes().await.ok();
                self.look_everywhere();
            }
            self.look().await;
            let next = self.next_look();
            tokio::select! {
                () = drain.cancelled() => {}
                named = named(&mut wakes) => match named {
                    Some(origin) => self.look_at(&origin, Instant::now()),
                    None => wakes = None,
                },
                Some(ended) = self.under_way.join_next() => self.leave(ended.ok()),
                () = sleep_until(next) => {}
            }
        }
        // Each attempt has its timeout, and gives up recording when its lease ends.
        while let Some(ended) = self.under_way.join_next().await {
            self.leave(ended.ok());
        }
    }

    fn free(&self) -> usize {
        self.settings.concurrency.saturating_sub(self.under_way.len())
    }

    fn next_look(&self) -> Instant {
        let next = self.looks.iter().map(|look| look.at).min();
        let later = Instant::now() + LOOK_AGAIN;
        // With every place taken, the end of an attempt is what is waited for.
        if self.free() == 0 { later } else { next.unwrap_or(later) }
    }

    fn look_everywhere(&mut self) {
        let now = Instant::now();
        self.looks.iter_mut().for_each(|look| look.at = now);
    }

    fn look_at(&mut self, origin: &Origin, at: Instant) {
        if let Some(look) = self.looks.iter_mut().find(|look| look.origin == *origin) {
            look.at = look.at.min(at);
        }
    }

    fn leave(&mut self, ended: Option<Ended>) {
        let Some(Ended { origin, host, lasted }) = ended else { return };
        self.hosts.leave(&host, lasted);
        self.look_at(&origin, Instant::now()); // what is behind it is due
    }

    /// Takes what is due in every origin whose time has come, as long as places are free; the one longest due first.
    async fn look(&mut self) {
        self.looks.sort_by_key(|look| look.at);
        for index in 0..self.looks.len() {
            let free = self.free();
            if free == 0 || self.looks[index].at > Instant::now() {
                return;
            }
            let origin = self.looks[index].origin.clone();
            let asked = Instant::now();
            let lease = self.settings.timeout * LEASE_TIMEOUTS;
            match self.store.claim_callbacks(&origin, lease, free).await {
                Ok(callbacks) => {
                    self.trouble = false;
                    self.looks[index].at = next_look(&callbacks, free);
                    self.begin(index, callbacks, asked).await;
                }
                Err(error) => {
                    self.noticed(&error);
                    self.looks[index].at = Instant::now() + PAUSE;
                }
            }
        }
    }

    fn noticed(&mut self, error: &StoreError) {
        if !self.trouble {
            tracing::warn!("callbacks wait for Redis: {}", error.chain());
        }
        self.trouble = true;
    }

    async fn begin(&mut self, index: usize, callbacks: Callbacks, asked: Instant) {
        let (origin, metrics) = (self.looks[index].origin.clone(), Arc::clone(&self.looks[index].metrics));
        let clock = RedisClock { at: callbacks.now, seen: Instant::now() };
        let mut put_off = Vec::new();
        for callback in callbacks.due {
            let host = Url::parse(&callback.url).map(|url| host_of(&url)).unwrap_or_default();
            if let Err(wait) = self.hosts.enter(&host, Instant::now()) {
                let telling = Telling::PutOff(clock.now().plus(wait));
                put_off.push(ToldOrNot { key: callback.key, fence: callback.fence, telling, delivery: None });
                continue;
            }
            let begin_by = asked + self.settings.timeout;
            let (origin, metrics) = (origin.clone(), Arc::clone(&metrics));
            let taken = Taken { origin, metrics, callback, host, begin_by, clock };
            let (post, traces) = (self.post.clone(), self.telemetry.traces.clone());
            self.under_way.spawn(attempt(self.store.clone(), post, traces, Arc::clone(&self.settings), taken));
        }
        if let Err(error) = self.store.commit_callbacks(&origin, &put_off).await {
            self.noticed(&error); // they come due when their leases end
        }
    }
}

/// The origin that the next message names; `None` when there is no subscription any more. Without one, for ever nothing.
async fn named(wakes: &mut Option<Wakes<Origin>>) -> Option<Origin> {
    match wakes {
        Some(wakes) => wakes.next().await,
        None => {
            sleep(LOOK_AGAIN).await;
            None
        }
    }
}

fn next_look(callbacks: &Callbacks, asked_for: usize) -> Instant {
    let now = Instant::now();
    if callbacks.due.len() == asked_for {
        return now;
    }
    let wait = callbacks.next_due.map_or(LOOK_AGAIN, |due| due.since(callbacks.now));
    now + wait.min(LOOK_AGAIN)
}

/// Host and port: what is slow together.
fn host_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

async fn attempt(store: Store, post: Post, traces: Traces, settings: Arc<Settings>, taken: Taken) -> Ended {
    let began = Instant::now();
    let outcome = if began > taken.begin_by {
        // This process stood still: others may be telling it by now.
        let Callback { key, fence, .. } = &taken.callback;
        ToldOrNot { key: key.clone(), fence: *fence, telling: Telling::PutOff(taken.clock.now()), delivery: None }
    } else {
        let span = traces.begin(taken.callback.trace.as_ref(), "callback", Role::Call, Duration::ZERO);
        let (message, heard) = tell(&post, &taken, span.as_ref()).await;
        let outcome = judge(&settings, &taken, &message, heard, began.elapsed());
        count(&taken, heard, outcome.telling, began.elapsed());
        end(span, &taken, &message, heard);
        outcome
    };
    let lasted = began.elapsed();
    crash_point("after_callback");
    record(&store, &taken, outcome, settings.timeout * LEASE_TIMEOUTS).await;
    Ended { origin: taken.origin, host: taken.host, lasted }
}

async fn tell(post: &Post, taken: &Taken, span: Option<&Span>) -> (Message, Heard) {
    let Taken { origin, callback, clock, .. } = taken;
    let message = match &callback.what {
        Happened::Job(job) => Message::of_job(origin, callback, job),
        Happened::Notified(notification) => Message::of_notification(origin, callback, notification),
    };
    let Ok(url) = Url::parse(&callback.url) else {
        return (message, Heard::Nothing(DeliveryError::UnreadableUrl));
    };
    // What the receiver does about it belongs to the same trace, whether or not this process tells its own part.
    let trace = span.and_then(Span::parent).or_else(|| callback.trace.clone());
    let heard = post.post(&url, message.clone(), trace.as_ref(), clock.now().0 / 1_000).await;
    (message, heard)
}

/// Counts an attempt.
fn count(taken: &Taken, heard: Heard, telling: Telling, lasted: Duration) {
    match telling {
        Telling::Told => taken.metrics.told(taken.clock.now().since(taken.callback.at)),
        Telling::GivenUp => taken.metrics.given_up(),
        Telling::Failed(_) | Telling::Gone | Telling::PutOff(_) => {}
    }
    taken.metrics.attempted(heard.told(), lasted);
}

/// Ends the span of an attempt.
fn end(span: Option<Span>, taken: &Taken, message: &Message, heard: Heard) {
    let Some(mut span) = span else { return };
    span.tell("bursar.lane", taken.origin.to_string());
    span.tell("bursar.key", taken.callback.key.clone());
    span.tell("bursar.callback", message.id.clone());
    span.tell("bursar.outcome", heard.told().as_str());
    span.tell("server.address", taken.host.clone());
    match heard {
        Heard::Status { code, .. } => span.tell("http.response.status_code", i64::from(code)),
        Heard::Nothing(error) => span.tell("error.message", error.to_string()),
    }
    if heard.told() != Told::Told {
        span.failed("the producer is not told");
    }
}

/// What follows from what was heard.
fn judge(settings: &Settings, taken: &Taken, message: &Message, heard: Heard, lasted: Duration) -> ToldOrNot {
    let Taken { callback, clock, host, .. } = taken;
    let now = clock.now();
    let asked = heard.asked(now);
    let (telling, outcome) = match heard.told() {
        Told::Told => (Telling::Told, DeliveryOutcome::Delivered),
        Told::Gone => (Telling::Gone, DeliveryOutcome::Gone),
        Told::Busy
        | Told::Refused
        | Told::Failing
        | Told::Odd
        | Told::Silent
        | Told::Unreachable
        | Told::Broken
        | Told::NotAllowed
        | Told::Unfit => {
            let wait = schedule::wait(callback.failures.saturating_add(1), |below| fastrand::u64(..below));
            match schedule::again(now, callback.first_tried, settings.retry_for, wait, asked) {
                Some(again) => (Telling::Failed(again), DeliveryOutcome::Failed),
                None => (Telling::GivenUp, DeliveryOutcome::GivenUp),
            }
        }
    };
    let mut delivery = Delivery {
        sequence: Some(callback.number),
        webhook_id: Some(message.id.clone()),
        host: Some(host.to_owned()),
        ms: Some(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)),
        ..Delivery::of(outcome)
    };
    let heard = match heard {
        Heard::Status { code, .. } => {
            delivery.http = Some(code);
            format!("HTTP {code}")
        }
        Heard::Nothing(error) => {
            delivery.error = Some(error);
            error.to_string()
        }
    };
    if let (Telling::Failed(again), Some(_)) = (telling, asked) {
        delivery.retry_after = Some(again.rfc3339());
    }
    let key = callback.key.as_str();
    match telling {
        Telling::GivenUp => {
            tracing::error!(origin = %taken.origin, key, host, "given up: nobody will be told, {heard}")
        }
        Telling::Gone => tracing::error!(origin = %taken.origin, key, host, "gone: nobody will be told, {heard}"),
        Telling::Failed(_) => {
            tracing::info!(origin = %taken.origin, key, host, "not told yet: {heard}")
        }
        Telling::Told | Telling::PutOff(_) => tracing::debug!(origin = %taken.origin, key, host, "{heard}"),
    }
    ToldOrNot { key: callback.key.clone(), fence: callback.fence, telling, delivery: Some(delivery) }
}

/// Records an outcome, however often that takes, until the lease has ended and others tell it again.
async fn record(store: &Store, taken: &Taken, outcome: ToldOrNot, lease: Duration) {
    let outcomes = [outcome];
    let recorded = timeout(lease, async {
        while let Err(error) = store.commit_callbacks(&taken.origin, &outcomes).await {
            tracing::warn!(origin = %taken.origin, "what became of a callback waits for Redis: {}", error.chain());
            sleep(PAUSE).await;
        }
    });
    if recorded.await.is_err() {
        tracing::warn!(origin = %taken.origin, key = taken.callback.key, "it may be told again: Redis did not take the outcome");
    }
}
