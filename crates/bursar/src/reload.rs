//! Reads the configuration again while a process runs: at SIGHUP, and at an interval if `reload.every` sets one.
//!
//! Accounts are replaced as a whole, after everything about the new ones was read and checked. If anything is wrong, nothing changes. A call
//! in flight is finished with the settings that it began with.

mod change;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bursar_domain::{AccountName, AccountRules};
use bursar_gateways::SharedParts;
use bursar_server::{NotificationAccount, ServerAccounts};
use bursar_store::{Origin, Store, chain};
use bursar_telemetry::{Metrics, ReloadMetrics, ReloadResult, Stored, Traces};
use bursar_worker::Account;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exit::Failure;
use crate::{process_audit, renamed, role_webhooks, role_worker, serve};

pub(crate) use change::Reads;
use change::{Change, Contents};

/// A process's accounts, and everything in it that follows them.
pub(crate) struct Reload {
    file: Option<PathBuf>,
    reads: Reads,
    /// The configuration as it was read at the start.
    started: Config,
    store: Store,
    metrics: Arc<ReloadMetrics>,
    /// The configuration in force.
    config: watch::Sender<Arc<Config>>,
    followers: Mutex<Followers>,
}

/// The parts of the process that follow its accounts.
#[derive(Default)]
struct Followers {
    contents: Contents,
    worker: Option<Worker>,
    server: Option<Server>,
    origins: Option<watch::Sender<Vec<Origin>>>,
    stored: Vec<Arc<Stored>>,
    /// The result of the last look at the files, so that a watched file that stays wrong is reported once.
    seen: Option<Seen>,
    /// The reason why it is not in force.
    refused: Option<String>,
}

/// The occasion of a look at the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// SIGHUP: the result is reported in any case.
    Signal,
    /// The interval: what has been reported is not reported again.
    Interval,
}

/// The result of reading the configuration, or the reason why it cannot be used.
type Seen = Result<(Config, Contents), String>;

struct Worker {
    accounts: watch::Sender<Vec<Account>>,
    import: watch::Sender<HashMap<String, AccountRules>>,
    metrics: Arc<Metrics>,
}

struct Server {
    accounts: ServerAccounts,
    traces: Traces,
}

/// The accounts of a worker, as they are replaced.
pub(crate) struct WorkerAccounts {
    pub(crate) accounts: watch::Receiver<Vec<Account>>,
    /// The rules for imported tasks.
    pub(crate) import: watch::Receiver<HashMap<String, AccountRules>>,
}

impl Reload {
    /// For a process that has read `started` from `file`, and works with `config`: the same, or on another Redis.
    pub(crate) fn of(
        file: Option<PathBuf>,
        reads: Reads,
        started: Config,
        config: &Config,
        store: &Store,
    ) -> Arc<Self> {
        let contents = change::contents(config, reads);
        Arc::new(Self {
            file,
            reads,
            started,
            store: store.clone(),
            metrics: Arc::default(),
            config: watch::channel(Arc::new(config.clone())).0,
            followers: Mutex::new(Followers { contents, ..Followers::default() }),
        })
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    /// The metrics of reloads.
    pub(crate) fn metrics(&self) -> Arc<ReloadMetrics> {
        Arc::clone(&self.metrics)
    }

    /// The worker's accounts by the configuration in force. They follow from now on.
    ///
    /// # Errors
    /// [`Failure`] of the first account that cannot be used.
    pub(crate) async fn worker(&self, metrics: &Arc<Metrics>, parts: &SharedParts) -> Result<WorkerAccounts, Failure> {
        let mut followers = self.followers.lock().await; // no reload comes between
        let config = Arc::clone(&self.config.borrow());
        let configured: Vec<_> = config.accounts.iter().collect();
        let (accounts, follow) = watch::channel(role_worker::accounts(&configured, &self.store, parts)?);
        let (import, follow_import) = watch::channel(role_worker::rules(&config));
        followers.worker = Some(Worker { accounts, import, metrics: Arc::clone(metrics) });
        Ok(WorkerAccounts { accounts: follow, import: follow_import })
    }

    /// The server's accounts follow from now on, and its tokens file is read with them.
    pub(crate) async fn server(&self, accounts: ServerAccounts, traces: &Traces) {
        self.followers.lock().await.server = Some(Server { accounts, traces: traces.clone() });
    }

    /// The origins of webhooks, as they are replaced.
    pub(crate) async fn origins(&self) -> watch::Receiver<Vec<Origin>> {
        let (origins, follow) = watch::channel(role_webhooks::origins(&self.config.borrow()));
        self.followers.lock().await.origins = Some(origins);
        follow
    }

    /// The metrics that are read from Redis follow from now on.
    pub(crate) async fn stored(&self, stored: &Arc<Stored>) {
        self.followers.lock().await.stored.push(Arc::clone(stored));
    }

    /// Follows SIGHUP and the interval until `drain`. To be called once everything follows.
    pub(crate) fn start(self: Arc<Self>, drain: CancellationToken) -> std::io::Result<()> {
        let hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move { drain.run_until_cancelled(self.follow(hangup)).await });
        Ok(())
    }

