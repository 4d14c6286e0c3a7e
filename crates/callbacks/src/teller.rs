//! Takes what is due to be told, as much as can be told at once, and records what became of it.
//!
//! It sleeps until something is due that it knows of, a message names an origin, or an attempt has ended. Which origins have something due
//! it learns of the partitions, however many origins there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::DeliveryError;
use bursar_store::{
    ClaimedDeliveries, ClaimedDelivery, DeliveryClaim, DeliveryCommit, DeliveryResult, EventPayload, Origin,
    READY_AT_ONCE, RedisClock, Store, StoreError, Wakes, crash_point,
};
use bursar_telemetry::{OriginMetrics, Role, Span, Told, Traces};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::agenda::Agenda;
use crate::hosts::Hosts;
use crate::message::Message;
use crate::post::{Heard, Post};
use crate::{Secrets, Settings, SettingsError, Telemetry, schedule};

/// How often the partitions are looked at: a message may have been lost.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Pages of the partitions' due origins that one look reads at most: most of them may be no origins of this process's.
const MAX_PAGES: usize = 40;

/// How long after a failure of Redis it is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// A lease is this many times an attempt's timeout: an attempt begins within one, and ends within the next.
const LEASE_TIMEOUTS: u32 = 3;

/// Tells until it is told to end.
pub struct Teller {
    store: Store,
    /// Its name among the claims: no other process has it.
    name: String,
    /// The number of its last claim.
    claims: u64,
    post: Post,
    settings: Arc<Settings>,
    telemetry: Telemetry,
    secrets: SecretsInUse,
    /// Whose events it tells, and no others.
    origins: HashMap<Origin, Arc<OriginMetrics>>,
    agenda: Agenda,
    /// When the partitions are looked at next.
    look_at: Instant,
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

/// One event that was taken: to whom, and until when its attempt may begin.
struct Taken {
    origin: Origin,
    metrics: Arc<OriginMetrics>,
    delivery: ClaimedDelivery,
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
            tracing::warn!("callbacks are not signed: webhooks.secrets_file names nothing to sign them with");
        }
        let metrics = |origin| (Arc::new(telemetry.metrics.origin(&origin)), origin);
        let origins = origins.into_iter().map(metrics).map(|(metrics, origin)| (origin, metrics)).collect();
        let (secrets, in_use) = watch::channel(settings.secrets.clone());
        Ok(Self {
            name: format!("{}-{:012x}", std::process::id(), fastrand::u64(..1 << 48)),
            claims: 0,
            post: Post::new(&settings, in_use)?,
            secrets: SecretsInUse(secrets),
            hosts: Hosts::new(settings.concurrency),
            settings: Arc::new(settings),
            origins,
            agenda: Agenda::default(),
            look_at: Instant::now(),
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
                wakes = self.store.delivery_wakes().await.ok();
                self.look_at = Instant::now();
            }
            if self.look_at <= Instant::now() {
                self.look_at_partitions().await;
            }
            self.claim_due().await;
            let next = self.next_look();
            tokio::select! {
                () = drain.cancelled() => {}
                named = named(&mut wakes) => match named {
                    Some(origin) => self.note(&origin, Instant::now()),
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
        // With every place taken, the end of an attempt is what is waited for.
        let next = self.agenda.next().filter(|_| self.free() > 0);
        next.into_iter().chain([self.look_at]).min().unwrap_or(self.look_at)
    }

    /// Has an origin looked at by this time, if it is one of this process's.
    fn note(&mut self, origin: &Origin, at: Instant) {
        if self.origins.contains_key(origin) {
            self.agenda.bring_forward(origin, at);
        }
    }

    fn leave(&mut self, ended: Option<Ended>) {
        let Some(Ended { origin, host, lasted }) = ended else { return };
        self.hosts.leave(&host, lasted);
        self.note(&origin, Instant::now()); // what is behind it is due
    }

    /// Learns which origins have something due before the next such look.
    async fn look_at_partitions(&mut self) {
        match self.find_ready().await {
            Ok(()) => {
                self.trouble = false;
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

    /// Claims what is due of every origin whose time has come, as long as places are free; the one longest due first.
    async fn claim_due(&mut self) {
        while self.free() > 0 {
            let Some(origin) = self.agenda.take_due(Instant::now()) else { return };
            let (free, asked) = (self.free(), Instant::now());
            self.claims += 1;
            let lease = self.settings.timeout * LEASE_TIMEOUTS;
            let claim = DeliveryClaim { dispatcher: &self.name, number: self.claims, lease, most: free };
            match self.store.claim_deliveries(&origin, &claim).await {
                Ok(claimed) => {
                    self.trouble = false;
                    if let Some(at) = next_look(&claimed) {
                        self.note(&origin, at);
                    }
                    self.begin(&origin, claimed, asked).await;
                }
                Err(error) => {
                    self.noticed(&error);
                    self.note(&origin, Instant::now() + PAUSE);
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

    async fn begin(&mut self, origin: &Origin, claimed: ClaimedDeliveries, asked: Instant) {
        let Some(metrics) = self.origins.get(origin).cloned() else { return };
        for (key, why) in &claimed.quarantined {
            tracing::error!(%origin, key, "nobody will be told: its events are in quarantine, {why}");
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
            let begin_by = asked + self.settings.timeout;
            let (origin, metrics) = (origin.clone(), Arc::clone(&metrics));
            let taken = Taken { origin, metrics, delivery, host, begin_by, clock };
            let (post, traces) = (self.post.clone(), self.telemetry.traces.clone());
            self.under_way.spawn(attempt(self.store.clone(), post, traces, Arc::clone(&self.settings), taken));
        }
        if put_off.is_empty() {
            return;
        }
        if let Err(error) = self.store.commit_deliveries(origin, &put_off).await {
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

/// When an origin is looked at next after a claim; `None` when nothing waits there, or not before the partitions are looked at.
fn next_look(claimed: &ClaimedDeliveries) -> Option<Instant> {
    let wait = claimed.next_due.map(|due| due.since(claimed.now));
    wait.filter(|wait| *wait <= LOOK_AGAIN).map(|wait| Instant::now() + wait)
}

/// Host and port: what is slow together.
fn host_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

async fn attempt(store: Store, post: Post, traces: Traces, settings: Arc<Settings>, taken: Taken) -> Ended {
    let began = Instant::now();
    let commit = if began > taken.begin_by {
        // This process stood still: others may be telling it by now.
        let now = taken.clock.now();
        DeliveryCommit::new(&taken.delivery, now, DeliveryResult::PutOff(now))
    } else {
        let span = traces.begin(taken.delivery.trace.as_ref(), "callback", Role::Call, Duration::ZERO);
        let (message, heard) = tell(&post, &taken, span.as_ref()).await;
        let (result, commit) = judge(&settings, &taken, &message, heard, began.elapsed());
        count(&taken, heard, result, began.elapsed());
        end(span, &taken, &message, heard);
        commit
    };
    let lasted = began.elapsed();
    crash_point("after_callback");
    record(&store, &taken, commit, settings.timeout * LEASE_TIMEOUTS).await;
    Ended { origin: taken.origin, host: taken.host, lasted }
}

async fn tell(post: &Post, taken: &Taken, span: Option<&Span>) -> (Message, Heard) {
    let Taken { origin, delivery, clock, .. } = taken;
    let message = match (origin, &delivery.what) {
        (Origin::Jobs(queue), EventPayload::Job(event)) => Message::of_job(queue, &delivery.key, event),
        (Origin::Notifications(_), EventPayload::Notification(notification)) => {
            Message::of_notification(origin, (delivery.sequence, delivery.at), notification)
        }
        // The store reads an origin's events as what its origin has.
        (Origin::Jobs(_), EventPayload::Notification(_)) | (Origin::Notifications(_), EventPayload::Job(_)) => {
            return (Message::default(), Heard::Nothing(DeliveryError::UnreadableEvent));
        }
    };
    let Ok(url) = Url::parse(&delivery.url) else {
        return (message, Heard::Nothing(DeliveryError::UnreadableUrl));
    };
    // What the receiver does about it belongs to the same trace, whether or not this process tells its own part.
    let trace = span.and_then(Span::parent).or_else(|| delivery.trace.clone());
    let heard = post.post(&url, message.clone(), trace.as_ref(), clock.now().0 / 1_000).await;
    (message, heard)
}

/// Counts an attempt.
fn count(taken: &Taken, heard: Heard, result: DeliveryResult, lasted: Duration) {
    match result {
        DeliveryResult::Delivered => taken.metrics.told(taken.clock.now().since(taken.delivery.at)),
        DeliveryResult::GivenUp => taken.metrics.given_up(),
        DeliveryResult::Failed(_) | DeliveryResult::Gone | DeliveryResult::PutOff(_) => {}
    }
    taken.metrics.attempted(heard.told(), lasted);
}

/// Ends the span of an attempt.
fn end(span: Option<Span>, taken: &Taken, message: &Message, heard: Heard) {
    let Some(mut span) = span else { return };
    span.tell("bursar.queue", taken.origin.to_string());
    span.tell("bursar.key", taken.delivery.key.clone());
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
fn judge(
    settings: &Settings,
    taken: &Taken,
    message: &Message,
    heard: Heard,
    lasted: Duration,
) -> (DeliveryResult, DeliveryCommit) {
    let Taken { delivery, clock, host, .. } = taken;
    let now = clock.now();
    let asked = heard.asked(now);
    let result = match heard.told() {
        Told::Told => DeliveryResult::Delivered,
        Told::Gone => DeliveryResult::Gone,
        Told::Busy
        | Told::Refused
        | Told::Failing
        | Told::Odd
        | Told::Silent
        | Told::Unreachable
        | Told::Broken
        | Told::NotAllowed
        | Told::Unfit => {
            let wait = schedule::wait(delivery.failures.saturating_add(1), |below| fastrand::u64(..below));
            match schedule::again(now, delivery.first_tried, settings.retry_for, wait, asked) {
                Some(again) => DeliveryResult::Failed(again),
                None => DeliveryResult::GivenUp,
            }
        }
    };
    let mut commit = DeliveryCommit::new(delivery, now, result);
    commit.attempt.webhook_id = Some(message.id.clone());
    commit.attempt.host = Some(host.to_owned());
    commit.attempt.ms = Some(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX));
    let heard = match heard {
        Heard::Status { code, .. } => {
            commit.attempt.http = Some(code);
            format!("HTTP {code}")
        }
        Heard::Nothing(error) => {
            commit.attempt.error = Some(error);
            error.to_string()
        }
    };
    if let (DeliveryResult::Failed(again), Some(_)) = (result, asked) {
        commit.attempt.retry_after = Some(again.rfc3339());
    }
    let key = delivery.key.as_str();
    match result {
        DeliveryResult::GivenUp => {
            tracing::error!(origin = %taken.origin, key, host, "given up: nobody will be told, {heard}")
        }
        DeliveryResult::Gone => {
            tracing::error!(origin = %taken.origin, key, host, "gone: nobody will be told, {heard}")
        }
        DeliveryResult::Failed(_) => {
            tracing::info!(origin = %taken.origin, key, host, "not told yet: {heard}")
        }
        DeliveryResult::Delivered | DeliveryResult::PutOff(_) => {
            tracing::debug!(origin = %taken.origin, key, host, "{heard}")
        }
    }
    (result, commit)
}

/// Records an outcome, however often that takes, until the lease has ended and others tell it again.
async fn record(store: &Store, taken: &Taken, commit: DeliveryCommit, lease: Duration) {
    let commits = [commit];
    let recorded = timeout(lease, async {
        while let Err(error) = store.commit_deliveries(&taken.origin, &commits).await {
            tracing::warn!(origin = %taken.origin, "what became of a callback waits for Redis: {}", error.chain());
            sleep(PAUSE).await;
        }
    });
    if recorded.await.is_err() {
        tracing::warn!(origin = %taken.origin, key = taken.delivery.key, "it may be told again: Redis did not take the outcome");
    }
}
