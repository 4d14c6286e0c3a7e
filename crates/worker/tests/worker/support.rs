//! A store, a scripted gateway and workers in one process. The only fake is at the `Gateway` trait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_domain::{
    AccountRules, ActionKind, GatewayKind, HistoryEvent, Job, JobView, Kind, Millis, NewJob, OnAmbiguous, Outcome,
    ParsedResponse, Policy, Queue, Received, State,
};
use bursar_gateways::{BoxFuture, Gateway, GatewayRequest, StatusQuery};
use bursar_store::{
    JobRecord, Operator, QueueStatus, Settings as StoreSettings, Store, StoreError, StoredAs, Submission,
};
use bursar_test_support as support;
use bursar_worker::{Account, SendGate, Settings};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The scripted gateway's reaction to one call.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Outcome(Outcome),
    /// A complete response.
    Read(Box<ParsedResponse>),
    Panic,
    /// Answers once a permit is added to the gate.
    WaitAtTheGate(Outcome),
}

/// A gateway that follows a script per key, and counts.
pub(crate) struct Scripted {
    acts: Mutex<HashMap<String, Vec<Act>>>,
    otherwise: Act,
    pub(crate) gate: Semaphore,
    pub(crate) sends: Mutex<Vec<String>>,
    sent_before: Mutex<Vec<String>>,
    pub(crate) queries: Mutex<Vec<String>>,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
    pub(crate) can_query: bool,
    /// Until [`Scripted::back`] sends are not executed and queries find the job accepted, unless the script of a key
    /// differs.
    pub(crate) is_down: bool,
    is_back: AtomicBool,
}

impl Scripted {
    pub(crate) fn new(otherwise: Act) -> Self {
        Self {
            acts: Mutex::default(),
            otherwise,
            gate: Semaphore::new(0),
            sends: Mutex::default(),
            sent_before: Mutex::default(),
            queries: Mutex::default(),
            in_flight: AtomicUsize::default(),
            most_in_flight: AtomicUsize::default(),
            can_query: true,
            is_down: false,
            is_back: AtomicBool::new(false),
        }
    }

    /// The results of calls about `key`, in order; then the gateway's default.
    pub(crate) fn on(self, key: &str, acts: &[Act]) -> Self {
        self.acts.lock().unwrap().insert(key.into(), acts.iter().rev().cloned().collect());
        self
    }

    pub(crate) fn sends_of(&self, key: &str) -> usize {
        self.sends.lock().unwrap().iter().filter(|sent| *sent == key).count()
    }

    /// True if a send of `key` had an earlier one that may have been executed.
    pub(crate) fn sent_before(&self, key: &str) -> bool {
        self.sent_before.lock().unwrap().iter().any(|sent| sent == key)
    }

    /// The result of calls while the gateway is down.
    fn down(&self, outcome: Outcome) -> Option<Outcome> {
        if !self.is_down {
            return None;
        }
        Some(if self.is_back.load(Ordering::SeqCst) { Outcome::Succeeded } else { outcome })
    }

    pub(crate) fn back(&self) {
        self.is_back.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn until_in_flight(&self, calls: usize) {
        bursar_test_support::eventually(
            Duration::from_secs(5),
            &format!("{calls} calls to be in flight"),
            async || (self.in_flight.load(Ordering::SeqCst) == calls).then_some(()),
        )
        .await;
    }

    async fn act(&self, order: &GatewayRequest, usual: Option<Outcome>) -> ParsedResponse {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let next = self.acts.lock().unwrap().get_mut(&order.key).and_then(Vec::pop);
        let usual = usual.map_or_else(|| self.otherwise.clone(), Act::Outcome);
        let outcome = match next.unwrap_or(usual) {
            Act::Outcome(outcome) => outcome,
            Act::Read(parsed) => {
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
                return *parsed;
            }
            Act::Panic => {
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
                panic!("the gateway's code panics about {}", order.key);
            }
            Act::WaitAtTheGate(outcome) => {
                self.gate.acquire().await.unwrap().forget();
                outcome
            }
        };
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let nothing = matches!(outcome, Outcome::NotExecuted | Outcome::NoResponse);
        let received = if nothing { Received::Nothing } else { Received::Response };
        ParsedResponse { received, ..ParsedResponse::of(outcome, "") }
    }
}

impl Gateway for Scripted {
    fn send<'a>(&'a self, order: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        self.sends.lock().unwrap().push(order.key.clone());
        if order.sent_before {
            self.sent_before.lock().unwrap().push(order.key.clone());
        }
        Box::pin(self.act(order, self.down(Outcome::NotExecuted)))
    }

