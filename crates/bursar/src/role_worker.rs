//! The worker's role: preflight, gateways, and work until `drain`. `bursar worker` and `bursar up` run it.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bursar_domain::{AccountName, AccountRules, Queue};
use bursar_gateways::{Gateway, Rate, SharedParts};
use bursar_store::Store;
use bursar_telemetry::{Metrics, Page, Traces};
use bursar_worker::{Account, Import, SendGate, Settings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{self, Config};
use crate::exit::{Context, Exit, Failure};
use crate::open_files::OpenFiles;
use crate::preflight::Preflight;
use crate::private_files::Part;
use crate::query_rate::AccountRate;
use crate::reload::{Reload, WorkerAccounts};
use crate::service_manager::ServiceManager;
use crate::{archive, balances, journals, listener, private_files, serve};

/// The interval of checks while a worker waits for a Redis that it may send on.
const WAIT_FOR_FIT: Duration = Duration::from_secs(2);

/// The most queues that the log names when a worker starts.
const MOST_NAMED: usize = 20;

/// Fewer accounts are not worth a thread.
const ACCOUNTS_OF_A_THREAD: usize = 32;

/// Works until `drain`. The caller has connected and started logging.
pub(crate) async fn run(
    reload: &Reload,
    store: Store,
    metrics: Arc<Metrics>,
    traces: Traces,
    files: OpenFiles,
    manager: &ServiceManager,
    drain: CancellationToken,
) -> Result<Exit, Failure> {
    let running = Arc::clone(&reload.config().borrow());
    let config = &*running;
    private_files::warn(config, Part::Worker);
    let parts = SharedParts::default();
    let WorkerAccounts { accounts, import: rules } = reload.worker(&metrics, &parts).await?;
    let mut preflight = Preflight::of_worker(reload.config(), store.clone(), Arc::clone(&metrics));
    let mut first = preflight.look().await?;
    // With a listener, `/readyz` reports the refusal until it is corrected. Without one, only an exit is noticed.
    if first == SendGate::Closed && config.worker.listen.is_none() {
        return Ok(Exit::No);
    }
    let _listener = match config.worker.listen {
        Some(address) => {
            let (worker, stored) = (Some(Arc::clone(&metrics)), serve::stored(config, &store));
            reload.stored(&stored).await;
            let (listeners, unfit) = (Arc::default(), Arc::default());
            let page = Page { worker, webhooks: None, listeners, reloads: reload.metrics(), stored, unfit };
            Some(listener::start(address, files.monitoring, page).await?)
        }
        None => None,
    };
    while first == SendGate::Closed {
        metrics.pulse().tried();
        if drain.run_until_cancelled(tokio::time::sleep(WAIT_FOR_FIT)).await.is_none() {
            return Ok(Exit::Done);
        }
        first = preflight.look().await.unwrap_or(SendGate::Closed);
    }
    let (gate_sender, fit) = watch::channel(first);
    let name = worker_name();
    let incarnation = journals::begin(config, &store).await?;
    let archiving = archive::open(config).await?;
    let settings = Settings {
        archiving,
        journal: journals::open(&config.journal, &name, &incarnation)?,
        expected: Some(journals::expected(config, &incarnation)),
        name,
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        concurrency: config.worker.concurrency,
        lease: config.worker.lease,
        drain: config.worker.drain,
        retention: config.redis.retention,
        metrics: Arc::clone(&metrics),
        traces,
    };
    let queues = named(&config.queues());
    tracing::info!(worker = settings.name, queues, concurrency = settings.concurrency, "working");
    let import = Import {
        name: settings.name.clone(),
        queues: config.import.queues.clone(),
        accounts: rules,
        metrics: Arc::clone(&settings.metrics),
    };
    let balances = balances::follow(reload.config(), &store, &metrics, &parts);
    manager.ready();
    // A worker that ends for any reason has cancelled `drain` for the tasks that run with it.
    let working = async {
        tokio::join!(
            bursar_worker::run(store.clone(), settings, accounts, fit, drain.clone()),
            import.run(&store, &drain),
            drain.run_until_cancelled(balances)
        )
        .0
    };
    tokio::select! {
        worked = working => worked?,
        () = preflight.look_again_and_again(|fit| { gate_sender.send_replace(fit); }) => {}
    }
    tracing::info!("drained");
    Ok(Exit::Done)
}

/// The queues' names, as many as fit into a line of the log.
fn named(queues: &[Queue]) -> String {
    let names: Vec<String> = queues.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    match queues.len() - names.len() {
        0 => names.join(" "),
        more => format!("{} and {more} more", names.join(" ")),
    }
}

/// The configured imports.
pub(crate) fn import(config: &Config, name: &str, metrics: Arc<Metrics>) -> Import {
    let accounts = watch::channel(rules(config)).1;
    Import { name: name.to_owned(), queues: config.import.queues.clone(), accounts, metrics }
}

/// The rules of every account, by its name.
pub(crate) fn rules(config: &Config) -> HashMap<String, AccountRules> {
    config.accounts.iter().map(|(name, account)| (name.to_string(), account.rules())).collect()
}

/// The worker's metrics, with the longest time of its calls.
pub(crate) fn counted(config: &Config) -> Arc<Metrics> {
    let metrics = Metrics::default();
    for account in config.accounts.values() {
        metrics.pulse().slowest_call(account.keys.call_timeout);
    }
    Arc::new(metrics)
}

/// Each of these accounts with its gateway, its keys read and checked, by as many threads as the machine has: checking the numbers of a key takes
/// most of a millisecond, and each merchant may have its own.
pub(crate) fn accounts(
    accounts: &[(&AccountName, &config::Account)],
    store: &Store,
    parts: &SharedParts,
) -> Result<Vec<Account>, Failure> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let of_a_thread = accounts.len().div_ceil(threads).max(ACCOUNTS_OF_A_THREAD);
    thread::scope(|scope| {
        let read = |accounts: &[(&AccountName, &config::Account)]| -> Result<Vec<Account>, Failure> {
            accounts.iter().map(|(name, account)| self::account(name, account, store, parts)).collect()
        };
        let threads: Vec<_> = accounts.chunks(of_a_thread).map(|some| scope.spawn(move || read(some))).collect();
        let mut accounts = Vec::with_capacity(accounts.len());
        for thread in threads {
            let read = thread.join().map_err(|_| Failure::no("an account could not be read: its thread panicked"))?;
            accounts.extend(read?);
        }
        Ok(accounts)
    })
}

