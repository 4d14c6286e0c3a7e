//! Due job → gateway → commit. The only crate that names apalis.
//!
//! [`run`] is one worker process. It consists of an apalis `Monitor` over our own `Backend`, which claims from the
//! store only jobs that can be called at once; one handler, which knows no kind and no gateway; and three loops that
//! need only Redis: lease renewal, grouped commits, and the wake channel.

mod account;
mod archiving;
mod backend;
mod circuit_breaker;
mod claimed_jobs;
mod claimer;
mod committer;
mod deadlines;
mod failed;
mod handler;
mod heartbeat;
mod import;
mod journal_check;
mod lease;
mod memory;
mod newer;
mod pruning;
mod queues;
mod redis_backoff;
mod redis_health;
mod retention;
mod schedule;
mod send_block;
mod send_journal;
mod shared;
mod waker;

use std::sync::Arc;

use apalis::prelude::{Monitor, WorkerBuilder, WorkerBuilderExt};
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use bursar_store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use account::{Account, SendGate, Settings};
pub use archiving::Archiving;
pub use import::Import;
pub use journal_check::Expected;
pub use send_block::{SendBlock, send_blocks};

use backend::QueueBackend;
use handler::{HandlerContext, handle};
use lease::Renewer;
use queues::Queues;
use send_journal::SendJournal;
use shared::Shared;
use waker::Waker;

/// The reason why a worker stopped without a drain.
#[derive(Debug, thiserror::Error)]
#[error("the worker stopped by itself")]
pub struct WorkerError(#[source] apalis::prelude::MonitorError);

/// Works until `drain` is cancelled. Then nothing new is claimed, claimed jobs that have not started are released, and
/// calls in flight are finished within `settings.drain` or left in doubt.
///
/// Redis errors never end it: it keeps the calls in flight and goes on when Redis is back. While `fit` closes the send
/// gate, nothing is sent; earlier sends are queried.
///
/// `accounts` may be replaced at any time. A call in flight is finished with the settings that it began with, and each later one uses the new
/// ones. A claimed job whose account was removed, or belongs to another gateway now, is released unsent.
///
/// # Errors
/// [`WorkerError`] only if the frame itself fails.
pub async fn run(
    store: Store,
    settings: Settings,
    accounts: watch::Receiver<Vec<Account>>,
    fit: watch::Receiver<SendGate>,
    drain: CancellationToken,
) -> Result<(), WorkerError> {
    let settings = Arc::new(settings);
    let mut accounts = accounts;
    let queues = Arc::new(Queues::new(&accounts.borrow_and_update(), &settings.metrics));
    settings.metrics.concurrency(settings.concurrency);
    let stopped = CancellationToken::new();
    let shared = Shared::new(store.clone(), Arc::clone(&settings), Arc::clone(&queues));
    let journal_check = Arc::clone(&shared.journal_check);
    let activity = Arc::clone(&shared.activity);
    let commits = committer::start(store.clone(), Arc::clone(&queues), shared.redis_health.clone());
    let (claimed_jobs, waker, claimer) = claimer::start(shared.clone(), fit, drain.clone(), stopped.clone());
    let loops = [
        tokio::spawn(deadlines::watch(shared.clone(), stopped.clone())),
        tokio::spawn(heartbeat::beat(shared.clone(), stopped.clone())),
        tokio::spawn(Renewer(shared).run(stopped.clone())),
        tokio::spawn(Arc::clone(&journal_check).watch(stopped.clone())),
        tokio::spawn(pruning::prune(
            store.clone(),
            settings.journal.clone(),
            Arc::clone(&journal_check),
            stopped.clone(),
        )),
        tokio::spawn(archiving::archive(store.clone(), Arc::clone(&settings), Arc::clone(&queues), stopped.clone())),
        tokio::spawn(retention::purge(store.clone(), Arc::clone(&settings), Arc::clone(&queues), stopped.clone())),
        tokio::spawn(follow(accounts, Arc::clone(&queues), waker.clone(), stopped.clone())),
    ];
    let begin_within = settings.lease / lease::RENEWALS_PER_LEASE;
    let send_journal = SendJournal::new(settings.journal.clone(), journal_check);
    let metrics = Arc::clone(&settings.metrics);
    let name = settings.name.clone();
    let context = Arc::new(HandlerContext {
        store,
        queues,
        commits,
        waker,
        begin_within,
        send_journal,
        metrics: Arc::clone(&metrics),
        activity,
        name,
    });
    let monitor = Monitor::new().shutdown_timeout(settings.drain).register(move |_restarts| {
        WorkerBuilder::new(settings.name.as_str())
            .backend(QueueBackend::new(claimed_jobs.clone()))
            // Each job is a separate task, so that computation, signatures above all, uses every core. The tasks end
            // with the worker: a task that survived it would outlive its leases.
            .parallelize(|job| AbortOnDropHandle::new(tokio::spawn(job)))
            .catch_panic() // around everything in the task: a panic anywhere below costs one claim, not the worker
            .enable_tracing()
            .data(Arc::clone(&context))
            .build(handle)
    });
    let ended = monitor
        .run_with_signal(async {
            drain.cancelled().await;
            metrics.pulse().draining();
            tracing::info!("draining: nothing new is claimed, calls in flight are finished");
            Ok(())
        })
        .await;
    drain.cancel(); // if the frame fails, the loops must end all the same
    stopped.cancel();
    for task in loops.into_iter().chain([claimer]) {
        // Each ends by its token; a join error would be a panic that tokio has printed already.
        task.await.ok();
    }
    ended.map_err(WorkerError)
}

/// Serves the accounts as they are replaced, until `stopped`.
async fn follow(
    mut accounts: watch::Receiver<Vec<Account>>,
    queues: Arc<Queues>,
    waker: Waker,
    stopped: CancellationToken,
) {
    // An error means that they are not replaced any more.
    while let Some(Ok(())) = stopped.run_until_cancelled(accounts.changed()).await {
        queues.replace(&accounts.borrow_and_update());
        waker.queues_changed();
    }
    stopped.cancelled().await;
}
