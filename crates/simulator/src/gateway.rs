//! The state that both gateways share, and the course of one request through it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::books::{Books, Order};
use crate::chance;
use crate::fault::{Dress, Execution, Fault, Shown, Trouble};
use crate::faults::{Call, Faults, Injected, Occasion};
use crate::keys::Keys;
use crate::life::{self, Life};
use crate::options::Options;
use crate::wire::{self, Line};
use crate::{beingfi, yzt};

pub(crate) struct Gateway {
    pub(crate) options: Options,
    pub(crate) keys: Keys,
    pub(crate) books: Books,
    pub(crate) faults: Faults,
    lives: Mutex<Lives>,
    latency_micros: AtomicU64,
    request_ids: AtomicU64,
    stopping: watch::Receiver<bool>,
}

#[derive(Default)]
struct Lives {
    of_keys: HashMap<String, Life>,
    weights: Option<Vec<(Life, u32)>>,
}

/// A request of either gateway that passed its checks.
pub(crate) enum Request {
    Yzt(yzt::Request),
    BeingFi(beingfi::Request),
}

impl Request {
    fn order(&self) -> Option<&Order> {
        match self {
            Self::Yzt(request) => match &request.work {
                yzt::Work::Order(order) => Some(order),
                yzt::Work::Query(_) | yzt::Work::Balance => None,
            },
            Self::BeingFi(beingfi::Request::Exec(order)) => Some(order),
            Self::BeingFi(beingfi::Request::Bind(_)) => None,
        }
    }

    /// What rules may name it by.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Yzt(request) => match &request.work {
                yzt::Work::Order(order) => Some(&order.key),
                yzt::Work::Query(key) => key.as_deref(),
                yzt::Work::Balance => None,
            },
            Self::BeingFi(beingfi::Request::Exec(order)) => Some(&order.key),
            Self::BeingFi(beingfi::Request::Bind(params)) => beingfi::Request::account(params),
        }
    }

    /// A bind moves no money, but like a payment it makes something new each time it is sent.
    fn call(&self) -> Call {
        match self {
            Self::BeingFi(_) => Call::Send,
            Self::Yzt(request) => match &request.work {
                yzt::Work::Order(_) => Call::Send,
                yzt::Work::Query(_) | yzt::Work::Balance => Call::Ask,
            },
        }
    }

    fn perform(&self, gateway: &Gateway) -> Answer {
        match self {
            Self::Yzt(request) => request.perform(gateway),
            Self::BeingFi(request) => request.perform(gateway),
        }
    }

    fn trouble(&self, gateway: &Gateway, trouble: Trouble) -> Answer {
        match self {
            Self::Yzt(request) => request.trouble(gateway, trouble),
            Self::BeingFi(_) => beingfi::trouble(trouble),
        }
    }
}

impl Gateway {
    pub(crate) fn new(options: Options, keys: Keys, stopping: watch::Receiver<bool>) -> Self {
        let gateway = Self {
            keys,
            books: Books::new(options.life_step),
            faults: Faults::new(options.profile, options.seed, options.hang),
            lives: Mutex::new(Lives { of_keys: HashMap::new(), weights: options.lives.clone() }),
            latency_micros: AtomicU64::new(0),
            request_ids: AtomicU64::new(0),
            stopping,
            options,
        };
        gateway.set_latency(gateway.options.latency);
        gateway
    }

    /// One request from its arrival to what the client sees of it.
    pub(crate) async fn take(self: Arc<Self>, line: Line, read: Result<Request, Answer>) -> Response {
        let _present = Present::new(&self);
        match read {
            Ok(request) => self.serve(line, request).await,
            Err(refusal) => {
                tokio::time::sleep(self.latency()).await;
                wire::json(refusal.text(&self.keys, Dress::Plain))
            }
        }
    }

    async fn serve(self: &Arc<Self>, line: Line, request: Request) -> Response {
        let (injected, in_work) = self.admit(&request);
        let execution = injected.map_or(Execution::AtOnce, |injected| injected.fault.execution());
        let late = match (execution, injected) {
            (Execution::Late, Some(injected)) => injected.span.unwrap_or(self.options.hang),
            (Execution::Late | Execution::AtOnce | Execution::Never, _) => Duration::ZERO,
        };
        // A client that gives up on a late answer may send again: that is no second send in work.
        let in_work = in_work.filter(|_| late.is_zero());
        // In a task of its own: a request that has arrived is executed even when its client goes away.
        let task = tokio::spawn(Arc::clone(self).work(request, injected, late));
        let Ok((answer, injected)) = task.await else {
            return wire::bad_gateway();
        };
        drop(in_work);
        self.show(line, answer, injected).await
    }

