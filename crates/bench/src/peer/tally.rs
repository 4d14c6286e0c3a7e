//! Counts jobs as a peer's worker handles them, and sends the reports that the driver requests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Reports the time from submission to the answer, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Latency {
    Reported,
    Ignored,
}

/// The count of one run.
pub(super) struct Tally {
    count: u32,
    seen: AtomicU32,
    done: AtomicU32,
    errors: AtomicU32,
    finished: Notify,
    latency: Latency,
    noted: Mutex<Noted>,
}

/// Values that are written at a few moments only.
#[derive(Default)]
struct Noted {
    first: Option<Instant>,
    tenth: Option<Instant>,
    nine_tenths: Option<Instant>,
    last: Option<Instant>,
    first_error: Option<String>,
    latencies_us: Vec<u64>,
}

impl Tally {
    pub(super) fn new(count: u32, latency: Latency) -> Self {
        let zero = || AtomicU32::new(0);
        let (seen, done, errors) = (zero(), zero(), zero());
        Self { count, seen, done, errors, finished: Notify::new(), latency, noted: Mutex::default() }
    }

    /// A job has reached its handler.
    pub(super) fn begin(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) == 0 {
            self.noted().first = Some(Instant::now());
        }
    }

    /// The handler of a job failed; the first reason is reported.
    pub(super) fn fail(&self, reason: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.noted().first_error.get_or_insert_with(|| reason.to_owned());
    }

    /// Counts a handled job, whatever its outcome, with the time of its submission by [`wall_micros`].
    pub(super) fn end(&self, submitted_us: impl FnOnce() -> Option<u64>) {
        if self.latency == Latency::Reported
            && let Some(submitted_us) = submitted_us()
        {
            self.noted().latencies_us.push(wall_micros().saturating_sub(submitted_us));
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
}

/// This machine's clock, the one thing that producer and worker share.
pub(super) fn wall_micros() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "two processes compare moments; no job's due time comes of it")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
