//! The worker role: preflight, gateways, and work until told to drain. `bursar worker` and `bursar up` are this.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bursar_domain::AccountName;
use bursar_gateways::{Beingfi, Gateway, Rate, Yzt};
use bursar_store::Store;
use bursar_telemetry::{Metrics, Page, Traces};
use bursar_worker::{Account, Fit, Intake, Settings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::accounts::GatewaySettings;
use crate::balances::Balances;
use crate::cli::Exit;
use crate::config::{self, Config};
use crate::pace::AccountRate;
use crate::preflight::Preflight;
use crate::{journals, listener, serve};

/// How often a worker that waits for a Redis that is fit for money looks at it.
const WAIT_FOR_FIT: Duration = Duration::from_secs(2);

/// Works until `drain`. The caller has connected and started logging.
pub(crate) async fn work(
    config: &Config,
    store: Store,
    metrics: Arc<Metrics>,
    traces: Traces,
    drain: CancellationToken,
) -> anyhow::Result<Exit> {
    let accounts = accounts(config, &store)?;
    let mut preflight = Preflight::of_worker(config, store.clone(), Arc::clone(&metrics));
    let mut first = preflight.look().await?;
    // Where somebody asks `/readyz`, it is told there until it is mended. Elsewhere only the end is noticed.
    if first == Fit::NotForMoney && config.worker.listen.is_none() {
        return Ok(Exit::No);
    }
    let _listener = match config.worker.listen {
        Some(address) => {
            let (worker, stored) = (Some(Arc::clone(&metrics)), serve::stored(config, &store));
            Some(listener::start(address, Page { worker, callbacks: None, stored, unfit: Arc::default() }).await?)
        }
        None => None,
    };
    while first == Fit::NotForMoney {
        metrics.pulse().tried();
        if drain.run_until_cancelled(tokio::time::sleep(WAIT_FOR_FIT)).await.is_none() {
            return Ok(Exit::Done);
        }
        first = preflight.look().await.unwrap_or(Fit::NotForMoney);
    }
    let (tell, fit) = watch::channel(first);
    let name = worker_name();
    let incarnation = journals::begin(config, &store).await?;
    let settings = Settings {
        journal: journals::open(&config.journal, &name, &incarnation)?,
        expected: journals::expected(config, &incarnation),
        name,
        concurrency: config.worker.concurrency,
        lease: config.worker.lease,
        drain: config.worker.drain,
        retention: config.redis.retention,
        metrics: Arc::clone(&metrics),
        traces,
    };
    let lanes: Vec<String> = config.lanes().iter().map(ToString::to_string).collect();
    tracing::info!(worker = settings.name, lanes = lanes.join(" "), concurrency = settings.concurrency, "working");
    let intake = intake(config, &settings.name, Arc::clone(&settings.metrics));
    let balances = Balances::of(config, &store, &settings.metrics)?;
    // A worker that ends, for whatever reason, has told everything beside it to drain.
    let working = async {
        tokio::join!(
            bursar_worker::run(store.clone(), settings, accounts, fit, drain.clone()),
            intake.run(&store, &drain),
            balances.run(&drain)
        )
        .0
    };
    tokio::select! {
        worked = working => worked?,
        () = preflight.look_again_and_again(|fit| { tell.send_replace(fit); }) => {}
    }
    tracing::info!("drained");
    Ok(Exit::Done)
}

/// The doors that this configuration opens beside the others.
pub(crate) fn intake(config: &Config, name: &str, metrics: Arc<Metrics>) -> Intake {
    let accounts = config.accounts.iter().map(|(name, account)| (name.to_string(), account.rules()));
    Intake { name: name.to_owned(), queues: config.intake.queues.clone(), accounts: accounts.collect(), metrics }
}

/// What the worker counts, knowing how long its calls may take.
pub(crate) fn counted(config: &Config) -> Arc<Metrics> {
    let metrics = Metrics::default();
    for account in config.accounts.values() {
        metrics.pulse().slowest_call(account.call_timeout);
    }
    Arc::new(metrics)
}

/// Each account with its gateway, its keys read and checked.
fn accounts(config: &Config, store: &Store) -> anyhow::Result<Vec<Account>> {
    let accounts = config.accounts.iter().map(|(name, account)| {
        Ok(Account {
            name: name.clone(),
            gateway: paced_gateway(name, account, store)?,
            identity: account.identity(),
            policy: account.policy.clone(),
            rate_per_second: account.rate_per_second,
            kinds: account.rules().kinds().to_vec(),
        })
    });
    accounts.collect()
}

/// One account's way to its gateway, for those who make no request or pay for each themselves.
pub(crate) fn gateway(name: &str, account: &config::Account) -> anyhow::Result<Arc<dyn Gateway>> {
    gateway_within(name, account, None)
}

/// The same for those who pay for a call's first request only: the others take their places in the account's rate.
pub(crate) fn paced_gateway(
    name: &AccountName,
    account: &config::Account,
    store: &Store,
) -> anyhow::Result<Arc<dyn Gateway>> {
    let rate = AccountRate::new(store.clone(), name.clone(), account.rate_per_second);
    gateway_within(name.as_str(), account, Some(Arc::new(rate)))
}

fn gateway_within(
    name: &str,
    account: &config::Account,
    rate: Option<Arc<dyn Rate>>,
) -> anyhow::Result<Arc<dyn Gateway>> {
    let of_account = || format!("accounts.{name}");
    Ok(match account.gateway_settings(name)? {
        GatewaySettings::Yzt(settings) => {
            let yzt = Yzt::new(settings).with_context(of_account)?;
            Arc::new(match rate {
                Some(rate) => yzt.within(rate),
                None => yzt,
            })
        }
        // Each of its calls is one request.
        GatewaySettings::Beingfi(settings) => Arc::new(Beingfi::new(settings).with_context(of_account)?),
    })
}

/// Unique per process start: a name that comes back would inherit the leases of the dead.
fn worker_name() -> String {
    let host: String =
        gethostname::gethostname().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    format!("{host}-{}-{:06x}", std::process::id(), fastrand::u32(..1 << 24))
}
