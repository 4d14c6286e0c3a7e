//! A connection to Redis that reconnects by itself: to one address, or to the current primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::{Mutex, watch};

use crate::connection::{FIRST_RECONNECT_DELAY, MAX_RECONNECT_DELAY, RECONNECT_ATTEMPTS, open_to};
use crate::sentinel::{Sentinels, not_connected, switched_over};

/// The failure of a command that was for one connection alone.
const ANOTHER: &str = "the connection to Redis has been replaced";

/// Errors by which a server says that it is no primary, or no longer one that may be written to.
const DEPOSED: [&str; 5] = ["READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING", "UNBLOCKED"];

/// Counts the connections that a store makes, one after the other.
#[derive(Clone, Debug)]
pub struct ConnectionIds(watch::Receiver<u64>);

impl ConnectionIds {
    /// The connection that was made last.
    #[must_use]
    pub fn newest(&self) -> ConnectionId {
        ConnectionId(*self.0.borrow())
    }

    /// Returns when there is a newer one than when it was last waited for; at once if there was one since.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await // the store has been dropped, with all its users
        }
    }
}

/// Cheap to clone; clones share one connection.
#[derive(Clone)]
pub(crate) enum Connection {
    /// To one address.
    Fixed(Fixed),
    /// To whichever server the sentinels name.
    Following(Following),
}

impl Connection {
    /// The number of the primary that it leads to: rises with each failover.
    pub(crate) fn primary(&self) -> u64 {
        match self {
            Self::Fixed(_) => 0,
            Self::Following(following) => following.sentinels.number(),
        }
    }

    /// The same connection, restricted to this primary: a command to any other primary fails.
    pub(crate) fn only(&self, primary: u64) -> Self {
        match self {
            Self::Fixed(fixed) => Self::Fixed(fixed.clone()),
            Self::Following(following) => Self::Following(Following { only: Some(primary), ..following.clone() }),
        }
    }

    /// The connection that is open, made if there is none.
    pub(crate) async fn connection_id(&self) -> RedisResult<ConnectionId> {
        match self {
            Self::Fixed(fixed) => fixed.connect().await,
            Self::Following(following) => following.connect().await,
        }
    }

    /// The same connection, restricted to this one: a command over any later connection fails.
    pub(crate) fn over(&self, connection_id: ConnectionId) -> Self {
        match self {
            Self::Fixed(fixed) => Self::Fixed(Fixed { only: Some(connection_id), ..fixed.clone() }),
            Self::Following(following) => Self::Following(Following { over: Some(connection_id), ..following.clone() }),
        }
    }

    /// Counts the connections that are made.
    pub(crate) fn connection_ids(&self) -> ConnectionIds {
        ConnectionIds(match self {
            Self::Fixed(fixed) => fixed.made.subscribe(),
            Self::Following(following) => following.made.subscribe(),
        })
    }

    /// True if it can lead to another server than it was made for.
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

/// Identifies one connection of a store: a check made over it counts for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId(u64);

/// Reconnects when its connection breaks, and when a reply does not come in time: the path may have died silently, and
/// the client library would wait until the system gives up, a quarter of an hour later. The library's own manager
/// reconnects invisibly; here each connection has a number, so that a command can be refused on a connection that was
/// not checked.
#[derive(Clone)]
pub(crate) struct Fixed {
    client: Arc<Client>,
    open: Arc<Mutex<Option<Numbered>>>,
    /// Connections so far.
    made: watch::Sender<u64>,
    /// The number of failed attempts to connect: all callers that wait for an attempt share its failure.
    failed: Arc<AtomicU64>,
    only: Option<ConnectionId>,
}

/// A connection, and the number of connections before it.
#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

impl Fixed {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        let (open, failed) = (Arc::default(), Arc::default());
        Self { client, open, made: watch::Sender::new(0), failed, only: None }
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> RedisResult<ConnectionId> {
        self.open().await.map(|open| ConnectionId(open.number))
    }

