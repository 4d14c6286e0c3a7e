//! Whether Redis may hold money: looked at when a worker starts, and every minute after, for a server can be reconfigured,
//! replaced or filled while everybody sleeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_gateways::local_now_ms;
use bursar_store::{Finding, Severity, Store, StoreError, Wanted};
use bursar_telemetry::Metrics;
use bursar_worker::Fit;
use tokio::sync::watch;

use crate::config::{self, Config};

/// How often a working worker looks again.
const ROUND: Duration = Duration::from_secs(60);

/// One worker's looks at its Redis.
pub(crate) struct Preflight<'a> {
    config: &'a Config,
    store: Store,
    metrics: Arc<Metrics>,
    /// What was told of last, so that a minute without news tells nothing.
    told: BTreeMap<&'static str, Severity>,
}

impl<'a> Preflight<'a> {
    pub(crate) fn new(config: &'a Config, store: Store, metrics: Arc<Metrics>) -> Self {
        for advice in config.advice() {
            tracing::warn!(check = "configuration", "{} {}", advice.key, advice.text);
        }
        Self { config, store, metrics, told: BTreeMap::new() }
    }

    /// Looks once, and tells of what is not fine and has not been told yet.
    ///
    /// # Errors
    /// [`StoreError`] when Redis does not answer: then nothing can be told.
    pub(crate) async fn look(&mut self) -> Result<Fit, StoreError> {
        let findings = self.store.preflight(&wanted(self.config)).await?;
        let refused = findings.iter().any(|finding| finding.severity == Severity::Refuse);
        let news = findings.iter().filter(|finding| self.told.get(finding.check) != Some(&finding.severity));
        let news: Vec<Finding> = news.cloned().collect();
        let overruled = self.config.redis.preflight == config::Preflight::Warn;
        for Finding { severity, check, text } in news {
            match self.told.insert(check, severity) {
                None if severity == Severity::Fine => {}
                _ => tell(severity, check, &text, self.config.redis.preflight),
            }
        }
        let grave = findings.iter().filter_map(|finding| match finding.severity {
            Severity::Fine => None,
            Severity::Warn => Some((finding.check, "warn")),
            Severity::Refuse => Some((finding.check, "refuse")),
        });
        self.metrics.preflight(grave);
        let fit = !refused || overruled;
        self.metrics.fit_for_money(fit);
        Ok(if fit { Fit::ForMoney } else { Fit::NotForMoney })
    }

    /// Looks every minute, and says what it comes to. Never ends: a Redis that does not answer now sends nothing either way.
    pub(crate) async fn look_again_and_again(&mut self, tell: watch::Sender<Fit>) {
        loop {
            tokio::time::sleep(ROUND).await;
            match self.look().await {
                Ok(fit) => {
                    tell.send_replace(fit);
                }
                Err(error) => tracing::warn!(error = %error.chain(), "the preflight could not look at Redis"),
            }
        }
    }
}

fn tell(severity: Severity, check: &'static str, text: &str, policy: config::Preflight) {
    match severity {
        Severity::Fine => tracing::info!(check, "{check} is fine again: {text}"),
        Severity::Warn => tracing::warn!(check, "{check}: {text}"),
        Severity::Refuse if policy == config::Preflight::Warn => {
            tracing::error!(check, "{check}: {text} (sending all the same: redis.preflight is \"warn\")");
        }
        Severity::Refuse => tracing::error!(
            check,
            "{check}: {text}. No money is sent on this Redis; `bursar doctor` tells the same. Mend it, or set redis.preflight = \"warn\" at your own risk"
        ),
    }
}

/// What the preflight must compare with.
pub(crate) fn wanted(config: &Config) -> Wanted {
    let slowest = config.accounts.iter().max_by_key(|(_, account)| account.call_timeout);
    Wanted {
        url: config.redis.url.expose().to_owned(),
        lease: config.worker.lease,
        call_timeout: slowest.map(|(name, account)| (name.to_string(), account.call_timeout)),
        local_now_ms: local_now_ms(),
    }
}
