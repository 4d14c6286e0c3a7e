//! Listening. The number of connections is bounded, and none may hang. When the server drains, idle connections are closed and requests in
//! flight finish.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use bursar_domain::Queue;
use bursar_producer::Producer;
use bursar_store::Store;
use bursar_telemetry::Page;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::connection::Connection;
use crate::ops;
use crate::routes;
use crate::state::attempts::Attempts;
use crate::state::job_watch::JobWatch;
use crate::state::queues::Queues;
use crate::state::readiness::Readiness;
use crate::state::sessions::{SessionKeyError, Sessions};
use crate::state::tokens::{Tokens, TokensError};
use crate::state::{ServerState, Settings, Shared};

/// Connections at a time. Each may hold a body of [`crate::body::MAX_BODY_BYTES`] once its token is known, a few KiB before.
const MAX_CONNECTIONS: usize = 4_096;

/// After a failed accept (out of descriptors), the next one has time to succeed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server does not start. The operator acts next.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("server.listen: cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The tokens file breaks rules.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// There is no key for the dashboard's sessions.
    #[error(transparent)]
    SessionKey(#[from] SessionKeyError),
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    hangup: Signal,
    app: Shared,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
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
        settings: Settings,
        no_tokens: NoTokens,
        store: Store,
        producer: Producer,
        queues: Vec<Queue>,
        page: Page,
        drain: CancellationToken,
    ) -> Result<Self, ServeError> {
        let listen = settings.listen;
        let failed = |source| ServeError::Listen { listen, source };
        let accounts: BTreeSet<_> = queues.iter().map(|queue| queue.account.clone()).collect();
        let tokens = match Tokens::read(&settings.tokens_file, accounts.clone()) {
            Err(error) if error.is_missing() && no_tokens == NoTokens::Warn => {
                tracing::warn!(
                    file = %settings.tokens_file.display(),
                    "there is no tokens file: no client can use the API yet. `bursar token NAME --role producer` makes a token; SIGHUP reads the file"
                );
                Tokens::none_yet(&settings.tokens_file, accounts)
            }
            read => read?,
        };
        let sessions = Sessions::open(settings.session_key_file.as_deref())?;
        let hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let app = Arc::new(ServerState {
            settings,
            store,
            producer,
            queues: Queues::new(queues),
            tokens,
            page,
            sessions,
            attempts: Mutex::new(Attempts::new(Instant::now())),
            job_watch: JobWatch::default(),
            readiness: Readiness::default(),
            drain,
        });
        Ok(Self { listener, address, hangup, app })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the token given to [`Server::bind`] is cancelled, then until requests in flight are answered, or for
    /// `settings.drain` at most.
    pub async fn serve(self) {
        let Self { listener, address, mut hangup, app } = self;
        let router = routes::router(Arc::clone(&app));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let following = tokio::spawn(follow(Arc::clone(&app)));
        tracing::info!(%address, tokens = %app.settings.tokens_file.display(), "listening on http://{address}");
        loop {
            let accepted = tokio::select! {
                () = app.drain.cancelled() => break,
                _ = hangup.recv() => {
                    reload(&app);
                    continue;
                }
                accepted = accept(&listener, &places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let connection = answer(stream, router.clone(), Arc::clone(&app));
            let cut = cut.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = connection => {}
                    () = cut.cancelled() => {}
                }
                drop(place);
            });
        }
        drop(listener);
        connections.close();
        tracing::info!(open = connections.len(), "draining: no new connection, requests in flight are answered");
        following.await.ok(); // it ends by the same token; a panic in it is on standard error already
        if tokio::time::timeout(app.settings.drain, connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "cutting requests that did not end within server.drain");
            cut.cancel();
            connections.wait().await;
        }
    }
}

async fn follow(app: Shared) {
    tokio::join!(app.job_watch.follow(&app.store, app.drain.clone()), ops::audit::write_attempts(&app));
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Answers one connection's requests.
async fn answer(stream: TcpStream, router: Router, app: Shared) {
    let peer = stream.peer_addr().ok();
    stream.set_nodelay(true).ok(); // answers go out at once; a connection that cannot is none the worse
    let client_timeout = app.settings.client_timeout;
    give_up_after(&stream, client_timeout);
    let connection = TokioIo::new(Connection::new(stream, client_timeout));
    let routes = TowerToHyperService::new(router);
    let routes = service_fn(move |mut request: hyper::Request<Incoming>| {
        peer.and_then(|peer| request.extensions_mut().insert(ConnectInfo(peer)));
        routes.call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(client_timeout)
        .serve_connection(connection, routes);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = app.drain.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A client that has vanished without a word is noticed once it has acknowledged nothing for so long; by itself the system
/// tries for a quarter of an hour, and a stream of events would hold its place meanwhile.
#[cfg(target_os = "linux")]
fn give_up_after(stream: &TcpStream, client_timeout: Duration) {
    use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
    let millis = u32::try_from(client_timeout.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, TcpUserTimeout, &millis).ok(); // without it, it only takes longer
}

#[cfg(not(target_os = "linux"))]
fn give_up_after(_: &TcpStream, _: Duration) {}

fn reload(app: &Shared) {
    let read = app.tokens.reload();
    let problem = read.as_ref().map_err(ToString::to_string);
    ops::audit::reloaded(app, &app.settings.tokens_file, problem.copied());
    match read {
        Ok(tokens) => tracing::info!(tokens, "read the tokens file again"),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            tracing::error!("{error}{cause}; the tokens read before stay");
        }
    }
}