    fn repeat_is_answered(&self) -> bool {
        true
    }

    fn query(&self) -> Option<&dyn StatusQuery> {
        self.can_query.then_some(self)
    }
}

impl StatusQuery for Scripted {
    fn covers(&self, _: &GatewayRequest) -> bool {
        self.can_query
    }

    fn status<'a>(&'a self, order: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        self.queries.lock().unwrap().push(order.key.clone());
        Box::pin(self.act(order, self.down(Outcome::Accepted)))
    }
}

/// One queue `main/transfer` on a separate prefix.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) policy: Policy,
    pub(crate) rate_per_second: f64,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) async fn new() -> Self {
        let redis = support::redis().await;
        Self::on(&redis.url).await
    }

    pub(crate) async fn on(url: &str) -> Self {
        let settings = StoreSettings { url: url.to_owned(), prefix: support::unique_prefix() };
        let short = Duration::from_millis(50);
        Self {
            store: Store::connect(&settings).await.unwrap(),
            queue: "main/transfer".parse().unwrap(),
            policy: Policy {
                on_ambiguous: OnAmbiguous::Resend,
                resend_after: Duration::from_millis(300),
                poll: vec![short],
                retry_initial: short,
                retry_max: short,
                not_ready_wait: short,
                ..Policy::default()
            },
            rate_per_second: 0.0,
            settings: Settings {
                name: String::new(),
                host: String::new(),
                concurrency: 8,
                lease: Duration::from_millis(600),
                drain: Duration::from_secs(5),
                retention: Duration::from_secs(3600),
                journal: None,
                archiving: None,
                expected: None,
                metrics: Arc::default(),
                traces: bursar_telemetry::Traces::default(),
            },
        }
    }

    pub(crate) fn worker(&self, name: &str, gateway: &Arc<Scripted>) -> Running {
        self.worker_at(name, Arc::clone(gateway) as Arc<dyn Gateway>)
    }

    pub(crate) fn worker_at(&self, name: &str, gateway: Arc<dyn Gateway>) -> Running {
        self.worker_with(name, vec![self.account(self.queue.account.as_str(), gateway)], fit())
    }

    /// A worker that serves the world's queue, and so many others: `a0/transfer`, `a1/transfer` …
    pub(crate) fn worker_of(&self, name: &str, gateway: &Arc<Scripted>, others: usize) -> Running {
        let others = (0..others).map(|number| format!("a{number}"));
        let names = std::iter::once(self.queue.account.to_string()).chain(others);
        let accounts = names.map(|account| self.account(&account, Arc::clone(gateway) as Arc<dyn Gateway>));
        self.worker_with(name, accounts.collect(), fit())
    }

    pub(crate) fn account(&self, name: &str, gateway: Arc<dyn Gateway>) -> Account {
        Account {
            name: name.parse().unwrap(),
            identity: String::new(),
            host: String::new(),
            gateway,
            policy: self.policy.clone(),
            rate_per_second: self.rate_per_second,
            kinds: vec![Kind::Transfer],
        }
    }

    pub(crate) fn worker_with(&self, name: &str, accounts: Vec<Account>, fit: watch::Receiver<SendGate>) -> Running {
        let drain = CancellationToken::new();
        let settings = Settings { name: name.into(), ..self.settings.clone() };
        let task = tokio::spawn(bursar_worker::run(
            self.store.clone(),
            settings,
            watch::channel(accounts).1,
            fit,
            drain.clone(),
        ));
        Running { drain, task }
    }

    /// Submits `K1` to another queue.
    pub(crate) async fn submit_to(&self, queue: &str) {
        self.submit_at(queue, None).await;
    }

    /// The same, due tomorrow.
    pub(crate) async fn submit_later(&self, queue: &str) {
        let tomorrow = self.store.now().await.unwrap().plus(Duration::from_secs(24 * 3600));
        self.submit_at(queue, Some(tomorrow)).await;
    }

    async fn submit_at(&self, queue: &str, run_at: Option<Millis>) {
        let job = Job { queue: queue.parse().unwrap(), run_at, ..job("K1") };
        assert_eq!(self.store.submit(&[job]).await.unwrap(), [Submission::New]);
    }

    pub(crate) async fn submit(&self, keys: impl IntoIterator<Item = String>) {
        let of_queue = |key: String| Job { queue: self.queue.clone(), ..job(&key) };
        let jobs: Vec<Job> = keys.into_iter().map(of_queue).collect();
        let submitted = self.store.submit(&jobs).await.unwrap();
        assert!(submitted.iter().all(|submission| *submission == Submission::New));
    }

    pub(crate) async fn pause(&self, operator: Operator<'_>) {
        assert!(self.store.pause(&self.queue, &operator.reason(ActionKind::Pause)).await.unwrap());
    }

    pub(crate) async fn resume(&self, operator: Operator<'_>) {
        assert!(self.store.resume(&self.queue, &operator.reason(ActionKind::Resume)).await.unwrap());
    }

    /// A job that can be read.
    pub(crate) async fn record(&self, key: &str) -> Result<JobRecord, StoreError> {
        match self.store.job(&self.queue, &key.parse().unwrap()).await? {
            Some(StoredAs::Job(record)) => Ok(*record),
            other => panic!("{key}: {other:?}"),
        }
    }

    pub(crate) async fn view(&self, key: &str) -> JobView {
        self.record(key).await.unwrap().view()
    }

    pub(crate) async fn history(&self, key: &str) -> Vec<HistoryEvent> {
        self.store.history(&self.record(key).await.unwrap()).await.unwrap()
    }

    pub(crate) async fn status(&self) -> QueueStatus {
        self.store.status(&self.queue).await.unwrap()
    }

    pub(crate) async fn until(&self, key: &str, state: State) -> JobView {
        support::eventually(Duration::from_secs(20), &format!("{key} to be {state}"), async || {
            // A test may have restarted Redis: then the first look meets the connection that is gone.
            let view = self.record(key).await.map_err(|error| error.chain())?.view();
            if view.state == state { Ok(view) } else { Err(format!("{view:?}")) }
        })
        .await
    }

    pub(crate) async fn until_done(&self, jobs: u64) {
        support::eventually(Duration::from_secs(30), "all jobs to end", async || {
            let status = self.status().await;
            if status.counts.done == jobs { Ok(()) } else { Err(status) }
        })
        .await;
    }
}

pub(crate) struct Running {
    drain: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), bursar_worker::WorkerError>>,
}

impl Running {
    pub(crate) fn drain(&self) {
        self.drain.cancel();
    }

    pub(crate) async fn stop(self) {
        self.drain.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn job(key: &str) -> Job {
    let body = json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "a", "payer_type": "1",
        "payee_store_no": "b", "payee_type": "2", "arrive_time": "T0",
    });
    let new = NewJob::new("main", "transfer", key, body);
    Job::validate(&new, |_| Some(AccountRules::new(GatewayKind::Yzt))).unwrap()
}

/// `K1`, `K2` …
pub(crate) fn keys(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|number| format!("K{number}"))
}

/// A send gate that stays open.
pub(crate) fn fit() -> watch::Receiver<SendGate> {
    watch::channel(SendGate::Open).1
}
