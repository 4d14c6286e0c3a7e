//! How sure an acknowledgement is: told at once, told once it is on disk, or told once replicas have it.
//!
//! Waiting is shared: while one wait is on its way, the next ones gather, and one marker written after all of them vouches
//! for them all, because Redis keeps its writes in one order.

use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::{Pipeline, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{Store, StoreError};

/// The longest that Redis waits for disk or replicas. Shorter than the time a command may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waits that share one marker.
const MAX_SHARED: usize = 4_096;

/// When a submission, or the intent to send, counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When Redis has taken it: as durable as its `appendfsync` makes it in time.
    #[default]
    Fast,
    /// When it is on Redis's disk.
    Local,
    /// When this many replicas have it.
    Replicated(u32),
}

impl Durability {
    /// The word for it in the configuration and in answers to producers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Local => "local",
            Self::Replicated(_) => "replicated",
        }
    }
}

/// Kept, or what was reached instead.
type Outcome = Result<(), String>;

/// The way to the task that waits.
#[derive(Clone)]
pub(crate) struct Waits {
    pub(crate) asked: Durability,
    queue: mpsc::Sender<oneshot::Sender<Outcome>>,
}

impl Store {
    /// From now on submissions and intents are acknowledged only once they are kept as `durability` says.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] when this Redis cannot tell: `local` needs `appendfsync always` or `WAITAOF` (Redis 7.2).
    pub async fn with_durability(mut self, durability: Durability) -> Result<Self, StoreError> {
        self.waits = match durability {
            Durability::Fast => None,
            Durability::Local if self.writes_through().await => None,
            Durability::Local => {
                self.must_know_waitaof().await?;
                Some(self.start_waiting(durability)?)
            }
            Durability::Replicated(_) => Some(self.start_waiting(durability)?),
        };
        self.durability = durability;
        Ok(self)
    }

    /// What an acknowledgement stands for.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns once everything that Redis has taken so far is kept as it was asked for.
    pub(crate) async fn kept(&self) -> Result<(), StoreError> {
        let Some(waits) = &self.waits else { return Ok(()) };
        let (tell, told) = oneshot::channel();
        let gone = || StoreError::NotDurable { asked: waits.asked.as_str(), reached: "nothing can be told".into() };
        waits.queue.send(tell).await.map_err(|_| gone())?;
        told.await
            .map_err(|_| gone())?
            .map_err(|reached| StoreError::NotDurable { asked: waits.asked.as_str(), reached })
    }

    /// With `appendfsync always` Redis itself answers only once its disk has it.
    async fn writes_through(&self) -> bool {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("appendfsync");
        let setting: Option<(String, String)> = command.query_async(&mut self.connection()).await.ok();
        setting.is_some_and(|(_, when)| when == "always")
    }

    async fn must_know_waitaof(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("COMMAND");
        command.arg("INFO").arg("WAITAOF");
        let known: Vec<Value> = command
            .query_async(&mut self.connection())
            .await
            .map_err(|source| StoreError::of("COMMAND INFO", source))?;
        if known.iter().all(|command| *command == Value::Nil) {
            let reached =
                "this server answers before its disk has it: set appendfsync always, or use Redis 7.2 (WAITAOF)";
            return Err(StoreError::NotDurable { asked: Durability::Local.as_str(), reached: reached.into() });
        }
        Ok(())
    }

    fn start_waiting(&self, asked: Durability) -> Result<Waits, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_SHARED);
        // A connection of its own: a wait holds back whatever is sent after it on the same one.
        tokio::spawn(wait(self.dedicated_connection()?, self.keys.sync_marker(), asked, waiting));
        Ok(Waits { asked, queue })
    }
}

async fn wait(
    mut connection: ConnectionManager,
    marker: String,
    asked: Durability,
    mut waiting: mpsc::Receiver<oneshot::Sender<Outcome>>,
) {
    let mut together = Vec::new();
    while waiting.recv_many(&mut together, MAX_SHARED).await > 0 {
        let outcome = wait_once(&mut connection, &marker, asked).await;
        for tell in together.drain(..) {
            tell.send(outcome.clone()).ok(); // whoever has gone need not know
        }
    }
}

async fn wait_once(connection: &mut ConnectionManager, marker: &str, asked: Durability) -> Outcome {
    let patience = PATIENCE.as_millis().to_string();
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INCR").arg(marker).ignore();
    let wanted = match asked {
        Durability::Fast => return Ok(()),
        Durability::Local => {
            pipeline.cmd("WAITAOF").arg(1).arg(0).arg(&patience);
            1
        }
        Durability::Replicated(replicas) => {
            pipeline.cmd("WAIT").arg(replicas).arg(&patience);
            replicas
        }
    };
    let (reply,): (Value,) = pipeline.query_async(connection).await.map_err(|error| error.to_string())?;
    // WAITAOF answers with two counts, its own disk's first; WAIT with one.
    let count = reply.as_sequence().and_then(<[Value]>::first).unwrap_or(&reply);
    let reached: u32 = redis::from_redis_value_ref(count).unwrap_or(0);
    if reached >= wanted { Ok(()) } else { Err(format!("{reached} of {wanted} in {} s", PATIENCE.as_secs())) }
}
