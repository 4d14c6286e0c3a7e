//! The state that every request is answered with: the store and the producer, the tokens, and the drain of the server.

pub(crate) mod attempts;
mod audit;
pub(crate) mod identity;
pub(crate) mod job_watch;
pub(crate) mod notification_accounts;
pub(crate) mod queues;
pub(crate) mod rate;
pub(crate) mod readiness;
pub(crate) mod refusal;
pub(crate) mod sessions;
pub(crate) mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_producer::Producer;
use bursar_store::Store;
use bursar_telemetry::Page;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::state::attempts::Attempts;
use crate::state::job_watch::JobWatch;
use crate::state::notification_accounts::NotificationAccount;
use crate::state::queues::Queues;
use crate::state::readiness::Readiness;
use crate::state::sessions::Sessions;
use crate::state::tokens::Tokens;

/// The settings of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to listen on; port 0 for any free one.
    pub listen: SocketAddr,
    /// The file with the tokens and their roles.
    pub tokens_file: PathBuf,
    /// The file with the key that signs the dashboard's sessions, the same for all replicas; a random key of the process if left out.
    pub session_key_file: Option<PathBuf>,
    /// Requests a second of each token, in this process; 0 for no limit.
    pub rate_per_second: u32,
    /// The time limit of a request's head, of its body, and of a client that does not read its answer.
    pub client_timeout: Duration,
    /// The time limit of requests in flight once the server drains.
    pub drain: Duration,
    /// Failed tokens and sign-ins of one client within a minute, after which further ones get 429; 0 for no limit.
    pub failures_per_minute: u32,
    /// The networks of proxies whose word on a client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they name it.
    pub proxy_header: ProxyHeader,
    /// The accounts whose gateway may notify them.
    pub notification_accounts: Vec<NotificationAccount>,
}

/// The header in which trusted proxies name the client. There is one: a proxy that writes one header may pass the other one on as the client
/// wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The state that all handlers share.
pub(crate) struct ServerState {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    /// Validates and stores jobs.
    pub(crate) producer: Producer,
    /// The queues of the configuration.
    pub(crate) queues: Queues,
    pub(crate) tokens: Tokens,
    /// The metrics and health of this process, its worker included where it has one.
    pub(crate) page: Page,
    /// The sessions of the dashboard.
    pub(crate) sessions: Sessions,
    /// Refused attempts.
    pub(crate) attempts: Mutex<Attempts>,
    /// News of jobs.
    pub(crate) job_watch: JobWatch,
    /// The latest probe of Redis.
    pub(crate) readiness: Readiness,
    /// Cancelled when the server drains: waits for the sake of a client stop then.
    pub(crate) drain: CancellationToken,
}

/// The handlers' state.
pub(crate) type Shared = Arc<ServerState>;
