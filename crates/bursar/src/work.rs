//! The worker role: preflight, gateways, and work until told to drain. `bursar worker` and `bursar up` are this.

use std::sync::Arc;

use anyhow::Context;
use bursar_gateways::{Beingfi, Gateway, Yzt};
use bursar_store::{Finding, Severity, Store, Wanted};
use bursar_worker::{Account, Settings};
use tokio_util::sync::CancellationToken;

use crate::accounts::GatewaySettings;
use crate::cli::Exit;
use crate::config::{self, Config, Preflight};

/// Works until `drain`. The caller has connected and started logging.
pub(crate) async fn work(config: &Config, store: Store, drain: CancellationToken) -> anyhow::Result<Exit> {
    let accounts = accounts(config)?;
    if !fit_for_money(config, &store).await? {
        return Ok(Exit::No);
    }
    let settings = Settings {
        name: worker_name(),
        concurrency: config.worker.concurrency,
        lease: config.worker.lease,
        drain: config.worker.drain,
        retention: config.redis.retention,
    };
    let lanes: Vec<String> = config.lanes().iter().map(ToString::to_string).collect();
    tracing::info!(worker = settings.name, lanes = lanes.join(" "), concurrency = settings.concurrency, "working");
    bursar_worker::run(store, settings, accounts, drain).await?;
    tracing::info!("drained");
    Ok(Exit::Done)
}

/// Each account with its gateway, its keys read and checked.
fn accounts(config: &Config) -> anyhow::Result<Vec<Account>> {
    let accounts = config.accounts.iter().map(|(name, account)| {
        Ok(Account {
            name: name.clone(),
            gateway: gateway(name.as_str(), account)?,
            policy: account.policy.clone(),
            rate_per_second: account.rate_per_second,
            kinds: account.rules().kinds().to_vec(),
        })
    });
    accounts.collect()
}

/// One account's way to its gateway.
pub(crate) fn gateway(name: &str, account: &config::Account) -> anyhow::Result<Arc<dyn Gateway>> {
    let of_account = || format!("accounts.{name}");
    Ok(match account.gateway_settings(name)? {
        GatewaySettings::Yzt(settings) => Arc::new(Yzt::new(settings).with_context(of_account)?),
        GatewaySettings::Beingfi(settings) => Arc::new(Beingfi::new(settings).with_context(of_account)?),
    })
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

/// Logs what the configuration should not allow, and every finding that is not fine; `false` when one of them refuses and the configuration does not overrule it.
async fn fit_for_money(config: &Config, store: &Store) -> anyhow::Result<bool> {
    for advice in config.advice() {
        tracing::warn!(check = "configuration", "{} {}", advice.key, advice.text);
    }
    let findings = store.preflight(&wanted(config)).await?;
    let mut fit = true;
    for Finding { severity, check, text } in findings {
        match (severity, config.redis.preflight) {
            (Severity::Fine, _) => {}
            (Severity::Warn, _) => tracing::warn!(check, "{text}"),
            (Severity::Refuse, Preflight::Warn) => {
                tracing::error!(check, "{text} (sending all the same: redis.preflight is \"warn\")");
            }
            (Severity::Refuse, Preflight::Refuse) => {
                tracing::error!(check, "{text}");
                fit = false;
            }
        }
    }
    if !fit {
        tracing::error!(
            "no money is sent on this Redis; `bursar doctor` tells the same. Mend it, or set redis.preflight = \"warn\" at your own risk"
        );
    }
    Ok(fit)
}

/// Unique per process start: a name that comes back would inherit the leases of the dead.
fn worker_name() -> String {
    let host: String =
        gethostname::gethostname().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    format!("{host}-{}-{:06x}", std::process::id(), fastrand::u32(..1 << 24))
}

#[allow(clippy::disallowed_methods, reason = "the preflight compares this machine's clock with Redis's")]
fn local_now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
