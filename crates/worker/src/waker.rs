//! Wake-ups of the claimer: the wake channel, and the work that this worker itself has made due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_store::{Store, Wake};
use bursar_telemetry::RedisOperation;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::claimer::AHEAD;
use crate::queues::{QueueNumber, Queues};
use crate::redis_backoff::RedisBackoff;
use crate::redis_health::RedisHealth;

/// The bound of wake messages on their way to the claimer. Beyond it the claimer scans Redis for ready queues.
const WAKES_WAITING: usize = 1_024;

/// A message to the claimer.
pub(crate) enum Notice {
    /// Something has become due in this queue.
    One(QueueNumber),
    /// This worker has committed a job that is due there soon.
    Due(QueueNumber, Instant),
    /// The queue's circuit has opened or closed, or its pause has grown.
    CircuitChanged(QueueNumber),
    /// The channel was down, or the worker serves other queues: something may be due that is not known.
    All,
}

/// Announces to the claimer the work that this worker has made due.
#[derive(Clone)]
pub(crate) struct Waker {
    wake: mpsc::Sender<Notice>,
    /// True if a message was dropped.
    missed: Arc<AtomicBool>,
}

impl Waker {
    /// A waker, and the claimer's end of its channel.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (wake, wakeups) = mpsc::channel(WAKES_WAITING);
        (Self { wake, missed: Arc::default() }, wakeups)
    }

    /// True if a message was dropped.
    pub(crate) fn missed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.missed)
    }

    /// Announces that work in `queue` is due in `wait`. A scan finds work that is due later.
    pub(crate) fn ring(&self, queue: QueueNumber, wait: Duration) {
        if wait < AHEAD {
            self.notify(Notice::Due(queue, Instant::now() + wait));
        }
    }

    /// Announces that the number of sends that may be claimed from `queue` has changed.
    pub(crate) fn circuit_changed(&self, queue: QueueNumber) {
        self.notify(Notice::CircuitChanged(queue));
    }

    /// Announces that the worker serves other queues than before.
    pub(crate) fn queues_changed(&self) {
        self.notify(Notice::All);
    }

    fn notify(&self, wake: Notice) {
        if self.wake.try_send(wake).is_err() {
            self.missed.store(true, Ordering::Relaxed); // a full channel wakes the claimer as well
        }
    }
}

/// The pause after Redis has refused a subscription: an operator must grant the permission.
const LISTEN_REFUSED: Duration = Duration::from_secs(10);

/// Follows the wake channel until the worker has `stopped`, with a new subscription after each failure. The channel is
/// a hint: without it Redis is scanned more often, and nothing else changes. During a drain it claims nothing, but
/// still learns at once that Redis may have changed.
pub(crate) async fn listen(
    store: Store,
    queues: Arc<Queues>,
    waker: Waker,
    redis_health: RedisHealth,
    hears: Arc<AtomicBool>,
    stopped: CancellationToken,
) {
    let mut backoff = RedisBackoff::new(RedisOperation::Listening, redis_health.clone());
    while !stopped.is_cancelled() {
        match store.wakeups().await {
            Ok(mut messages) => {
                backoff.over();
                hears.store(true, Ordering::Relaxed);
                waker.notify(Notice::All);
                while let Some(Some(message)) = stopped.run_until_cancelled(messages.next()).await {
                    match message {
                        // Most are other workers' queues, where there are many accounts.
                        Wake::Due(queue) => {
                            queues.find(&queue).into_iter().for_each(|number| waker.notify(Notice::One(number)))
                        }
                        Wake::Look => redis_health.noticed(),
                    }
                }
                hears.store(false, Ordering::Relaxed);
                waker.notify(Notice::All);
                redis_health.noticed();
            }
            Err(error) => {
                backoff.wait(&error).await;
                if !error.is_repeatable() {
                    stopped.run_until_cancelled(tokio::time::sleep(LISTEN_REFUSED)).await;
                }
            }
        }
    }
}