    async fn open(&self) -> RedisResult<Numbered> {
        let failed = self.failed.load(Ordering::SeqCst);
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref() {
            return if self.may_use(open.number) { Ok(open.clone()) } else { Err(not_connected(ANOTHER)) };
        }
        if self.only.is_some() {
            return Err(not_connected(ANOTHER));
        }
        if self.failed.load(Ordering::SeqCst) != failed {
            return Err(not_connected("the shared attempt to connect has failed"));
        }
        match connect_patiently(&self.client).await {
            Ok(connection) => {
                self.made.send_modify(|made| *made += 1);
                Ok(open.insert(Numbered { number: *self.made.borrow(), connection }).clone())
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    fn may_use(&self, number: u64) -> bool {
        self.only.is_none_or(|only| only == ConnectionId(number))
    }

    async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        let Numbered { number, mut connection } = self.open().await?;
        let answer = connection.send_packed_command(command).await;
        self.close_if(answer.as_ref().is_err_and(is_gone), number).await;
        answer
    }

    async fn commands(&self, pipeline: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let Numbered { number, mut connection } = self.open().await?;
        let answers = connection.send_packed_commands(pipeline, offset, count).await;
        self.close_if(answers.as_ref().is_err_and(is_gone), number).await;
        answers
    }

    /// The next command makes a new connection. Replies on the old one may still arrive.
    async fn close_if(&self, gone: bool, number: u64) {
        if gone {
            self.open.lock().await.take_if(|open| open.number == number);
        }
    }
}

/// Tries a few times: a server that restarts is away for a moment only.
async fn connect_patiently(client: &Client) -> RedisResult<MultiplexedConnection> {
    let mut wait = FIRST_RECONNECT_DELAY;
    for _ in 0..RECONNECT_ATTEMPTS {
        match open_to(client).await {
            Ok(connection) => return Ok(connection),
            Err(error) if !error.is_io_error() => return Err(error), // a password, a certificate
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait = (wait * 2).min(MAX_RECONNECT_DELAY);
    }
    open_to(client).await
}

fn is_gone(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// Never repeats a command: it may have run, so its caller decides after an error.
#[derive(Clone)]
pub(crate) struct Following {
    sentinels: Arc<Sentinels>,
    open: Arc<Mutex<Option<Open>>>,
    /// Connections so far.
    made: watch::Sender<u64>,
    only: Option<u64>,
    over: Option<ConnectionId>,
}

/// A connection, the number of its primary, and the number of connections before it.
#[derive(Clone)]
struct Open {
    number: u64,
    primary: u64,
    connection: MultiplexedConnection,
}

impl Following {
    pub(crate) fn new(sentinels: Arc<Sentinels>) -> Self {
        Self { sentinels, open: Arc::default(), made: watch::Sender::new(0), only: None, over: None }
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> RedisResult<ConnectionId> {
        self.open().await.map(|open| ConnectionId(open.number))
    }

    async fn open(&self) -> RedisResult<Open> {
        let mut open = self.open.lock().await;
        let primary = self.sentinels.primary().await?;
        if self.only.is_some_and(|only| only != primary.number) {
            return Err(switched_over());
        }
        if let Some(open) = open.as_ref().filter(|open| open.primary == primary.number) {
            let may_use = self.over.is_none_or(|over| over == ConnectionId(open.number));
            return if may_use { Ok(open.clone()) } else { Err(not_connected(ANOTHER)) };
        }
        if self.over.is_some() {
            return Err(not_connected(ANOTHER));
        }
        *open = None;
        let connected = self.sentinels.connect(&primary).await;
        let connection = connected.inspect_err(|_| self.sentinels.suspect(primary.number))?;
        self.made.send_modify(|made| *made += 1);
        Ok(open.insert(Open { number: *self.made.borrow(), primary: primary.number, connection }).clone())
    }

    async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        let Open { primary, mut connection, number: _ } = self.open().await?;
        let answer = self.unless_switched(primary, connection.send_packed_command(command)).await;
        let deposed = match &answer {
            Ok(value) => is_deposed(value),
            Err(error) => is_over(error),
        };
        self.close_if(deposed, primary).await;
        answer
    }

    async fn commands(&self, pipeline: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let Open { primary, mut connection, number: _ } = self.open().await?;
        let answers = self.unless_switched(primary, connection.send_packed_commands(pipeline, offset, count)).await;
        let deposed = match &answers {
            Ok(values) => values.iter().any(is_deposed),
            Err(error) => is_over(error),
        };
        self.close_if(deposed, primary).await;
        answers
    }

    /// Once another primary is known, a server that hangs is not waited for.
    async fn unless_switched<T>(&self, primary: u64, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let mut current = self.sentinels.current();
        tokio::select! {
            biased;
            answer = answer => answer,
            _ = current.wait_for(|current| current.number != primary) => Err(switched_over()),
        }
    }

    /// Queries the sentinels again before the next command.
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
    is_gone(error) || error.code().is_some_and(|code| DEPOSED.contains(&code))
}
