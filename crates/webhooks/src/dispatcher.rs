//! Claims due webhook deliveries, as many as may run concurrently, and records their outcomes.
//!
//! It sleeps until something is due that it knows of, a message names an origin, or an attempt has ended. Which origins have something due
//! it learns of the partitions, however many origins there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::DeliveryError;
use bursar_store::{
    ClaimedDeliveries, ClaimedDelivery, DeliveryClaim, DeliveryCommit, DeliveryResult, EventPayload, Origin,
    READY_AT_ONCE, RedisClock, Store, StoreError, Wakeups, crash_point,
};
use bursar_telemetry::{AttemptOutcome, OriginMetrics, Role, Span, Traces};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::agenda::Agenda;
use crate::client::{DeliveryResponse, WebhookClient};
use crate::host_limits::HostLimits;
use crate::message::Message;
use crate::{Secrets, Settings, SettingsError, Telemetry, schedule};

/// The interval between scans of the partitions, for the case that a wake-up message was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Pages of the partitions' due origins that one look reads at most: most of them may be no origins of this process's.
const MAX_PAGES: usize = 40;

/// The pause after a failure of Redis.
const PAUSE: Duration = Duration::from_millis(500);

/// A lease is this many times an attempt's timeout: an attempt begins within one, and ends within the next.
const LEASE_TIMEOUTS: u32 = 3;

/// Delivers webhooks until it is drained.
pub struct Dispatcher {
    store: Store,
    /// Its name among the claims: no other process has it.
    name: String,
    /// The number of its last claim.
    claims: u64,
    client: WebhookClient,
    settings: Arc<Settings>,
    telemetry: Telemetry,
    secrets: SigningKeys,
    /// The origins whose events it delivers.
    origins: HashMap<Origin, Arc<OriginMetrics>>,
    /// Other origins to deliver from now on.
    replaced: Option<watch::Receiver<Vec<Origin>>>,
    agenda: Agenda,
    /// The time of the next scan of the partitions.
    look_at: Instant,
    hosts: HostLimits,
    under_way: JoinSet<Ended>,
    redis_fails: bool,
}

/// The signing keys of a running dispatcher; they can be replaced while it runs.
#[derive(Clone, Debug)]
pub struct SigningKeys(watch::Sender<Secrets>);

impl SigningKeys {
    /// Signs with these from the next attempt on, including retries.
    pub fn replace(&self, secrets: Secrets) {
        self.0.send_replace(secrets);
    }
}

/// A claimed event: its receiver, and the latest time to begin its attempt.
struct Taken {
    origin: Origin,
    metrics: Arc<OriginMetrics>,
    delivery: ClaimedDelivery,
    host: String,
    begin_by: Instant,
    clock: RedisClock,
}

