//! The durability of an acknowledgement: given at once, given once the write is on disk, or given once replicas have
//! it.
//!
//! Waits are shared: while one wait is in progress, the next callers gather, and one marker written after all their
//! writes confirms them all, because Redis keeps its writes in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::{mpsc, oneshot};

use crate::reconnecting::Connection;
use crate::{Store, StoreError};

/// The longest that Redis waits for disk or replicas. Shorter than the time a command may take.
const SYNC_TIMEOUT: Duration = Duration::from_secs(3);

/// Waits that share one marker.
const MAX_SHARED: usize = 4_096;

/// The moment at which a submission, or the intent to send, counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Redis has accepted it: as durable as `appendfsync` makes it in time.
    #[default]
    Fast,
    /// It is on Redis's disk.
    Local,
    /// This many replicas have it.
    Replicated(u32),
}

impl Durability {
    /// Its word in the configuration and in answers to producers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Local => "local",
            Self::Replicated(_) => "replicated",
        }
    }
}

/// Durable, or the level that was reached instead.
type Outcome = Result<(), String>;

/// The way to the task that waits.
#[derive(Clone)]
pub(crate) struct Waits {
    pub(crate) required: Durability,
    queue: mpsc::Sender<Waiting>,
    breaks: Arc<AtomicU64>,
}

/// A count of the moments after which it was uncertain that the Redis which answers waits is still the same. A marker
/// confirms writes to the same Redis before it, and none to another Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since(u64);

/// A caller that waits until its writes are durable.
struct Waiting {
    since: Since,
    reply: oneshot::Sender<Outcome>,
}

impl Store {
    /// Acknowledges submissions and intents only once they are as durable as `durability` says.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if this Redis cannot confirm it: `local` needs `appendfsync always` or `WAITAOF`
    /// (Redis 7.2).
    pub async fn with_durability(mut self, durability: Durability) -> Result<Self, StoreError> {
        self.waits = match durability {
            Durability::Fast => None,
            // Behind sentinels the next primary may be one that does not.
            Durability::Local if !self.connection().follows() && writes_through(&mut self.connection()).await => None,
            Durability::Local => {
                if !writes_through(&mut self.connection()).await {
                    self.must_know_waitaof().await?;
                }
                Some(self.start_waiting(durability)?)
            }
            Durability::Replicated(_) => Some(self.start_waiting(durability)?),
        };
        self.durability = durability;
        Ok(self)
    }

    /// The durability of acknowledgements.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Take it before the writes that [`Store::kept`] is to confirm.
    pub(crate) fn since(&self) -> Since {
        Since(self.waits.as_ref().map_or(0, |waits| waits.breaks.load(Ordering::SeqCst)))
    }

    /// Returns once everything that Redis has accepted since is as durable as required.
    pub(crate) async fn kept(&self, since: Since) -> Result<(), StoreError> {
        let Some(waits) = &self.waits else { return Ok(()) };
        let (reply, receipt) = oneshot::channel();
        let gone =
            || StoreError::NotDurable { required: waits.required.as_str(), reached: "the store is closing".into() };
        waits.queue.send(Waiting { since, reply }).await.map_err(|_| gone())?;
        receipt
            .await
            .map_err(|_| gone())?
            .map_err(|reached| StoreError::NotDurable { required: waits.required.as_str(), reached })
    }

    async fn must_know_waitaof(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("COMMAND");
        command.arg("INFO").arg("WAITAOF");
        let known: Vec<Value> = command
            .query_async(&mut self.connection())
            .await
            .map_err(|source| StoreError::of("COMMAND INFO", source))?;
        if known.iter().all(|command| *command == Value::Nil) {
            let reached = "this server acknowledges before the write is on disk: set appendfsync always, or use Redis 7.2 (WAITAOF)";
            return Err(StoreError::NotDurable { required: Durability::Local.as_str(), reached: reached.into() });
        }
        Ok(())
    }

    fn start_waiting(&self, required: Durability) -> Result<Waits, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_SHARED);
        let breaks = Arc::new(AtomicU64::new(0));
        // A separate connection, because a wait blocks all later commands on its connection.
        let (connection, marker) = (self.dedicated_connection(), self.keys.sync_marker());
        let primary = connection.primary();
        let waiter = Waiter { connection, primary, marker, required, breaks: Arc::clone(&breaks) };
        tokio::spawn(waiter.run(waiting));
        Ok(Waits { required, queue, breaks })
    }
}

/// The task that waits for all.
struct Waiter {
    connection: Connection,
    /// The primary of the last marker.
    primary: u64,
    marker: String,
    required: Durability,
    breaks: Arc<AtomicU64>,
}

impl Waiter {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut together = Vec::new();
        while waiting.recv_many(&mut together, MAX_SHARED).await > 0 {
            let outcome = self.wait_once().await;
            let now = Since(self.breaks.load(Ordering::SeqCst));
            for Waiting { since, reply } in together.drain(..) {
                let its_outcome = match since == now {
                    true => outcome.clone(),
                    false => outcome.clone().and(Err("Redis may have been another one when this was written".into())),
                };
                reply.send(its_outcome).ok(); // a caller that has gone needs no reply
            }
        }
    }

    /// One marker and one wait. Any end other than a count may mean that this Redis is gone.
    async fn wait_once(&mut self) -> Outcome {
        let primary = self.connection.primary();
        let mut connection = self.connection.only(primary);
        if std::mem::replace(&mut self.primary, primary) != primary {
            self.breaks.fetch_add(1, Ordering::SeqCst);
        }
        let (command, wanted) = match self.required {
            Durability::Fast => return Ok(()),
            // It was on the disk before it was answered.
            Durability::Local if connection.follows() && writes_through(&mut connection).await => return Ok(()),
            Durability::Local => (["WAITAOF", "1", "0"].as_slice(), 1),
            Durability::Replicated(replicas) => (["WAIT"].as_slice(), replicas),
        };
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INCR").arg(&self.marker).ignore().cmd(command[0]).arg(&command[1..]);
        if self.required != Durability::Local {
            pipeline.arg(wanted);
        }
        pipeline.arg(SYNC_TIMEOUT.as_millis().to_string());
        let reply: Result<(Value,), _> = pipeline.query_async(&mut connection).await;
        let (reply,) = reply.map_err(|error| {
            self.breaks.fetch_add(1, Ordering::SeqCst);
            error.to_string()
        })?;
        // WAITAOF answers with two counts, its own disk's first; WAIT with one.
        let count = reply.as_sequence().and_then(<[Value]>::first).unwrap_or(&reply);
        let reached: u32 = redis::from_redis_value_ref(count).unwrap_or(0);
        if reached >= wanted { Ok(()) } else { Err(format!("{reached} of {wanted} in {} s", SYNC_TIMEOUT.as_secs())) }
    }
}

/// With `appendfsync always` Redis itself answers only once the write is on disk.
async fn writes_through(connection: &mut Connection) -> bool {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("appendfsync");
    let setting: Option<(String, String)> = command.query_async(connection).await.ok();
    setting.is_some_and(|(_, when)| when == "always")
}
