//! A worker in this process: the real backend, store and commits, with a gateway of the benchmark's choice.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Policy;
use bursar_gateways::Gateway;
use bursar_journal::Journal;
use bursar_store::Store;
use bursar_worker::{Account, Settings, WorkerError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::jobs;

/// No measurement takes longer; one that would is an error, not a figure.
const WAIT_LIMIT: Duration = Duration::from_secs(300);

/// The pause between checks that all jobs have ended. The checks begin only once all jobs have been sent, so that they
/// do not disturb the measurement.
const LOOK: Duration = Duration::from_millis(1);

/// Accounts of these names at one gateway, with so many sends a second in each queue; 0 for no limit.
pub(crate) fn accounts_at(
    gateway: Arc<dyn Gateway>,
    names: &[String],
    rate_per_second: f64,
) -> anyhow::Result<Vec<Account>> {
    let account = |(name, gateway): (&String, _)| {
        let (name, identity, host) = (name.parse()?, String::new(), String::new());
        Ok(Account { name, identity, host, gateway, policy: Policy::default(), rate_per_second, kinds: jobs::kinds() })
    };
    names.iter().zip(std::iter::repeat_n(gateway, names.len())).map(account).collect()
}

/// A running worker.
pub(crate) struct Worker {
    drain: CancellationToken,
    work: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    /// Starts one for both kinds that the account takes.
    pub(crate) fn start(store: &Store, gateway: Arc<dyn Gateway>, concurrency: usize) -> anyhow::Result<Self> {
        Self::start_with(store, gateway, concurrency, None)
    }

    /// The same with a journal, or without.
    pub(crate) fn start_with(
        store: &Store,
        gateway: Arc<dyn Gateway>,
        concurrency: usize,
        journal: Option<Journal>,
    ) -> anyhow::Result<Self> {
        Ok(Self::start_for(store, accounts_at(gateway, &jobs::accounts(1), 0.0)?, concurrency, journal))
    }

    /// Starts one for these accounts.
    pub(crate) fn start_for(
        store: &Store,
        accounts: Vec<Account>,
        concurrency: usize,
        journal: Option<Journal>,
    ) -> Self {
        let settings = Settings {
            name: format!("bench-{:08x}", fastrand::u32(..)),
            host: String::new(),
            concurrency,
            lease: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            retention: Duration::from_secs(24 * 3600),
            journal,
            archiving: None,
            expected: None,
            metrics: Arc::default(),
            traces: bursar_telemetry::Traces::default(),
        };
        let drain = CancellationToken::new();
        let (_, accounts) = tokio::sync::watch::channel(accounts);
        let (_, fit) = tokio::sync::watch::channel(bursar_worker::SendGate::Open);
        let work = tokio::spawn(bursar_worker::run(store.clone(), settings, accounts, fit, drain.clone()));
        Self { drain, work }
    }

    /// Ends it; fails if it had already ended by itself.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.drain.cancel();
        Ok(self.work.await??)
    }
}

/// Waits until the first of `count` jobs is claimed: a worker that has just started sends nothing for most of a second,
/// so that other workers can report lost writes.
pub(crate) async fn begun(store: &Store, count: u32) -> anyhow::Result<()> {
    let (queue, until) = (jobs::queue()?, Instant::now() + WAIT_LIMIT);
    while store.status(&queue).await?.counts.to_send == u64::from(count) {
        anyhow::ensure!(Instant::now() < until, "no job was claimed within {WAIT_LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until `count` jobs have ended, on record.
pub(crate) async fn all_ended(store: &Store, count: u32) -> anyhow::Result<()> {
    let (queue, until) = (jobs::queue()?, Instant::now() + WAIT_LIMIT);
    loop {
        let status = store.status(&queue).await?;
        if status.counts.done == u64::from(count) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < until, "the jobs have not ended after {WAIT_LIMIT:?}: {status:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until `sent` reaches `count`.
pub(crate) async fn reaches(count: u32, sent: impl Fn() -> u32) -> anyhow::Result<()> {
    let until = Instant::now() + WAIT_LIMIT;
    while sent() < count {
        anyhow::ensure!(Instant::now() < until, "{} of {count} jobs were sent after {WAIT_LIMIT:?}", sent());
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
