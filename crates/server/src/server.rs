//! The server's listeners, which share a state: one for the API and the dashboard, one for gateways' notifications and one for monitoring.
//! Without an address, the latter two are parts of the first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bursar_domain::{AccountName, Queue, Zone};
use bursar_http_server::{Limits, Listener};
use bursar_producer::Producer;
use bursar_store::Store;
use bursar_telemetry::{ListenerMetrics, Page};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ops;
use crate::routes;
use crate::state::accounts::{CurrentAccounts, ServedAccounts};
use crate::state::attempts::Attempts;
use crate::state::job_watch::JobWatch;
use crate::state::notification_accounts::NotificationAccount;
use crate::state::oidc::{Oidc, OidcError};
use crate::state::readiness::Readiness;
use crate::state::sessions::{SessionKeyError, Sessions};
use crate::state::tokens::{Tokens, TokensError};
use crate::state::{ServerState, Settings, Shared};

/// Why the server does not start. The operator acts next.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("{key}: cannot listen on {listen}")]
    Listen {
        /// The key of the address in the configuration.
        key: &'static str,
        /// The address.
        listen: SocketAddr,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The tokens file breaks rules.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// People cannot sign in by the provider.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// There is no key for the dashboard's sessions.
    #[error(transparent)]
    SessionKey(#[from] SessionKeyError),
}

/// A server that listens and does not answer yet.
pub struct Server {
    main: Listener,
    public: Option<Listener>,
    admin: Option<Listener>,
    /// SIGHUP, unless a [`ServerAccounts`] says when files are read again.
    hangup: Option<Signal>,
    app: Shared,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// The choice where there is no tokens file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTokens {
    /// The server does not start: no client could use it.
    Refuse,
    /// It starts and says so.
    Warn,
}

impl Server {
    /// Reads the tokens and listens. `producer` knows the accounts, `queues` are all of theirs.
    ///
    /// # Errors
    /// [`ServeError`]; nothing listens then.
    pub async fn bind(
        mut settings: Settings,
        no_tokens: NoTokens,
        store: Store,
        producer: Producer,
        queues: Vec<Queue>,
        page: Page,
        drain: CancellationToken,
    ) -> Result<Self, ServeError> {
        let accounts: BTreeSet<_> = queues.iter().map(|queue| queue.account.clone()).collect();
        let tokens = match Tokens::read(&settings.tokens_file, accounts.clone()) {
            Err(error) if error.is_missing() && no_tokens == NoTokens::Warn => {
                tracing::warn!(
                    file = %settings.tokens_file.display(),
                    "there is no tokens file: no client can use the API yet. `bursar token NAME --role producer` makes a token; SIGHUP reads the file"
                );
                Tokens::none_yet(&settings.tokens_file, accounts.clone())
            }
            read => read?,
        };
        let sessions = Sessions::open(settings.session_key_file.as_deref(), settings.session_limits)?;
        let oidc = settings.oidc.clone().map(|oidc| Oidc::open(oidc, accounts.clone())).transpose()?;
        let hangup = signal(SignalKind::hangup());
        let hangup =
            hangup.map_err(|source| ServeError::Listen { key: "server.listen", listen: settings.listen, source })?;
        let limits = Limits {
            connections: settings.connections,
            per_address: settings.connections_per_address,
            client_timeout: settings.client_timeout,
            drain: settings.drain,
        };
        let of_admin =
            Limits { connections: settings.admin_connections, per_address: settings.admin_connections, ..limits };
        let metrics = Arc::clone(&page.listeners);
        let main = bound("server.listen", settings.listen, limits, &metrics).await?;
        let public = match settings.public_listen {
            Some(address) => Some(bound("server.public_listen", address, limits, &metrics).await?),
            None => None,
        };
        let admin = match settings.admin_listen {
            Some(address) if !settings.is_admin_at_listen() => {
                Some(bound("server.admin_listen", address, of_admin, &metrics).await?)
            }
            Some(_) | None => None,
        };
        let notification_accounts = std::mem::take(&mut settings.notification_accounts);
        let time_zones = std::mem::take(&mut settings.time_zones);
        let app = Arc::new(ServerState {
            settings,
            store,
            accounts: CurrentAccounts::new(ServedAccounts::new(producer, queues, notification_accounts, time_zones)),
            tokens,
            page,
            oidc,
            sessions,
            attempts: Mutex::new(Attempts::new(Instant::now())),
            job_watch: JobWatch::default(),
            readiness: Readiness::default(),
            drain,
        });
        Ok(Self { main, public, admin, hangup: Some(hangup), app })
    }

    /// The address of the API and the dashboard.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.main.address()
    }

    /// The address of notifications, if it is a separate one.
    #[must_use]
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(Listener::address)
    }

    /// The address of metrics and health, if it is a separate one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Listener::address)
    }

    /// Takes over the reading of files at SIGHUP, and replaces the accounts while the server runs.
    pub fn accounts(&mut self) -> ServerAccounts {
        self.hangup = None;
        ServerAccounts(Arc::clone(&self.app))
    }

    /// Answers until the token given to [`Server::bind`] is cancelled, then until requests in flight are answered, or for
    /// `settings.drain` at most. Health is answered until the other listeners have ended.
    pub async fn serve(self) {
        let Self { main, public, admin, mut hangup, app } = self;
        let following = tokio::spawn(follow(Arc::clone(&app)));
        let address = main.address();
        app.note_known();
        tracing::info!(%address, tokens = %app.settings.tokens_file.display(), "listening on http://{address}");
        let main = tokio::spawn(main.serve(routes::main(&app), app.drain.clone()));
        let public = public.map(|public| {
            tracing::info!(listen = %public.address(), "gateways' notifications are received");
            tokio::spawn(public.serve(routes::public(&app), app.drain.clone()))
        });
        let drained = CancellationToken::new();
        let admin = admin.map(|admin| {
            tracing::info!(listen = %admin.address(), "metrics and health are served");
            tokio::spawn(admin.serve(routes::admin(&app), drained.clone()))
        });
        loop {
            tokio::select! {
                () = app.drain.cancelled() => break,
                () = hung_up(&mut hangup) => reload(&app),
            }
        }
        tracing::info!("draining: no new connection, requests in flight are answered");
        following.await.ok(); // it ends by the same token; a panic in it is on standard error already
        for serving in [Some(main), public].into_iter().flatten() {
            serving.await.ok();
        }
        drained.cancel();
        if let Some(admin) = admin {
            admin.await.ok();
        }
    }
}