/// The end of an attempt.
struct Ended {
    origin: Origin,
    host: String,
    lasted: Duration,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Dispatcher").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// A dispatcher for the events of `origins`.
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
            tracing::warn!("webhooks are not signed: webhooks.secrets_file has no secret");
        }
        let metrics = |origin| (Arc::new(telemetry.metrics.origin(&origin)), origin);
        let origins = origins.into_iter().map(metrics).map(|(metrics, origin)| (origin, metrics)).collect();
        let (secrets, in_use) = watch::channel(settings.secrets.clone());
        Ok(Self {
            name: format!("{}-{:012x}", std::process::id(), fastrand::u64(..1 << 48)),
            claims: 0,
            client: WebhookClient::new(&settings, in_use)?,
            secrets: SigningKeys(secrets),
            hosts: HostLimits::new(settings.concurrency),
            settings: Arc::new(settings),
            origins,
            replaced: None,
            agenda: Agenda::default(),
            look_at: Instant::now(),
            telemetry,
            under_way: JoinSet::new(),
            redis_fails: false,
            store,
        })
    }

    /// Delivers the events of these origins, which may be replaced while it runs. Attempts in flight are finished.
    #[must_use]
    pub fn following(self, origins: watch::Receiver<Vec<Origin>>) -> Self {
        let mut dispatcher = Self { replaced: Some(origins), ..self };
        dispatcher.follow();
        dispatcher
    }

    fn follow(&mut self) {
        let Some(replaced) = &mut self.replaced else { return };
        let origins: Vec<Origin> = replaced.borrow_and_update().clone();
        let mut before = std::mem::take(&mut self.origins);
        let metrics = |origin: &Origin| Arc::new(self.telemetry.metrics.origin(origin));
        self.origins = origins
            .into_iter()
            .map(|origin| (before.remove(&origin).unwrap_or_else(|| metrics(&origin)), origin))
            .map(|(metrics, origin)| (origin, metrics))
            .collect();
        self.agenda.retain(|origin| self.origins.contains_key(origin));
        self.look_at = Instant::now();
    }

    /// The signing keys.
    #[must_use]
    pub fn secrets(&self) -> SigningKeys {
        self.secrets.clone()
    }

    /// Delivers until `drain`; attempts in flight are finished.
    pub async fn run(mut self, drain: CancellationToken) {
        let mut wakeups = None;
        while !drain.is_cancelled() {
            if wakeups.is_none() {
                wakeups = self.store.delivery_wakeups().await.ok();
                self.look_at = Instant::now();
            }
            if self.look_at <= Instant::now() {
                self.look_at_partitions().await;
            }
            self.claim_due().await;
            let next = self.next_look();
            tokio::select! {
                () = drain.cancelled() => {}
                named = named(&mut wakeups) => match named {
                    Some(origin) => self.note(&origin, Instant::now()),
                    None => wakeups = None,
                },
                Some(ended) = self.under_way.join_next() => self.leave(ended.ok()),
                () = changed(&mut self.replaced) => self.follow(),
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
        // While every slot is taken, the end of an attempt is the next event.
        let next = self.agenda.next().filter(|_| self.free() > 0);
        next.into_iter().chain([self.look_at]).min().unwrap_or(self.look_at)
    }

    /// Schedules a visit of an origin, if it belongs to this process.
    fn note(&mut self, origin: &Origin, at: Instant) {
        if self.origins.contains_key(origin) {
            self.agenda.bring_forward(origin, at);
        }
    }

    fn leave(&mut self, ended: Option<Ended>) {
        let Some(Ended { origin, host, lasted }) = ended else { return };
        self.hosts.leave(&host, lasted);
        self.note(&origin, Instant::now()); // the next event of the origin is due
    }

    /// Learns which origins have something due before the next such look.
    async fn look_at_partitions(&mut self) {
        match self.find_ready().await {
            Ok(()) => {
                self.redis_fails = false;
                self.look_at = Instant::now() + LOOK_AGAIN;
            }
            Err(error) => {
                self.noticed(&error);
                self.look_at = Instant::now() + PAUSE;
            }
        }
    }

    async fn find_ready(&mut self) -> Result<(), StoreError> {
        let clock = RedisClock::new(self.store.now().await?);
        for page in 0..MAX_PAGES {
            let until = clock.then().plus(LOOK_AGAIN);
            let (ready, is_full) = self.store.ready_deliveries_behind(until, page * READY_AT_ONCE).await?;
            for ready in ready {
                self.note(&ready.queue, clock.moment_of(ready.due));
            }
            if !is_full {
                break;
            }
        }
        Ok(())
    }

    /// Claims the due events of every origin whose time has come, the longest due first, while slots are free.
    async fn claim_due(&mut self) {
        while self.free() > 0 {
            let Some(origin) = self.agenda.take_due(Instant::now()) else { return };
            let (free, requested) = (self.free(), Instant::now());
            self.claims += 1;
            let lease = self.settings.timeout * LEASE_TIMEOUTS;
            let claim = DeliveryClaim { dispatcher: &self.name, number: self.claims, lease, most: free };
            match self.store.claim_deliveries(&origin, &claim).await {
                Ok(claimed) => {
                    self.redis_fails = false;
                    if let Some(at) = next_look(&claimed) {
                        self.note(&origin, at);
                    }
                    self.begin(&origin, claimed, requested).await;
                }
                Err(error) => {
                    self.noticed(&error);
                    self.note(&origin, Instant::now() + PAUSE);
                }
            }
        }
    }

    fn noticed(&mut self, error: &StoreError) {
        if !self.redis_fails {
            tracing::warn!("webhooks wait for Redis: {}", error.chain());
        }
        self.redis_fails = true;
    }

    async fn begin(&mut self, origin: &Origin, claimed: ClaimedDeliveries, requested: Instant) {
        let Some(metrics) = self.origins.get(origin).cloned() else { return };
        for (key, why) in &claimed.quarantined {
            tracing::error!(%origin, key, "the webhook will not be delivered: its events are quarantined, {why}");
        }
        for key in &claimed.left {
            tracing::debug!(%origin, key, "left to a newer build");
        }
        let clock = RedisClock::new(claimed.now);
        let mut put_off = Vec::new();
        for delivery in claimed.due {
            let host = Url::parse(&delivery.url).map(|url| host_of(&url)).unwrap_or_default();
            if let Err(wait) = self.hosts.enter(&host, Instant::now()) {
                let now = clock.now();
                put_off.push(DeliveryCommit::new(&delivery, now, DeliveryResult::PutOff(now.plus(wait))));
                continue;
            }
            let begin_by = requested + self.settings.timeout;
            let (origin, metrics) = (origin.clone(), Arc::clone(&metrics));
            let taken = Taken { origin, metrics, delivery, host, begin_by, clock };
            let (client, traces) = (self.client.clone(), self.telemetry.traces.clone());
            self.under_way.spawn(attempt(self.store.clone(), client, traces, Arc::clone(&self.settings), taken));
        }
        if put_off.is_empty() {
            return;
        }
        if let Err(error) = self.store.commit_deliveries(origin, &put_off).await {
            self.noticed(&error); // they come due when their leases end
        }
    }
}

/// Returns when other origins are to be delivered.
async fn changed(replaced: &mut Option<watch::Receiver<Vec<Origin>>>) {
    if let Some(origins) = replaced
        && origins.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await // they are not replaced any more
}

/// The origin in the next wake-up message; `None` if the subscription has ended. Without a subscription it waits one
/// scan interval.
async fn named(wakeups: &mut Option<Wakeups<Origin>>) -> Option<Origin> {
    match wakeups {
        Some(wakeups) => wakeups.next().await,
        None => {
            sleep(LOOK_AGAIN).await;
            None
        }
    }
}

/// The time of the next visit of an origin after a claim; `None` if nothing is due before the next scan of the
/// partitions.
fn next_look(claimed: &ClaimedDeliveries) -> Option<Instant> {
    let wait = claimed.next_due.map(|due| due.since(claimed.now));
    wait.filter(|wait| *wait <= LOOK_AGAIN).map(|wait| Instant::now() + wait)
}

/// Host and port. Deliveries to one receiver share its speed.
fn host_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

async fn attempt(store: Store, client: WebhookClient, traces: Traces, settings: Arc<Settings>, taken: Taken) -> Ended {
    let began = Instant::now();
    let commit = if began > taken.begin_by {
        // This process was stopped for a while: the claim may have expired, and another process may deliver the event
        // now.
        let now = taken.clock.now();
        DeliveryCommit::new(&taken.delivery, now, DeliveryResult::PutOff(now))
    } else {
        let span = traces.begin(taken.delivery.trace.as_ref(), "callback", Role::Call, Duration::ZERO);
        let (message, reply) = deliver(&client, &taken, span.as_ref()).await;
        let (result, commit) = classify(&settings, &taken, &message, reply, began.elapsed());
        count(&taken, reply, result, began.elapsed());
        end(span, &taken, &message, reply);
        commit
    };
    let lasted = began.elapsed();
    crash_point("after_delivery");
    record(&store, &taken, commit, settings.timeout * LEASE_TIMEOUTS).await;
    Ended { origin: taken.origin, host: taken.host, lasted }
}

async fn deliver(client: &WebhookClient, taken: &Taken, span: Option<&Span>) -> (Message, DeliveryResponse) {
    let Taken { origin, delivery, clock, .. } = taken;
    let message = match (origin, &delivery.what) {
        (Origin::Jobs(queue), EventPayload::Job(event)) => Message::of_job(queue, &delivery.key, event),
        (Origin::Notifications(_), EventPayload::Notification(notification)) => {
            Message::of_notification(origin, (delivery.sequence, delivery.at), notification)
        }
        // The store reads each origin's events as that origin's type, so the two cannot differ.
        (Origin::Jobs(_), EventPayload::Notification(_)) | (Origin::Notifications(_), EventPayload::Job(_)) => {
            return (Message::default(), DeliveryResponse::Nothing(DeliveryError::UnreadableEvent));
        }
    };
    let Ok(url) = Url::parse(&delivery.url) else {
        return (message, DeliveryResponse::Nothing(DeliveryError::UnreadableUrl));
    };
    // The receiver's spans belong to the same trace, even if this process exports no span.
    let trace = span.and_then(Span::parent).or_else(|| delivery.trace.clone());
    let reply = client.post(&url, message.clone(), trace.as_ref(), clock.now().0 / 1_000).await;
    (message, reply)
}

/// Counts an attempt.
fn count(taken: &Taken, reply: DeliveryResponse, result: DeliveryResult, lasted: Duration) {
    match result {
        DeliveryResult::Delivered => taken.metrics.delivered(taken.clock.now().since(taken.delivery.at)),
        DeliveryResult::GivenUp => taken.metrics.given_up(),
        DeliveryResult::Failed(_) | DeliveryResult::Gone | DeliveryResult::PutOff(_) => {}
    }
    taken.metrics.attempted(reply.outcome(), lasted);
}

/// Ends the span of an attempt.
fn end(span: Option<Span>, taken: &Taken, message: &Message, reply: DeliveryResponse) {
    let Some(mut span) = span else { return };
    span.record("bursar.queue", taken.origin.to_string());
    span.record("bursar.key", taken.delivery.key.clone());
    span.record("bursar.callback", message.id.clone());
    span.record("bursar.outcome", reply.outcome().as_str());
    span.record("server.address", taken.host.clone());
    match reply {
        DeliveryResponse::Status { code, .. } => span.record("http.response.status_code", i64::from(code)),
        DeliveryResponse::Nothing(error) => span.record("error.message", error.to_string()),
    }
    if reply.outcome() != AttemptOutcome::Delivered {
        span.failed("the webhook was not delivered");
    }
}

/// The result of an attempt, and its commit.
fn classify(
    settings: &Settings,
    taken: &Taken,
    message: &Message,
    reply: DeliveryResponse,
    lasted: Duration,
) -> (DeliveryResult, DeliveryCommit) {
    let Taken { delivery, clock, host, .. } = taken;
    let now = clock.now();
    let requested = reply.requested(now);
    let result = match reply.outcome() {
        AttemptOutcome::Delivered => DeliveryResult::Delivered,
        AttemptOutcome::Gone => DeliveryResult::Gone,
        AttemptOutcome::Busy
        | AttemptOutcome::Refused
        | AttemptOutcome::Failing
        | AttemptOutcome::UnexpectedStatus
        | AttemptOutcome::NoAnswer
        | AttemptOutcome::Unreachable
        | AttemptOutcome::Broken
        | AttemptOutcome::NotAllowed
        | AttemptOutcome::Invalid => {
            let wait = schedule::wait(delivery.failures.saturating_add(1), |below| fastrand::u64(..below));
            match schedule::again(now, delivery.first_tried, settings.retry_for, wait, requested) {
                Some(again) => DeliveryResult::Failed(again),
                None => DeliveryResult::GivenUp,
            }
        }
    };
    let mut commit = DeliveryCommit::new(delivery, now, result);
    commit.attempt.webhook_id = Some(message.id.clone());
    commit.attempt.host = Some(host.to_owned());
    commit.attempt.ms = Some(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX));
    let reply = match reply {
        DeliveryResponse::Status { code, .. } => {
            commit.attempt.http = Some(code);
            format!("HTTP {code}")
        }
        DeliveryResponse::Nothing(error) => {
            commit.attempt.error = Some(error);
            error.to_string()
        }
    };
    if let (DeliveryResult::Failed(again), Some(_)) = (result, requested) {
        commit.attempt.retry_after = Some(again.rfc3339());
    }
    let key = delivery.key.as_str();
    match result {
        DeliveryResult::GivenUp => {
            tracing::error!(origin = %taken.origin, key, host, "given up: the webhook will not be delivered, {reply}")
        }
        DeliveryResult::Gone => {
            tracing::error!(origin = %taken.origin, key, host, "gone: the receiver wants no more webhooks of this job, {reply}")
        }
        DeliveryResult::Failed(_) => {
            tracing::info!(origin = %taken.origin, key, host, "not delivered yet: {reply}")
        }
        DeliveryResult::Delivered | DeliveryResult::PutOff(_) => {
            tracing::debug!(origin = %taken.origin, key, host, "{reply}")
        }
    }
    (result, commit)
}

/// Records an outcome, with retries until the lease has ended and another process delivers the event again.
async fn record(store: &Store, taken: &Taken, commit: DeliveryCommit, lease: Duration) {
    let commits = [commit];
    let recorded = timeout(lease, async {
        while let Err(error) = store.commit_deliveries(&taken.origin, &commits).await {
            tracing::warn!(origin = %taken.origin, "a delivery's outcome waits for Redis: {}", error.chain());
            sleep(PAUSE).await;
        }
    });
    if recorded.await.is_err() {
        tracing::warn!(origin = %taken.origin, key = taken.delivery.key, "it may be delivered again: Redis did not store the outcome");
    }
}
