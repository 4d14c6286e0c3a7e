//! What wakes the claimer: the wake channel, and what this worker itself has made due.

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

/// Wake messages on their way to the claimer; when they are more, Redis is asked which queues are ready.
const WAKES_WAITING: usize = 1_024;

/// What the claimer is told.
pub(crate) enum Notice {
    /// Something has become due in this queue.
    One(QueueNumber),
    /// This worker has committed a job that is due there soon.
    Due(QueueNumber, Instant),
    /// The queue's circuit has opened or closed, or rests for longer.
    CircuitChanged(QueueNumber),
    /// The channel was down: a message may have been missed.
    All,
}

/// Tells the claimer what this worker itself has made due.
#[derive(Clone)]
pub(crate) struct Waker {
    wake: mpsc::Sender<Notice>,
    /// Whether something could not be told.
    missed: Arc<AtomicBool>,
}

impl Waker {
    /// A waker, and what the claimer reads.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (wake, wakeups) = mpsc::channel(WAKES_WAITING);
        (Self { wake, missed: Arc::default() }, wakeups)
    }

    /// Whether something could not be told.
    pub(crate) fn missed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.missed)
    }

    /// Something in `queue` is due in `wait`. What is due later is found by a look.
    pub(crate) fn ring(&self, queue: QueueNumber, wait: Duration) {
        if wait < AHEAD {
            self.notify(Notice::Due(queue, Instant::now() + wait));
        }
    }

    /// How many sends may be claimed of `queue` has changed.
    pub(crate) fn circuit_changed(&self, queue: QueueNumber) {
        self.notify(Notice::CircuitChanged(queue));
    }

    fn notify(&self, wake: Notice) {
        if self.wake.try_send(wake).is_err() {
            self.missed.store(true, Ordering::Relaxed); // a full channel wakes the claimer as well
        }
    }
}

/// How long after Redis has refused to let this worker listen it is tried again: a person must give it the right.
const LISTEN_REFUSED: Duration = Duration::from_secs(10);

/// Follows the wake channel, for ever anew, until the worker has `stopped`. It is a hint: without it Redis is asked more often, and
/// nothing else is different. While the worker drains it claims no more, and this is how it learns at once that Redis may not be the one
/// it was.
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