    async fn follow(&self, mut hangup: Signal) {
        let every = self.started.reload.every;
        loop {
            let elapsed = async {
                match every.is_zero() {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(every).await,
                }
            };
            tokio::select! {
                hung_up = hangup.recv() => match hung_up {
                    Some(()) => self.again().await,
                    None => std::future::pending().await, // no signal can arrive any more
                },
                () = elapsed => self.look().await,
            }
        }
    }

    /// Reads everything again.
    async fn again(&self) {
        let seen = self.read().await;
        let mut followers = self.followers.lock().await;
        self.report(&mut followers, seen, Occasion::Signal).await;
        if let Some(server) = &followers.server {
            server.accounts.read_tokens();
        }
    }

    /// Reads the configuration again if its files have changed since the last time.
    async fn look(&self) {
        let seen = self.read().await;
        let mut followers = self.followers.lock().await;
        let is_known = match (&followers.seen, &seen) {
            (None, Ok((config, contents))) => {
                *config == self.started && *contents == followers.contents // nothing was read since the start
            }
            (Some(before), seen) => before == seen,
            (None, Err(_)) => false,
        };
        // A reload that was refused although its files could be read is tried again: Redis may be back, or a key readable.
        if !is_known || (seen.is_ok() && followers.refused.is_some()) {
            self.report(&mut followers, seen, Occasion::Interval).await;
        }
    }