fn account(
    name: &AccountName,
    account: &config::Account,
    store: &Store,
    parts: &SharedParts,
) -> Result<Account, Failure> {
    Ok(Account {
        name: name.clone(),
        gateway: paced_gateway(name, account, store, parts)?,
        identity: account.identity(),
        host: host_of(&account.keys.base_url),
        policy: account.policy.clone(),
        rate_per_second: account.keys.rate_per_second,
        kinds: account.rules().kinds(),
    })
}

/// Host and port of an address.
fn host_of(base_url: &str) -> String {
    let url = Url::parse(base_url).ok();
    let host = |url: &Url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
    url.as_ref().and_then(host).unwrap_or_default()
}

/// An account's gateway, for callers that make no request or take a rate token for each.
pub(crate) fn gateway(name: &str, account: &config::Account, parts: &SharedParts) -> Result<Arc<dyn Gateway>, Failure> {
    gateway_within(name, account, None, parts)
}

/// The same for callers that take a token for a call's first request only: further requests take theirs from the account's rate.
pub(crate) fn paced_gateway(
    name: &AccountName,
    account: &config::Account,
    store: &Store,
    parts: &SharedParts,
) -> Result<Arc<dyn Gateway>, Failure> {
    let rate = AccountRate::new(store.clone(), name.clone(), account.keys.rate_per_second);
    gateway_within(name.as_str(), account, Some(Arc::new(rate)), parts)
}

fn gateway_within(
    name: &str,
    account: &config::Account,
    rate: Option<Arc<dyn Rate>>,
    parts: &SharedParts,
) -> Result<Arc<dyn Gateway>, Failure> {
    let gateway = account.gateway_settings(name)?.gateway(parts, rate).context(format_args!("accounts.{name}"))?;
    account.check_key(name)?;
    Ok(gateway)
}

/// Unique per process start: a repeated name would inherit the leases of a dead worker.
fn worker_name() -> String {
    let host: String =
        gethostname::gethostname().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    format!("{host}-{}-{:06x}", std::process::id(), fastrand::u32(..1 << 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_names_some_queues_of_many() {
        let queues =
            |count: usize| (0..count).map(|at| format!("m{at}/split").parse().unwrap()).collect::<Vec<Queue>>();
        assert_eq!(named(&queues(2)), "m0/split m1/split");
        assert!(named(&queues(MOST_NAMED)).ends_with(" m19/split"));
        assert!(named(&queues(MOST_NAMED + 3)).ends_with(" m19/split and 3 more"));
    }
}
