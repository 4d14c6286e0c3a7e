//! The state that every request is answered with: the store and the producer, the tokens, and the drain of the server.

pub(crate) mod accounts;
pub(crate) mod attempts;
mod audit;
pub(crate) mod clock;
pub(crate) mod identity;
pub(crate) mod job_watch;
pub(crate) mod notification_accounts;
pub(crate) mod oidc;
pub(crate) mod queues;
pub(crate) mod rate;
pub(crate) mod readiness;
pub(crate) mod refusal;
pub(crate) mod sessions;
pub(crate) mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_domain::{AccountName, Zone};
use bursar_store::{Store, TokenNote};
use bursar_telemetry::Page;
use ipnet::IpNet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::state::accounts::CurrentAccounts;
use crate::state::attempts::Attempts;
use crate::state::job_watch::JobWatch;
use crate::state::notification_accounts::NotificationAccount;
use crate::state::oidc::{Oidc, OidcSettings};
use crate::state::readiness::Readiness;
use crate::state::sessions::{Session, SessionLimits, Sessions, Whose};
use crate::state::tokens::{Bearer, Tokens};

/// The settings of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the API and the dashboard; port 0 for any free one.
    pub listen: SocketAddr,
    /// The address of `/notify` alone; at `listen` with the rest if left out.
    pub public_listen: Option<SocketAddr>,
    /// The address of `/metrics`, `/healthz` and `/readyz`. If left out, `/metrics` is at `listen` if that is a loopback address, else nowhere.
    /// The address of `listen` itself has it there in any case.
    pub admin_listen: Option<SocketAddr>,
    /// Connections at once of `listen`, and as many of `public_listen`.
    pub connections: usize,
    /// The most of them from one IPv4 address, or from one /64 network of IPv6.
    pub connections_per_address: usize,
    /// Connections at once of `admin_listen`.
    pub admin_connections: usize,
    /// The file with the tokens and their roles.
    pub tokens_file: PathBuf,
    /// The file with the key that signs the dashboard's sessions, the same for all replicas; a random key of the process if left out.
    pub session_key_file: Option<PathBuf>,
    /// The provider by which people sign in to the dashboard, if there is one.
    pub oidc: Option<OidcSettings>,
    /// The longest times of the dashboard's sessions.
    pub session_limits: SessionLimits,
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
    /// The time zones of accounts; the default one is for those that are not in it.
    pub time_zones: BTreeMap<AccountName, Zone>,
    /// The accounts whose gateway may notify them.
    pub notification_accounts: Vec<NotificationAccount>,
}

impl Settings {
    /// True if one address is for monitoring and for everything else.
    pub(crate) fn is_admin_at_listen(&self) -> bool {
        self.listen.port() != 0 && self.admin_listen == Some(self.listen)
    }

    /// True if `/metrics`, which shows balances without a token, is where the API is: by the operator's word, or where no other machine reaches it.
    pub(crate) fn has_metrics_at_listen(&self) -> bool {
        match self.admin_listen {
            None => self.listen.ip().is_loopback(),
            Some(_) => self.is_admin_at_listen(),
        }
    }
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
    /// The accounts of the configuration.
    pub(crate) accounts: CurrentAccounts,
    pub(crate) tokens: Tokens,
    /// The metrics and health of this process, its worker included where it has one.
    pub(crate) page: Page,
    /// The sign-in by a provider.
    pub(crate) oidc: Option<Oidc>,
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

impl ServerState {
    /// The session of a cookie, unless its bearer is not known any more. Redis says if it is over.
    pub(crate) fn session(&self, cookie: &str) -> Option<Session> {
        let now = clock::now();
        let known = |whose: &Whose| match whose {
            Whose::Token(name) => self.tokens.named(name, now),
            Whose::Person(person) => self.oidc.as_ref().map(|oidc| oidc.people.bearer(person)),
        };
        self.sessions.read(cookie, known, now)
    }

    /// True while a session's bearer is known and its lifetime lasts.
    pub(crate) fn still_knows(&self, session: &Session) -> bool {
        let (bearer, now) = (&session.bearer, clock::now());
        now < session.until && (bearer.is_person() || self.tokens.still_knows(bearer, now))
    }

    /// Notes in Redis that a bearer is there, at most once a minute and in the background: no request waits for it.
    pub(crate) fn note_use(&self, bearer: &Bearer) {
        if bearer.is_person() || !bearer.is_to_be_noted(Instant::now()) {
            return;
        }
        self.note(vec![bearer.id()], TokenNote::Used);
    }

    /// Notes in Redis which tokens this server knows, in the background.
    pub(crate) fn note_known(&self) {
        self.note(self.tokens.ids(), TokenNote::Known);
    }

    fn note(&self, bearers: Vec<String>, note: TokenNote) {
        let store = self.store.clone();
        tokio::spawn(async move {
            for bearer in bearers {
                if let Err(error) = store.note_token(&bearer, note).await {
                    tracing::debug!(error = %error.chain(), "a token's use was not noted");
                    return; // Redis is away: the next use is noted
                }
            }
        });
    }
}

/// The handlers' state.
pub(crate) type Shared = Arc<ServerState>;
