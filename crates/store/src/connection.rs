//! The connection to Redis: one multiplexed connection that reconnects by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use bursar_domain::{ApprovalRule, FairBy, FairOrder, Millis, Queue};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisResult};
use tokio::sync::watch;

use crate::durability::{Durability, Waits};
use crate::jobs::{Expected, JobKeys};
use crate::keys::Keys;
use crate::known::Introduced;
use crate::reconnecting::{Connection, ConnectionId, ConnectionIds, Fixed, Following};
use crate::scripts::Scripts;
use crate::sentinel::{Current, Place, Sentinels};
use crate::{StoreError, tls};

/// The time limit of a connection attempt.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit of one command. The client's own default of 500 ms turns every short stall into an unknown outcome. A
/// path that has died silently is abandoned after this time, too.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The first and the longest wait between attempts to reconnect: workers must resume within a second after Redis is
/// back.
pub(crate) const FIRST_RECONNECT_DELAY: Duration = Duration::from_millis(50);
pub(crate) const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// Attempts to connect before the last one, whose failure the waiting commands get; the callers' own loops retry from
/// there.
pub(crate) const RECONNECT_ATTEMPTS: usize = 3;

/// The fair orders of queues.
type FairOrders = HashMap<Queue, Arc<FairOrder>>;

/// Loaded once: their hashes are made of their texts.
static SCRIPTS: LazyLock<Arc<Scripts>> = LazyLock::new(|| Arc::new(Scripts::load()));

/// The place of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://`, `rediss://` or `redis+unix://`; `redis+sentinel://[user:pass@]host1:port1,host2:port2/name[/db]` or the
    /// same with `rediss` for whichever server these sentinels call the primary.
    pub url: String,
    /// The prefix of every key.
    pub prefix: String,
}

impl Settings {
    /// Checks that `url` can be parsed. Nothing is connected.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        match Place::is_meant(url) {
            true => Place::read(url).map(drop),
            false => url.into_connection_info().map(drop),
        }
        .map_err(StoreError::Url)
    }
}

/// The way to reach a server.
#[derive(Clone)]
pub(crate) enum Server {
    /// At one address.
    Fixed(Arc<Client>),
    /// Wherever the sentinels say.
    Sentinels(Arc<Sentinels>),
}

impl Server {
    fn of(url: &str, ca_pem: Option<&str>) -> Result<Self, StoreError> {
        if Place::is_meant(url) {
            return Sentinels::new(Place::read(url).map_err(StoreError::Url)?, ca_pem).map(Self::Sentinels);
        }
        tls::open(url.into_connection_info().map_err(StoreError::Url)?, ca_pem)
            .map(|client| Self::Fixed(Arc::new(client)))
    }

    /// A client for the current primary, and a signal for the moment when it is no longer the primary.
    pub(crate) async fn client(&self) -> RedisResult<(Client, Switched)> {
        match self {
            Self::Fixed(client) => Ok((Client::clone(client), Switched(None))),
            Self::Sentinels(sentinels) => {
                let primary = sentinels.primary().await?;
                let client = sentinels.client(&primary)?;
                Ok((client, Switched(Some((primary.number, sentinels.current())))))
            }
        }
    }
}

/// Knows when another server has become the primary.
pub(crate) struct Switched(Option<(u64, watch::Receiver<Current>)>);

impl Switched {
    /// Returns when it has; for a fixed address, never.
    pub(crate) async fn wait(&mut self) {
        match &mut self.0 {
            None => std::future::pending().await,
            // An error means that the store has been dropped.
            Some((number, current)) => drop(current.wait_for(|current| current.number != *number).await),
        }
    }
}

/// The store: cheap to clone, safe to share.
#[derive(Clone)]
pub struct Store {
    server: Server,
    connection: Connection,
    /// The primary of the last claim.
    pub(crate) claims_at: Arc<AtomicU64>,
    pub(crate) keys: Keys,
    pub(crate) queues: JobKeys,
    /// The queues whose fair order is not the default one.
    fair_orders: Arc<RwLock<FairOrders>>,
    /// The actions that need two operators.
    pub(crate) approvals: Arc<ApprovalRule>,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) introduced: Introduced,
    pub(crate) expected: Expected,
    pub(crate) durability: Durability,
    pub(crate) waits: Option<Waits>,
    /// The retention of the audit trail.
    pub(crate) audit_keep: Duration,
    /// The time for which the counts of ended jobs are kept.
    pub(crate) counts_keep: Duration,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("keys", &self.keys).finish_non_exhaustive() // a URL may hold a password
    }
}