/// The accounts of a server that may be running.
#[derive(Clone)]
pub struct ServerAccounts(Shared);

impl std::fmt::Debug for ServerAccounts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ServerAccounts").finish_non_exhaustive()
    }
}

impl ServerAccounts {
    /// Serves these accounts from now on. Requests in progress are answered with those that they began with.
    pub fn replace(
        &self,
        producer: Producer,
        queues: Vec<Queue>,
        notification_accounts: Vec<NotificationAccount>,
        time_zones: BTreeMap<AccountName, Zone>,
    ) {
        let accounts = ServedAccounts::new(producer, queues, notification_accounts, time_zones);
        self.0.tokens.configure(accounts.names().cloned().collect());
        self.0.accounts.replace(accounts);
    }

    /// Reads the tokens file again. A file that cannot be used changes nothing and is logged.
    pub fn read_tokens(&self) {
        reload(&self.0);
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

async fn bound(
    key: &'static str,
    listen: SocketAddr,
    limits: Limits,
    metrics: &ListenerMetrics,
) -> Result<Listener, ServeError> {
    let bound = Listener::bind(key, listen, limits, metrics).await;
    bound.map_err(|source| ServeError::Listen { key, listen, source })
}

async fn follow(app: Shared) {
    tokio::join!(app.job_watch.follow(&app.store, app.drain.clone()), ops::audit::write_attempts(&app));
}

fn reload(app: &Shared) {
    let read = app.tokens.reload();
    let problem = read.as_ref().map_err(ToString::to_string);
    ops::audit::reloaded(app, &app.settings.tokens_file, problem.copied());
    match read {
        Ok(tokens) => {
            app.note_known();
            tracing::info!(tokens, "read the tokens file again");
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            tracing::error!("{error}{cause}; the tokens read before stay");
        }
    }
}