    /// Counts the request, and decides what befalls it.
    fn admit(self: &Arc<Self>, request: &Request) -> (Option<Injected>, Option<InWork>) {
        let call = request.call();
        let number = match request.order() {
            Some(order) => self.books.send_arrived(order),
            None => self.books.call_arrived(call, request.key()),
        };
        let in_work = request.order().map(|order| InWork { gateway: Arc::clone(self), key: order.key.clone() });
        let injected = self.faults.pick(&Occasion { key: request.key().unwrap_or_default(), call, number });
        if injected.is_some() {
            self.books.fault_injected();
        }
        (injected, in_work)
    }

    async fn work(
        self: Arc<Self>,
        request: Request,
        injected: Option<Injected>,
        late: Duration,
    ) -> (Answer, Option<Injected>) {
        let latency = self.latency();
        let arrived = Instant::now();
        sleep_until(arrived + late + latency / 2).await;
        let execution = injected.map_or(Execution::AtOnce, |injected| injected.fault.execution());
        let answer = match execution {
            Execution::Never => None,
            Execution::AtOnce | Execution::Late => Some(request.perform(&self)),
        };
        sleep_until(arrived + late + latency).await;
        (self.said(&request, answer, injected), injected)
    }

    /// The answer as its fault has it.
    fn said(&self, request: &Request, answer: Option<Answer>, injected: Option<Injected>) -> Answer {
        match (injected.map(|injected| injected.fault.shown()), answer) {
            (Some(Shown::Error(trouble)), _) => request.trouble(self, trouble),
            (Some(Shown::Altered(alteration)), Some(answer)) => answer.altered(alteration),
            (_, Some(answer)) => answer,
            // Not executed, and nothing is going to be shown of this.
            (_, None) => request.trouble(self, Trouble::Unknown),
        }
    }

    async fn show(&self, line: Line, answer: Answer, injected: Option<Injected>) -> Response {
        let Some(Injected { fault, span }) = injected else {
            return wire::json(answer.text(&self.keys, Dress::Plain));
        };
        self.show_fault(line, answer, fault, span).await
    }

    async fn show_fault(&self, line: Line, answer: Answer, fault: Fault, span: Option<Duration>) -> Response {
        match fault.shown() {
            Shown::Reset => line.reset(),
            Shown::Close => line.close(),
            Shown::Silence => {
                self.silence(span).await;
                line.close()
            }
            Shown::BadGateway => wire::bad_gateway(),
            Shown::Html => wire::html(),
            Shown::Redirect => wire::redirect(),
            Shown::Error(_) | Shown::Altered(_) => wire::json(answer.text(&self.keys, Dress::Plain)),
            Shown::Dressed(dress) => wire::json(answer.text(&self.keys, dress)),
            Shown::Sent(delivery) => {
                let text = answer.text(&self.keys, Dress::Plain);
                wire::deliver(text, delivery, span.unwrap_or(self.options.hang))
            }
        }
    }

    /// Waits for the span, or without one until the client goes away; never past the stop.
    async fn silence(&self, span: Option<Duration>) {
        let mut stopping = self.stopping.clone();
        let over = async {
            match span {
                Some(span) => tokio::time::sleep(span).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros, Ordering::Relaxed);
    }

    /// `openapi_` and 32 hex digits, as the pages show them.
    pub(crate) fn request_id(&self) -> String {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed);
        let draw = |about| chance::draw(self.options.seed, about, "", number);
        format!("openapi_{:016x}{:016x}", draw("request"), draw("id"))
    }

    pub(crate) fn life_of(&self, key: &str) -> Life {
        let lives = self.lives();
        if let Some(life) = lives.of_keys.get(key) {
            return life.clone();
        }
        let customary;
        let weights = match &lives.weights {
            Some(weights) => weights,
            None => {
                customary = life::customary(self.faults.profile());
                &customary
            }
        };
        life::drawn(weights, self.options.seed, key)
    }

    /// Whether the key was given a life that begins with a failure.
    pub(crate) fn is_to_fail(&self, key: &str) -> bool {
        self.lives().of_keys.get(key).is_some_and(Life::begins_failed)
    }

    pub(crate) fn give_life(&self, key: &str, life: Life) {
        self.books.change_life(key, &life);
        self.lives().of_keys.insert(key.to_owned(), life);
    }

    pub(crate) fn weigh_lives(&self, weights: Vec<(Life, u32)>) {
        self.lives().weights = Some(weights);
    }

    pub(crate) fn clear_lives(&self) {
        *self.lives() = Lives { of_keys: HashMap::new(), weights: self.options.lives.clone() };
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not even a turn of the timer when there is nothing to wait for.
async fn sleep_until(moment: Instant) {
    if moment > Instant::now() {
        tokio::time::sleep_until(moment).await;
    }
}

/// A request is counted as in flight from its arrival until it is answered or its client goes away.
struct Present<'a>(&'a Books);

impl<'a> Present<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        gateway.books.arrived();
        Self(&gateway.books)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// A send is in work until it is answered or its client goes away.
struct InWork {
    gateway: Arc<Gateway>,
    key: String,
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.gateway.books.settled(&self.key);
    }
}
