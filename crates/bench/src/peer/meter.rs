//! The gateway that the peer's worker has: does what the workload asks, and counts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bursar_domain::{Answer, Reading};
use bursar_gateways::{BoxFuture, Gateway, Order};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::stub::Stub;

/// Whether the time from submission to the answer is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Latency {
    Reported,
    Ignored,
}

/// Counts jobs as they are handled.
pub(super) struct Meter {
    count: u32,
    seen: AtomicU32,
    done: AtomicU32,
    errors: AtomicU32,
    finished: Notify,
    latency: Latency,
    /// `None` for the workload that does nothing.
    stub: Option<Stub>,
    noted: Mutex<Noted>,
}

/// What is written down at a few moments only.
#[derive(Default)]
struct Noted {
    first: Option<Instant>,
    tenth: Option<Instant>,
    nine_tenths: Option<Instant>,
    last: Option<Instant>,
    first_error: Option<String>,
    latencies_us: Vec<u64>,
}

impl Meter {
    pub(super) fn new(count: u32, latency: Latency, stub: Option<Stub>) -> Self {
        let zero = || AtomicU32::new(0);
        let (seen, done, errors) = (zero(), zero(), zero());
        Self { count, seen, done, errors, finished: Notify::new(), latency, stub, noted: Mutex::default() }
    }

    /// Until the last job has been handled.
    pub(super) async fn finished(&self) {
        self.finished.notified().await;
    }

    /// As the driver reads it.
    pub(super) fn report(&self) -> Value {
        let noted = self.noted();
        let between = |from: Option<Instant>, to: Option<Instant>| Some((to? - from?).as_secs_f64());
        let mut report = json!({
            "jobs": self.done.load(Ordering::Relaxed), "errs": self.errors.load(Ordering::Relaxed),
            "secs": between(noted.first, noted.last), "mid_secs": between(noted.tenth, noted.nine_tenths),
            "err1": noted.first_error,
        });
        if self.latency == Latency::Reported {
            // The first tenth warms up.
            let mut sorted = noted.latencies_us.iter().skip(noted.latencies_us.len() / 10).collect::<Vec<_>>();
            sorted.sort_unstable();
            let at = |thousandths: usize| {
                let place = (sorted.len() * thousandths / 1_000).min(sorted.len().saturating_sub(1));
                sorted.get(place).map(|micros| **micros as f64 / 1e3)
            };
            for (name, thousandths) in [("p50_ms", 500), ("p90_ms", 900), ("p99_ms", 990), ("max_ms", 1_000)] {
                report[name] = json!(at(thousandths));
            }
        }
        report
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(&self, order: &Order) -> Reading {
        if self.seen.fetch_add(1, Ordering::Relaxed) == 0 {
            self.noted().first = Some(Instant::now());
        }
        let reading = match &self.stub {
            None => Ok(reading("4200001234202603140123456789", None)),
            Some(stub) => stub.pay(order).await.map(|trade_no| reading(&trade_no, Some(200))),
        };
        let reading = reading.unwrap_or_else(|error| {
            self.errors.fetch_add(1, Ordering::Relaxed);
            self.noted().first_error.get_or_insert_with(|| error.to_string());
            Reading::of(Answer::Silent, error.to_string())
        });
        self.count_one(order);
        reading
    }

    fn count_one(&self, order: &Order) {
        if self.latency == Latency::Reported
            && let Some(submitted) = order.key.rsplit_once('-').and_then(|(_, at)| at.parse::<u64>().ok())
        {
            self.noted().latencies_us.push(wall_micros().saturating_sub(submitted));
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done == self.count / 10 {
            self.noted().tenth = Some(Instant::now());
        }
        if done == self.count / 10 * 9 {
            self.noted().nine_tenths = Some(Instant::now());
        }
        if done == self.count {
            self.noted().last = Some(Instant::now());
            self.finished.notify_one();
        }
    }
}

fn reading(trade_no: &str, http: Option<u16>) -> Reading {
    Reading {
        answer: Answer::Succeeded,
        trade_no: Some(trade_no.to_owned()),
        status: Some("1".into()),
        code: Some("10000".into()),
        message: None,
        request_id: None,
        http,
        amount: None,
    }
}

impl Gateway for Meter {
    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Reading> {
        Box::pin(self.handle(order))
    }

    fn ask<'a>(&'a self, _: &'a Order) -> BoxFuture<'a, Reading> {
        Box::pin(std::future::ready(Reading::of(Answer::Silent, "the stub cannot be asked")))
    }

    fn can_ask(&self, _: &Order) -> bool {
        false
    }

    fn resend_tells(&self) -> bool {
        true
    }
}

/// This machine's clock, the one thing that producer and worker share.
pub(super) fn wall_micros() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "two processes compare moments; no job's due time comes of it")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
