//! A connection to Redis that comes back by itself: to one address, or to whichever server is the primary.

use std::sync::{Arc, Mutex as Lock, PoisonError};

use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::{Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::Mutex;

use crate::connection::manager;
use crate::sentinel::{Sentinels, switched_over};

/// Errors by which a server says that it is no primary, or no longer one that may be written to.
const DEPOSED: [&str; 5] = ["READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING", "UNBLOCKED"];

/// Cheap to clone; clones share one connection.
#[derive(Clone)]
pub(crate) enum Connection {
    /// To one address.
    Fixed(Fixed),
    /// To whichever server the sentinels name.
    Following(Following),
}

impl Connection {
    /// Which primary it leads to: rises with each failover.
    pub(crate) fn primary(&self) -> u64 {
        match self {
            Self::Fixed(_) => 0,
            Self::Following(following) => following.sentinels.number(),
        }
    }

    /// The same connection, and an error instead of a command to any other primary than this one.
    pub(crate) fn only(&self, primary: u64) -> Self {
        match self {
            Self::Fixed(fixed) => Self::Fixed(fixed.clone()),
            Self::Following(following) => Self::Following(Following { only: Some(primary), ..following.clone() }),
        }
    }

    /// Whether it can come to another server than it was made for.
    pub(crate) const fn follows(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Following(_) => true,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Fixed(fixed) => Box::pin(fixed.command(command)),
            Self::Following(following) => Box::pin(following.command(command)),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Fixed(fixed) => Box::pin(fixed.commands(pipeline, offset, count)),
            Self::Following(following) => Box::pin(following.commands(pipeline, offset, count)),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Fixed(fixed) => fixed.client.get_connection_info().redis_settings().db(),
            Self::Following(following) => following.sentinels.db(),
        }
    }
}

/// Comes back by itself when its connection breaks, and begins a new one when an answer does not come in time: the path may
/// have died without a word, and then the client library would wait on it until the system gives it up, a quarter of an hour later.
#[derive(Clone)]
pub(crate) struct Fixed {
    client: Arc<Client>,
    newest: Arc<Lock<Numbered>>,
}

/// A connection, and how many there were before it.
#[derive(Clone)]
struct Numbered {
    number: u64,
    manager: ConnectionManager,
}

impl Fixed {
    pub(crate) fn new(client: Arc<Client>, manager: ConnectionManager) -> Self {
        Self { client, newest: Arc::new(Lock::new(Numbered { number: 0, manager })) }
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Numbered> {
        // Nothing panics while it holds the lock; if something did, the connection is still one.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        let Numbered { number, mut manager } = self.newest().clone();
        let answer = manager.send_packed_command(command).await;
        answer.inspect_err(|error| self.renew_if_silent(error, number))
    }

    async fn commands(&self, pipeline: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let Numbered { number, mut manager } = self.newest().clone();
        let answers = manager.send_packed_commands(pipeline, offset, count).await;
        answers.inspect_err(|error| self.renew_if_silent(error, number))
    }

    /// What others wait for on the old connection may still come.
    fn renew_if_silent(&self, error: &RedisError, number: u64) {
        let mut newest = self.newest();
        if !error.is_timeout() || newest.number != number {
            return;
        }
        if let Ok(manager) = ConnectionManager::new_lazy_with_config(Client::clone(&self.client), manager()) {
            *newest = Numbered { number: number + 1, manager };
        }
    }
}

/// Makes no command twice: after an error whoever asked decides, for the command may have run.
#[derive(Clone)]
pub(crate) struct Following {
    sentinels: Arc<Sentinels>,
    open: Arc<Mutex<Option<Open>>>,
    only: Option<u64>,
}

/// A connection, and which primary it leads to.
#[derive(Clone)]
struct Open {
    primary: u64,
    connection: MultiplexedConnection,
}

impl Following {
    pub(crate) fn new(sentinels: Arc<Sentinels>) -> Self {
        Self { sentinels, open: Arc::default(), only: None }
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> RedisResult<()> {
        self.open().await.map(drop)
    }

    async fn open(&self) -> RedisResult<Open> {
        let mut open = self.open.lock().await;
        let primary = self.sentinels.primary().await?;
        if self.only.is_some_and(|only| only != primary.number) {
            return Err(switched_over());
        }
        if let Some(open) = open.as_ref().filter(|open| open.primary == primary.number) {
            return Ok(open.clone());
        }
        *open = None;
        let connected = self.sentinels.connect(&primary).await;
        let connection = connected.inspect_err(|_| self.sentinels.suspect(primary.number))?;
        Ok(open.insert(Open { primary: primary.number, connection }).clone())
    }

    async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        let Open { primary, mut connection } = self.open().await?;
        let answer = self.unless_switched(primary, connection.send_packed_command(command)).await;
        let deposed = match &answer {
            Ok(value) => is_deposed(value),
            Err(error) => is_over(error),
        };
        self.close_if(deposed, primary).await;
        answer
    }

    async fn commands(&self, pipeline: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let Open { primary, mut connection } = self.open().await?;
        let answers = self.unless_switched(primary, connection.send_packed_commands(pipeline, offset, count)).await;
        let deposed = match &answers {
            Ok(values) => values.iter().any(is_deposed),
            Err(error) => is_over(error),
        };
        self.close_if(deposed, primary).await;
        answers
    }

    /// A server that hangs is not waited for once there is another.
    async fn unless_switched<T>(&self, primary: u64, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let mut current = self.sentinels.current();
        tokio::select! {
            biased;
            answer = answer => answer,
            _ = current.wait_for(|current| current.number != primary) => Err(switched_over()),
        }
    }

    /// Asks the sentinels again before the next command.
    async fn close_if(&self, deposed: bool, primary: u64) {
        if deposed {
            self.sentinels.suspect(primary);
            self.open.lock().await.take_if(|open| open.primary == primary);
        }
    }
}

fn is_deposed(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if DEPOSED.contains(&error.code()))
}

fn is_over(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.code().is_some_and(|code| DEPOSED.contains(&code))
}
