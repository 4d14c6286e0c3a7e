//! The way to Redis: one multiplexed connection that comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Millis;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::durability::{Durability, Waits};
use crate::keys::Keys;
use crate::scripts::Scripts;
use crate::{StoreError, tls};

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one command may take. The client's own default of 500 ms turns every short stall into an unknown outcome.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest wait between attempts to reconnect: workers are to be back within a second of Redis.
const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// Attempts to reconnect before the waiting commands are told; the callers' own loops go on from there.
const RECONNECT_ATTEMPTS: usize = 3;

/// Where the store is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://`, `rediss://` or `redis+unix://`.
    pub url: String,
    /// What every key begins with.
    pub prefix: String,
}

/// The store: cheap to clone, safe to share.
#[derive(Clone)]
pub struct Store {
    client: redis::Client,
    connection: ConnectionManager,
    pub(crate) keys: Keys,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) durability: Durability,
    pub(crate) waits: Option<Waits>,
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
    /// [`StoreError::Url`] for a URL that cannot be read, [`StoreError::Unreachable`] when nothing answers there.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        Self::connect_trusting(settings, None).await
    }

    /// The same where `rediss://` leads to a server whose certificate is by an authority of one's own (PEM).
    ///
    /// # Errors
    /// Also [`StoreError::Authority`] for an authority that cannot be read, and [`StoreError::Untrusted`] for a certificate
    /// that it does not vouch for.
    pub async fn connect_trusting(settings: &Settings, ca_pem: Option<&str>) -> Result<Self, StoreError> {
        let client = tls::client(&settings.url, ca_pem)?;
        let connection = client.get_connection_manager_with_config(manager()).await.map_err(tls::refused)?;
        Ok(Self {
            client,
            connection,
            keys: Keys::new(&settings.prefix),
            scripts: Arc::new(Scripts::load()),
            durability: Durability::Fast,
            waits: None,
        })
    }

    /// One more connection to the same server, made when it is first used.
    pub(crate) fn dedicated_connection(&self) -> Result<ConnectionManager, StoreError> {
        ConnectionManager::new_lazy_with_config(self.client.clone(), manager())
            .map_err(|source| StoreError::of("CONNECT", source))
    }

    pub(crate) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    pub(crate) fn client(&self) -> &redis::Client {
        &self.client
    }

    /// Redis time: the only clock by which anything is decided about a job.
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

    /// Whether Redis takes writes: one is made, of a key that expires at once.
    ///
    /// # Errors
    /// [`StoreError`] when it does not: it is full, a replica, or away.
    pub async fn probe_write(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.keys.probe()).arg("").arg("PX").arg(1);
        command.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SET", source))
    }

    /// Whether Redis answers, and how long that took.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        redis::cmd("PING").query_async(&mut self.connection()).await.map_err(|source| StoreError::of("PING", source))
    }
}

fn manager() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(RECONNECT_ATTEMPTS)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(MAX_RECONNECT_DELAY)
}
