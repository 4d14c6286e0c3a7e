//! Checks that Redis keeps a payment's records safely: when a process starts, over each new connection, and every ten seconds. A server
//! can be reconfigured, replaced or filled at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_gateways::local_now_ms;
use bursar_store::{CLUSTER, Finding, PreflightInput, Severity, Store, StoreError};
use bursar_telemetry::Metrics;
use bursar_worker::SendGate;
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::renamed;

/// The interval of checks over one connection. A setting that is changed at run time is noticed within this time.
const ROUND: Duration = Duration::from_secs(10);

/// The wait after a check that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// One process's checks of its Redis.
pub(crate) struct Preflight {
    /// The configuration in force.
    config: watch::Receiver<Arc<Config>>,
    store: Store,
    /// A worker's metrics. A server has none.
    worker: Option<Arc<Metrics>>,
    unfit: Arc<AtomicBool>,
    /// The last logged findings: a check without news logs nothing.
    reported: BTreeMap<&'static str, Severity>,
    /// True once jobs of renamed accounts were searched: once, before the first send.
    renames_seen: bool,
}

impl Preflight {
    pub(crate) fn of_worker(config: watch::Receiver<Arc<Config>>, store: Store, metrics: Arc<Metrics>) -> Self {
        for advice in config.borrow().advice() {
            tracing::warn!(check = "configuration", "{} {}", advice.key, advice.text);
        }
        let worker = Some(metrics);
        Self { config, store, worker, unfit: Arc::default(), reported: BTreeMap::new(), renames_seen: false }
    }

    /// A server sends nothing, and is not ready on a Redis that its workers would refuse.
    pub(crate) fn of_server(config: watch::Receiver<Arc<Config>>, store: Store) -> Self {
        if let Some(advice) = config.borrow().server_advice() {
            tracing::warn!(check = "configuration", "{} {}", advice.key, advice.text);
        }
        let unfit = Arc::new(AtomicBool::new(true));
        Self { config, store, worker: None, unfit, reported: BTreeMap::new(), renames_seen: true }
    }

    /// True if the last check refused this Redis.
    pub(crate) fn unfit(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.unfit)
    }

    /// Checks once, and logs every finding that is new.
    ///
    /// # Errors
    /// [`StoreError`] when Redis does not answer: then nothing is known.
    pub(crate) async fn look(&mut self) -> Result<SendGate, StoreError> {
        let config = Arc::clone(&self.config.borrow());
        let connection = self.store.connection_id().await?;
        let findings = self.store.preflight_over(connection, &wanted(&config)).await?;
        let refused = |finding: &&Finding| finding.severity == Severity::Refuse;
        let news = findings.iter().filter(|finding| self.reported.get(finding.check) != Some(&finding.severity));
        let news: Vec<Finding> = news.cloned().collect();
        for Finding { severity, check, text } in news {
            match self.reported.insert(check, severity) {
                None if severity == Severity::Fine => {}
                _ => report(severity, check, &text, config.redis.preflight),
            }
        }
        let overruled = config.redis.preflight == config::Preflight::Warn
            && !findings.iter().filter(refused).any(|finding| finding.check == CLUSTER);
        let fit = match (findings.iter().any(|finding| refused(&finding)), overruled) {
            (_, true) => SendGate::Open,
            (false, false) => SendGate::OpenOver(connection),
            (true, false) => SendGate::Closed,
        };
        if fit != SendGate::Closed && !self.renames_seen {
            renamed::pause_with_another_name(&config, &self.store).await?;
            self.renames_seen = true;
        }
        self.unfit.store(fit == SendGate::Closed, Ordering::Relaxed);
        if let Some(metrics) = &self.worker {
            metrics.preflight(findings.iter().filter_map(grave));
            metrics.set_sends_allowed(fit != SendGate::Closed);
            if let Err(error) = self.store.serves(&config.queues()).await {
                tracing::debug!(error = %error.chain(), "cannot tell Redis which queues this worker serves");
            }
        }
        Ok(fit)
    }

    /// Checks over each new connection and at the interval, and passes the result on. Never ends: while Redis does not answer, nothing is
    /// sent either way.
    pub(crate) async fn look_again_and_again(&mut self, report: impl Fn(SendGate)) {
        let mut connections = self.store.connection_ids();
        let mut wait = ROUND;
        loop {
            tokio::select! {
                () = connections.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = ROUND;
            match self.look().await {
                Ok(fit) => report(fit),
                Err(error) => {
                    wait = AGAIN;
                    tracing::debug!(error = %error.chain(), "the preflight could not check Redis");
                }
            }
        }
    }
}

fn grave(finding: &Finding) -> Option<(&'static str, &'static str)> {
    match finding.severity {
        Severity::Fine => None,
        Severity::Warn => Some((finding.check, "warn")),
        Severity::Refuse => Some((finding.check, "refuse")),
    }
}

fn report(severity: Severity, check: &'static str, text: &str, policy: config::Preflight) {
    match severity {
        Severity::Fine => tracing::info!(check, "{check} is fine again: {text}"),
        Severity::Warn => tracing::warn!(check, "{check}: {text}"),
        Severity::Refuse if policy == config::Preflight::Warn && check != CLUSTER => {
            tracing::error!(check, "{check}: {text} (sending anyway: redis.preflight is \"warn\")");
        }
        Severity::Refuse => tracing::error!(
            check,
            "{check}: {text}. No money is sent on this Redis; `bursar doctor` reports the same. Correct it, or set redis.preflight = \"warn\" at your own risk"
        ),
    }
}

/// The values that the preflight compares with.
pub(crate) fn wanted(config: &Config) -> PreflightInput {
    let slowest = config.accounts.iter().max_by_key(|(_, account)| account.keys.call_timeout);
    PreflightInput {
        url: config.redis.url.expose().to_owned(),
        lease: config.worker.lease,
        call_timeout: slowest.map(|(name, account)| (name.to_string(), account.keys.call_timeout)),
        local_now_ms: local_now_ms(),
    }
}