impl Store {
    /// Connects, and reconnects by itself from then on.
    ///
    /// # Errors
    /// [`StoreError::Url`] for a URL that cannot be parsed, [`StoreError::Unreachable`] if no server answers.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        Self::connect_trusting(settings, None).await
    }

    /// The same for a `rediss://` server whose certificate is from a private authority (PEM).
    ///
    /// # Errors
    /// Also [`StoreError::Authority`] for an authority that cannot be read, and [`StoreError::Untrusted`] for a
    /// certificate that the authority did not sign.
    pub async fn connect_trusting(settings: &Settings, ca_pem: Option<&str>) -> Result<Self, StoreError> {
        let server = Server::of(&settings.url, ca_pem)?;
        let connection = match &server {
            Server::Fixed(client) => {
                let fixed = Fixed::new(Arc::clone(client));
                fixed.connect().await.map_err(tls::refused)?;
                Connection::Fixed(fixed)
            }
            Server::Sentinels(sentinels) => {
                let following = Following::new(Arc::clone(sentinels));
                following.connect().await.map_err(tls::refused)?;
                Connection::Following(following)
            }
        };
        let store = Self {
            server,
            claims_at: Arc::new(connection.primary().into()),
            connection,
            keys: Keys::new(&settings.prefix),
            queues: JobKeys::new(&settings.prefix),
            fair_orders: Arc::default(),
            approvals: Arc::default(),
            scripts: Arc::clone(&SCRIPTS),
            introduced: Introduced::default(),
            expected: Expected::default(),
            durability: Durability::Fast,
            waits: None,
            audit_keep: crate::audit::AUDIT_KEEP,
            counts_keep: crate::jobs::COUNTS_KEEP,
        };
        store.with_layout_found().await
    }

    /// Sets the fair orders in which jobs of these queues are submitted and claimed; other queues are ordered by payer.
    #[must_use]
    pub fn with_fair_orders(mut self, fair_orders: HashMap<Queue, FairOrder>) -> Self {
        self.fair_orders = Arc::default();
        self.set_fair_orders(fair_orders);
        self
    }

    /// Replaces them in this store and its clones.
    pub fn set_fair_orders(&self, fair_orders: HashMap<Queue, FairOrder>) {
        let orders = fair_orders.into_iter().map(|(queue, order)| (queue, Arc::new(order))).collect();
        *self.fair_orders.write().unwrap_or_else(PoisonError::into_inner) = orders;
    }

    /// The same where some actions need two operators.
    #[must_use]
    pub fn with_approvals(mut self, rule: ApprovalRule) -> Self {
        self.approvals = Arc::new(rule);
        self
    }

    /// The fair order of a queue.
    pub(crate) fn fair_order(&self, queue: &Queue) -> Arc<FairOrder> {
        static BY_PAYER: LazyLock<Arc<FairOrder>> =
            LazyLock::new(|| Arc::new(FairOrder { by: FairBy::Payer, weights: BTreeMap::new() }));
        // Nothing panics while it holds this lock. Should something panic, the orders are still valid.
        let orders = self.fair_orders.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(orders.get(queue).unwrap_or(&BY_PAYER))
    }

    /// One more connection to the same server, made when it is first used.
    pub(crate) fn dedicated_connection(&self) -> Connection {
        match &self.server {
            Server::Fixed(client) => Connection::Fixed(Fixed::new(Arc::clone(client))),
            Server::Sentinels(sentinels) => Connection::Following(Following::new(Arc::clone(sentinels))),
        }
    }

    /// The open connection, made if there is none. A check made over it counts for no other connection.
    ///
    /// # Errors
    /// [`StoreError`] when nothing answers.
    pub async fn connection_id(&self) -> Result<ConnectionId, StoreError> {
        self.connection.connection_id().await.map_err(|source| StoreError::of("CONNECT", source))
    }

    /// Counts the connections that this store makes.
    #[must_use]
    pub fn connection_ids(&self) -> ConnectionIds {
        self.connection.connection_ids()
    }

    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Redis time: the only clock for decisions about jobs.
    ///
    /// # Errors
    /// [`StoreError`] when Redis does not answer.
    pub async fn now(&self) -> Result<Millis, StoreError> {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME")
            .query_async(&mut self.connection())
            .await
            .map_err(|source| StoreError::of("TIME", source))?;
        Ok(Millis(seconds * 1_000 + micros / 1_000))
    }

    /// Checks that Redis accepts writes, by writing a key that expires at once.
    ///
    /// # Errors
    /// [`StoreError`] if it does not: it is full, a replica, or away.
    pub async fn probe_write(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.keys.probe()).arg("").arg("PX").arg(1);
        command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SET", source))
    }

    /// Checks that Redis answers, and measures the time.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        redis::cmd("PING").query_async(&mut self.connection()).await.map_err(|source| StoreError::of("PING", source))
    }
}

/// Connects once.
pub(crate) async fn open_to(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}
