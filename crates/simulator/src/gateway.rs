//! The state that both gateways share, and the course of one request through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::response::Response;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::books::{Books, Name, Order};
use crate::chance;
use crate::clock;
use crate::fault::{Dress, Execution, Fault, Shown, Trouble};
use crate::faults::{Call, Faults, Injected, Occasion};
use crate::keys::Keys;
use crate::life::Life;
use crate::lives::Lives;
use crate::options::Options;
use crate::wire::{self, Line};
use crate::{beingfi, yzt};

pub(crate) struct Gateway {
    pub(crate) options: Options,
    pub(crate) keys: Keys,
    pub(crate) books: Books,
    pub(crate) faults: Faults,
    pub(crate) lives: Lives,
    latency_micros: AtomicU64,
    request_ids: AtomicU64,
    /// Its start in µs: requests are numbered from there.
    started_us: u64,
    stopping: watch::Receiver<bool>,
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
            Self::BeingFi(beingfi::Request::Bind(_) | beingfi::Request::Query(_)) => None,
        }
    }

    /// The order that it sends or queries.
    fn about(&self) -> Option<&Name> {
        match self {
            Self::Yzt(request) => match &request.work {
                yzt::Work::Order(order) => Some(&order.name),
                yzt::Work::Query(name) => name.as_ref(),
                yzt::Work::Balance => None,
            },
            Self::BeingFi(beingfi::Request::Exec(order)) => Some(&order.name),
            Self::BeingFi(beingfi::Request::Query(query)) => Some(&query.name),
            Self::BeingFi(beingfi::Request::Bind(_)) => None,
        }
    }

    /// The key by which rules may name it.
    fn key(&self) -> &str {
        match self {
            Self::BeingFi(beingfi::Request::Bind(params)) => beingfi::Request::account(params).unwrap_or_default(),
            Self::BeingFi(beingfi::Request::Exec(_) | beingfi::Request::Query(_)) | Self::Yzt(_) => {
                self.about().map(|name| name.key.as_str()).unwrap_or_default()
            }
        }
    }

    /// A bind moves no money, but like a payment it makes something new each time it is sent.
    fn call(&self) -> Call {
        match self {
            Self::BeingFi(beingfi::Request::Query(_)) => Call::Query,
            Self::BeingFi(beingfi::Request::Exec(_) | beingfi::Request::Bind(_)) => Call::Send,
            Self::Yzt(request) => match &request.work {
                yzt::Work::Order(_) => Call::Send,
                yzt::Work::Query(_) | yzt::Work::Balance => Call::Query,
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

    /// An error that an attacker on the path has written. BeingFi signs no error, so a client has to believe an error
    /// that says "no effect"; for BeingFi the forged error therefore says nothing about the effect.
    fn forged(&self, gateway: &Gateway, trouble: Trouble) -> Answer {
        match self {
            Self::Yzt(request) => request.trouble(gateway, trouble),
            Self::BeingFi(_) => beingfi::trouble(Trouble::Unknown),
        }
    }
}

impl Gateway {
    pub(crate) fn new(options: Options, keys: Keys, stopping: watch::Receiver<bool>) -> Self {
        let gateway = Self {
            keys,
            books: Books::new(options.life_step),
            faults: Faults::new(options.profile, options.seed, options.hang),
            lives: Lives::new(options.lives.clone(), options.seed),
            latency_micros: AtomicU64::new(0),
            request_ids: AtomicU64::new(0),
            started_us: u64::try_from(clock::now_ms()).unwrap_or_default().saturating_mul(1_000),
            stopping,
            options,
        };
        gateway.set_latency(gateway.options.latency);
        gateway
    }

    /// One request from its arrival to the client's view of it.
    pub(crate) async fn take(self: Arc<Self>, line: Line, read: Result<Request, Answer>) -> Response {
        let _present = Present::new(&self);
        match read {
            Ok(request) => self.serve(line, request).await,
            Err(refusal) => {
                sleep_until(Instant::now() + self.latency()).await;
                wire::json(refusal.text(&self.keys, Dress::Plain))
            }
        }
    }

    async fn serve(self: &Arc<Self>, line: Line, request: Request) -> Response {
        let (injected, in_work) = self.admit(&request);
        let late = injected.map_or(Duration::ZERO, |injected| injected.late_by(self.options.hang));
        // A client that gives up on a late answer may send again: that is no second send in work.
        let in_work = in_work.filter(|_| late.is_zero());
        // A separate task: a request that has arrived is executed even if its client goes away.
        let task = tokio::spawn(Arc::clone(self).work(request, injected, late));
        let Ok(answer) = task.await else {
            return wire::bad_gateway();
        };
        drop(in_work);
        match injected {
            Some(Injected { fault, span }) => self.show(line, &answer, fault, span).await,
            None => wire::json(answer.text(&self.keys, Dress::Plain)),
        }
    }

    /// Counts the request, and chooses its fault.
    fn admit(self: &Arc<Self>, request: &Request) -> (Option<Injected>, Option<InWork>) {
        let call = request.call();
        let number = match request.order() {
            Some(order) => self.books.send_arrived(order),
            None => self.books.call_arrived(call, request.about()),
        };
        let in_work = request.order().map(|order| InWork { gateway: Arc::clone(self), name: order.name.clone() });
        let injected = self.faults.pick(&Occasion { key: request.key(), call, number });
        if injected.is_some() {
            self.books.fault_injected();
        }
        (injected, in_work)
    }

    /// Waits, executes, waits again.
    async fn work(self: Arc<Self>, request: Request, injected: Option<Injected>, late: Duration) -> Answer {
        let latency = self.latency();
        let arrived = Instant::now();
        sleep_until(arrived + late + latency / 2).await;
        let answer = match injected.map_or(Execution::AtOnce, |injected| injected.fault.execution()) {
            Execution::Never => None,
            Execution::AtOnce | Execution::Late => Some(request.perform(&self)),
        };
        sleep_until(arrived + late + latency).await;
        self.said(&request, answer, injected)
    }

    /// The answer as its fault has it.
    fn said(&self, request: &Request, answer: Option<Answer>, injected: Option<Injected>) -> Answer {
        // Without an answer the request was not executed, and its substitute is never shown.
        let performed = || answer.unwrap_or_else(|| request.trouble(self, Trouble::Unknown));
        match injected.map(|injected| injected.fault.shown()) {
            Some(Shown::Error(trouble)) => request.trouble(self, trouble),
            Some(Shown::Forged(trouble)) => request.forged(self, trouble),
            Some(Shown::Altered(alteration)) => performed().altered(alteration),
            Some(
                Shown::Reset
                | Shown::Close
                | Shown::Silence
                | Shown::BadGateway
                | Shown::Html
                | Shown::Redirect
                | Shown::Dressed(_)
                | Shown::Sent(_),
            )
            | None => performed(),
        }
    }

    async fn show(&self, line: Line, answer: &Answer, fault: Fault, span: Option<Duration>) -> Response {
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
            Shown::Forged(_) => wire::json(answer.text(&self.keys, Dress::Unsigned)),
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
        let drawn = chance::draw(self.options.seed, "request", "", number);
        // No two in the life of an account's records, also when the simulator was started again with the same seed.
        format!("openapi_{:016x}{drawn:016x}", self.started_us.wrapping_add(number))
    }

    pub(crate) fn life_of(&self, key: &str) -> Life {
        self.lives.of(key, self.faults.profile())
    }

    /// The key's life from now on; the steps of a payment that was executed still count from its execution.
    pub(crate) fn give_life(&self, key: &str, life: Life) {
        self.books.change_life(key, &life);
        self.lives.give(key, life);
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
    name: Name,
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.gateway.books.settled(&self.name);
    }
}
