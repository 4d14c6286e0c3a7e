//! The worker's heartbeat, and why its calls fail.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bursar_domain::{Call, Millis, Outcome, ParsedResponse, Received};
use bursar_store::{CallError, HEARTBEAT_EVERY, Heartbeat, QUEUES_NAMED};
use tokio_util::sync::CancellationToken;

use crate::queues::ServedQueue;
use crate::shared::Shared;

/// Responses in a row after which a gateway counts as well again.
const WELL_AFTER: u32 = 20;

/// The facts of a heartbeat that nothing else remembers.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// In Redis time (ms); 0 before the first.
    last_claim: AtomicU64,
    last_error: Mutex<Option<CallError>>,
}

impl Activity {
    /// Jobs were claimed at that time.
    pub(crate) fn claimed(&self, at: Millis) {
        self.last_claim.store(at.0, Ordering::Relaxed);
    }

    fn failed(&self, error: CallError) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Whether the calls of one queue get responses, for a line of the log at each change.
#[derive(Debug, Default)]
pub(crate) struct CallHealth {
    is_failing: AtomicBool,
    responses: AtomicU32,
    /// The last error without its numbers, which differ between calls.
    last: Mutex<String>,
}

/// A change that the log should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HealthChange {
    /// Calls fail, for another reason than before.
    Fails,
    /// They get responses again.
    IsWell,
}

impl CallHealth {
    /// A call got a response.
    fn responded(&self) -> Option<HealthChange> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let is_well = self.responses.fetch_add(1, Ordering::Relaxed) + 1 == WELL_AFTER;
        if is_well {
            self.is_failing.store(false, Ordering::Relaxed);
            self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        is_well.then_some(HealthChange::IsWell)
    }

    /// A call got none, and this is why.
    fn failed(&self, error: &str) -> Option<HealthChange> {
        let kind: String = error.chars().filter(|character| !character.is_ascii_digit()).collect();
        self.responses.store(0, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = self.is_failing.swap(true, Ordering::Relaxed) && *last == kind;
        *last = kind;
        (!is_known).then_some(HealthChange::Fails)
    }
}

impl ServedQueue {
    /// Notes the result of a call. The log says once why calls fail, and once that they do no longer.
    pub(crate) fn note_call(&self, activity: &Activity, call: Call, parsed: &ParsedResponse, now: Millis) {
        let (queue, host, call) = (&self.queue, &self.host, call.as_str());
        let is_failure = match parsed.outcome {
            Outcome::NoResponse => true,
            Outcome::NotExecuted => parsed.received == Received::Nothing, // no connection, and no word of the gateway
            Outcome::NotReady
            | Outcome::Misconfigured
            | Outcome::Rejected
            | Outcome::Accepted
            | Outcome::Succeeded
            | Outcome::Failed
            | Outcome::Refunded
            | Outcome::NotFound
            | Outcome::Mismatch => false,
        };
        if !is_failure {
            if self.call_health().responded().is_some() {
                tracing::info!(%queue, host, "the gateway responds to calls again");
            }
            return;
        }
        let error = failure(parsed);
        let error = CallError::new(now, queue, host, &error);
        if self.call_health().failed(&error.error).is_some() {
            let error = &error.error;
            tracing::warn!(%queue, host, call, error, "a call got no reliable response; the next line comes when this changes");
        }
        activity.failed(error);
    }
}

/// Why a call has no reliable response.
pub(crate) fn failure(parsed: &ParsedResponse) -> String {
    let message = parsed.message.as_deref().unwrap_or("no reason is known");
    parsed.http.map_or_else(|| message.to_owned(), |status| format!("HTTP {status}: {message}"))
}

/// Writes heartbeats until `stopped`, then removes the worker.
pub(crate) async fn beat(shared: Shared, stopped: CancellationToken) {
    let (settings, store) = (&shared.settings, &shared.store);
    let mut started_at = None;
    loop {
        let now = match shared.memory.clock() {
            Some(now) => Some(now),
            None => store.now().await.ok(),
        };
        if let Some(now) = now {
            let started_at = *started_at.get_or_insert(now);
            let beat = shared.record(now, started_at);
            if let Err(error) = store.heartbeat(&settings.name, &beat).await {
                tracing::debug!(error = %error.chain(), "the heartbeat could not be written");
            }
        }
        if stopped.run_until_cancelled(tokio::time::sleep(HEARTBEAT_EVERY)).await.is_none() {
            break;
        }
    }
    if let Err(error) = store.remove_worker(&settings.name).await {
        tracing::debug!(error = %error.chain(), "this worker is shown as gone for a while");
    }
}

impl Shared {
    fn record(&self, now: Millis, started_at: Millis) -> Heartbeat {
        let mut served = self.queues.served();
        served.sort(); // in the order in which they were first served
        let named = served.iter().take(QUEUES_NAMED).map(|number| self.queues.get(*number).queue.to_string());
        let (settings, activity) = (&self.settings, &self.activity);
        let last_claim = activity.last_claim.load(Ordering::Relaxed);
        Heartbeat {
            host: settings.host.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            at: now,
            queues: named.collect(),
            queue_count: served.len(),
            calls_in_flight: settings.metrics.in_flight(),
            concurrency: u64::try_from(settings.concurrency).unwrap_or(u64::MAX),
            sends_allowed: settings.metrics.sends_allowed(),
            draining: settings.metrics.pulse().is_draining(),
            last_claim_at: (last_claim > 0).then_some(Millis(last_claim)),
            last_error: activity.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_until_it_changes() {
        let health = CallHealth::default();
        assert_eq!(health.responded(), None);
        let refused = "cannot connect to 10.0.0.1:443 (os error 111)";
        assert_eq!(health.failed(refused), Some(HealthChange::Fails));
        for _ in 0..100 {
            assert_eq!(health.failed("cannot connect to 10.0.0.2:443 (os error 111)"), None, "only numbers differ");
        }
        assert_eq!(health.failed("no response within 30s"), Some(HealthChange::Fails));
        assert_eq!(health.failed(refused), Some(HealthChange::Fails));
    }

    #[test]
    fn single_responses_do_not_end_a_failure() {
        let health = CallHealth::default();
        health.failed("reset");
        for _ in 1..WELL_AFTER {
            assert_eq!(health.responded(), None);
        }
        assert_eq!(health.failed("reset"), None, "the same failure goes on");
        let changes: Vec<_> = (0..2 * WELL_AFTER).filter_map(|_| health.responded()).collect();
        assert_eq!(changes, [HealthChange::IsWell]);
        assert_eq!(health.failed("reset"), Some(HealthChange::Fails));
    }
}