    async fn read(&self) -> Seen {
        let (file, reads) = (self.file.clone(), self.reads);
        let read = tokio::task::spawn_blocking(move || {
            let config = Config::load(file.as_deref()).map_err(|error| one_line(&chain(&error)))?;
            let contents = change::contents(&config, reads);
            Ok((config, contents))
        });
        read.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Makes it the configuration in force, or says why not.
    async fn report(&self, followers: &mut Followers, seen: Seen, occasion: Occasion) {
        let applied = match &seen {
            Ok((config, contents)) => self.apply(followers, config, contents).await,
            Err(why) => Err(why.clone()),
        };
        followers.seen = Some(seen);
        let file = self.file.clone().unwrap_or_else(|| PathBuf::from("the environment"));
        match applied {
            Ok(change) => {
                followers.refused = None;
                self.metrics.reloaded(ReloadResult::Done);
                tracing::info!(file = %file.display(), "read the configuration again: {change}");
                if !change.needs_restart.is_empty() {
                    tracing::warn!("needs a restart, and is not in force: {}", change.needs_restart.join(", "));
                }
                if change.has_accounts() {
                    process_audit::reconfigured(&self.store, &file, Ok(change.to_string()));
                }
            }
            Err(why) if occasion == Occasion::Interval && followers.refused.as_ref() == Some(&why) => {}
            Err(why) => {
                followers.refused = Some(why.clone());
                self.metrics.reloaded(ReloadResult::Refused);
                tracing::error!(file = %file.display(), "the configuration was read again and is refused; nothing has changed: {why}");
                process_audit::reconfigured(&self.store, &file, Err(why));
            }
        }
    }

    /// Builds all that is new, and replaces the accounts if nothing is wrong.
    async fn apply(&self, followers: &mut Followers, read: &Config, contents: &Contents) -> Result<Change, String> {
        let running = Arc::clone(&self.config.borrow());
        let change = Change::of_accounts((&running, &followers.contents), (read, contents));
        let change = Change { needs_restart: change::needs_restart(&self.started, read), ..change };
        if !change.has_accounts() {
            return Ok(change);
        }
        let config = Config { accounts: read.accounts.clone(), ..(*running).clone() };
        let accounts = match &followers.worker {
            Some(worker) => Some(self.worker_accounts(&config, &change, worker)?),
            None => None,
        };
        let notification_accounts = match &followers.server {
            Some(_) => Some(server_accounts(&config)?),
            None => None,
        };
        if followers.worker.is_some() {
            // As before a worker's first send: jobs of a renamed account must not be paid again under its new name.
            let paused = renamed::pause_with_another_name(&config, &self.store).await;
            paused.map_err(|error| format!("Redis did not answer; reload again: {}", error.chain()))?;
        }
        followers.contents = contents.clone();
        self.store.set_fair_orders(config.fair_orders());
        followers.replace(&config, accounts, notification_accounts, &self.store);
        self.config.send_replace(Arc::new(config));
        Ok(change)
    }

    /// The worker's accounts: those that have not changed keep their gateways with their connections.
    fn worker_accounts(&self, config: &Config, change: &Change, worker: &Worker) -> Result<Vec<Account>, String> {
        let slow = config.accounts.iter().find(|(_, account)| account.keys.call_timeout > config.worker.lease);
        if let Some((name, _)) = slow {
            return Err(format!("accounts.{name}.call_timeout is longer than worker.lease, which needs a restart"));
        }
        let parts = SharedParts::default();
        let new: BTreeSet<&AccountName> = change.added.iter().chain(&change.changed).collect();
        let wanted: Vec<_> = config.accounts.iter().filter(|(name, _)| new.contains(name)).collect();
        let faults = wanted.iter().flat_map(|(name, account)| account.faults(name.as_str(), &parts));
        let faults: Vec<String> = faults.map(|fault| chain(&fault)).collect();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let built = role_worker::accounts(&wanted, &self.store, &parts).map_err(|failure| failure.to_string())?;
        let mut built: HashMap<AccountName, Account> =
            built.into_iter().map(|account| (account.name.clone(), account)).collect();
        let before = worker.accounts.borrow();
        let kept = before.iter().filter(|account| !new.contains(&account.name)).cloned();
        let mut kept: HashMap<AccountName, Account> = kept.map(|account| (account.name.clone(), account)).collect();
        Ok(config.accounts.keys().filter_map(|name| built.remove(name).or_else(|| kept.remove(name))).collect())
    }
}

/// The same on one line: a wrong configuration has one for each fault.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// The server's part of the accounts, by the rules of its start.
fn server_accounts(config: &Config) -> Result<Vec<NotificationAccount>, String> {
    match role_webhooks::faults(config) {
        Some(fault) => Err(chain(&fault)),
        None => serve::notification_accounts(config).map_err(|error| chain(&error)),
    }
}

impl Followers {
    fn replace(
        &self,
        config: &Config,
        accounts: Option<Vec<Account>>,
        notification_accounts: Option<Vec<NotificationAccount>>,
        store: &Store,
    ) {
        if let (Some(worker), Some(accounts)) = (&self.worker, accounts) {
            for account in config.accounts.values() {
                worker.metrics.pulse().slowest_call(account.keys.call_timeout);
            }
            worker.import.send_replace(role_worker::rules(config));
            worker.accounts.send_replace(accounts);
        }
        if let (Some(server), Some(notification_accounts)) = (&self.server, notification_accounts) {
            let producer = serve::witnessed_producer(config, store.clone(), &server.traces);
            server.accounts.replace(producer, config.queues(), notification_accounts, serve::time_zones(config));
        }
        if let Some(origins) = &self.origins {
            origins.send_replace(role_webhooks::origins(config));
        }
        for stored in &self.stored {
            stored.replace(serve::places(config));
        }
    }
}
