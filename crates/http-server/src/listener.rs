//! Serving. The number of connections is bounded, and none may hang. When the listener drains, idle connections are closed and requests in
//! flight finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bursar_telemetry::{ConnectionLimit, ListenerMetrics, OfListener};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::exchange::{Answer, Arriving, Exchange};
use crate::peer::Peer;
use crate::places::{Admission, PlaceId, Places, Reached};
use crate::refusal;

/// The longest head of a request, in bytes. Four times what browsers and proxies send, and 128 MB for all places of a server together.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The time for a connection's first whole head. A client connects when it has something to send; who connects and waits is no client.
const FIRST_HEAD: Duration = Duration::from_secs(5);

/// After a failed accept (out of descriptors), the next one has time to succeed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The interval of a listener's signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// The bounds of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one IPv4 address, or from one /64 network of IPv6.
    pub per_address: usize,
    /// The time limit of a head, of an idle connection, and of a client that does not read its answer. The first head has at most 5 s.
    pub client_timeout: Duration,
    /// The time limit of requests in flight once the listener drains.
    pub drain: Duration,
}

/// A listener that does not answer yet.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    limits: Limits,
    metrics: OfListener,
}

impl Listener {
    /// Listens at `address`. `name` is the key of the address in the configuration.
    ///
    /// # Errors
    /// Where the address is taken, or not ours.
    pub async fn bind(
        name: &'static str,
        address: SocketAddr,
        limits: Limits,
        metrics: &ListenerMetrics,
    ) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { name, socket, address, limits, metrics: metrics.of(name, limits.connections) })
    }

    /// The address at which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers by `router` until `drain`, then until requests in flight are answered, or for [`Limits::drain`] at most. Handlers find the
    /// client's address as `ConnectInfo<SocketAddr>`.
    pub async fn serve(self, router: Router, drain: CancellationToken) {
        let Self { name, socket, limits, metrics, .. } = self;
        let places = Mutex::new(Places::new(limits.connections, limits.per_address));
        let seats = Arc::new(Seats { name, limits, metrics, places });
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        let mut beats = tokio::time::interval(BEAT);
        loop {
            let accepted = tokio::select! {
                () = drain.cancelled() => break,
                _ = beats.tick() => {
                    seats.metrics.beat();
                    continue;
                }
                accepted = socket.accept() => accepted,
            };
            let Some((stream, address)) = taken(name, accepted).await else { continue };
            let Some((seat, close)) = Seats::admit(&seats, address) else { continue };
            let connection = answer(stream, address, router.clone(), seat, drain.clone());
            let cut = cut.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = connection => {}
                    () = close.cancelled() => {}
                    () = cut.cancelled() => {}
                }
            });
        }
        seats.metrics.ends();
        drop(socket);
        connections.close();
        tracing::debug!(listener = name, open = connections.len(), "draining: no new connection is taken");
        if tokio::time::timeout(limits.drain, connections.wait()).await.is_err() {
            tracing::warn!(listener = name, open = connections.len(), "cutting requests that did not end in time");
            cut.cancel();
            connections.wait().await;
        }
    }
}

/// The next connection. After a failure the next one has time to succeed.
async fn taken(
    name: &'static str,
    accepted: std::io::Result<(TcpStream, SocketAddr)>,
) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(listener = name, %error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// The places of a listener with their effects: logs and metrics.
struct Seats {
    name: &'static str,
    limits: Limits,
    metrics: OfListener,
    places: Mutex<Places<CancellationToken>>,
}

impl Seats {
    fn places(&self) -> MutexGuard<'_, Places<CancellationToken>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection, and the token by which it must close; none where the connection is refused.
    fn admit(self: &Arc<Self>, address: SocketAddr) -> Option<(Arc<Seat>, CancellationToken)> {
        let (peer, close) = (Peer::from(address.ip()), CancellationToken::new());
        let (Admission { place, displaced, reached }, open) = {
            let mut places = self.places();
            (places.admit(peer, close.clone()), places.open())
        };
        if let Some(Reached { limit, is_news }) = reached {
            if is_news {
                self.report(limit, peer);
            }
            match place {
                Some(_) => self.metrics.displaced(limit),
                None => self.metrics.refused(limit),
            }
        }
        if let Some(displaced) = displaced {
            displaced.cancel();
        }
        self.metrics.open(open);
        let place = place?;
        let first_head = Notify::new();
        Some((Arc::new(Seat { seats: Arc::clone(self), place, first_head }), close))
    }

    fn report(&self, limit: ConnectionLimit, peer: Peer) {
        let listener = self.name;
        match limit {
            ConnectionLimit::Places => tracing::warn!(
                listener,
                connections = self.limits.connections,
                "all connections of {listener} are taken: for each new one, the one that is idle longest is closed"
            ),
            ConnectionLimit::Address => tracing::warn!(
                listener,
                address = %peer,
                connections = self.limits.per_address,
                "{peer} has all connections of {listener} that one address may have: for each new one, its own that is idle longest is closed"
            ),
        }
    }
}

/// A connection's place. It is free when the last owner drops it.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    place: PlaceId,
    first_head: Notify,
}

impl Seat {
    /// A request is whole, or is being answered.
    pub(crate) fn work(&self) {
        self.first_head.notify_one();
        self.seats.places().work(self.place);
    }

    /// The connection waits for its client.
    pub(crate) fn rest(&self) {
        self.seats.places().rest(self.place);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let open = {
            let mut places = self.seats.places();
            places.leave(self.place);
            places.open()
        };
        self.seats.metrics.open(open);
    }
}

/// Answers one connection's requests.
async fn answer(stream: TcpStream, address: SocketAddr, router: Router, seat: Arc<Seat>, drain: CancellationToken) {
    stream.set_nodelay(true).ok(); // answers go out at once; a connection that cannot is none the worse
    let client_timeout = seat.seats.limits.client_timeout;
    give_up_after(&stream, client_timeout);
    answer_over(Connection::new(stream, client_timeout), address, router, seat, drain).await;
}

async fn answer_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    address: SocketAddr,
    router: Router,
    seat: Arc<Seat>,
    drain: CancellationToken,
) {
    let client_timeout = seat.seats.limits.client_timeout;
    let router = TowerToHyperService::new(router);
    let requests = service_fn(|request: Request<Incoming>| {
        let exchange = Exchange::begin(&seat);
        // A chunked request may also have a length, by which a proxy before us reads it: nothing behind it is a request.
        let (head_bytes, is_last) = (head_bytes(&request), request.headers().contains_key(header::TRANSFER_ENCODING));
        let mut request = request.map(|body| Body::new(Arriving::new(body, Arc::clone(&exchange))));
        request.extensions_mut().insert(ConnectInfo(address));
        let answer = hyper::service::Service::call(&router, request);
        async move {
            let mut answer: Response = if head_bytes > MAX_HEAD_BYTES {
                refusal::head_too_large()
            } else {
                answer.await.unwrap_or_else(|never: Infallible| match never {})
            };
            if is_last || head_bytes > MAX_HEAD_BYTES {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| Answer { body, _exchange: exchange }))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(client_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), requests);
    let mut serving = std::pin::pin!(serving);
    let mut late = std::pin::pin!(no_head_in_time(&seat));
    let mut is_first = true;
    let ended = loop {
        tokio::select! {
            ended = serving.as_mut() => break ended,
            is_late = late.as_mut(), if is_first => {
                if is_late {
                    tracing::debug!(listener = seat.seats.name, "a connection without a whole head was closed");
                    return;
                }
                is_first = false;
            }
            () = drain.cancelled() => {
                serving.as_mut().graceful_shutdown();
                break serving.await;
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(listener = seat.seats.name, %error, "a connection ended early");
    }
}

/// The length of a request's head. hyper stops reading once its buffer is full, and the last read may have brought more.
fn head_bytes<B>(request: &Request<B>) -> usize {
    const AROUND_A_HEADER: usize = ": \r\n".len();
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + AROUND_A_HEADER);
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    target + headers.sum::<usize>()
}

/// True once the time for the first head is over; false when it was whole before.
async fn no_head_in_time(seat: &Seat) -> bool {
    let limit = FIRST_HEAD.min(seat.seats.limits.client_timeout);
    tokio::time::timeout(limit, seat.first_head.notified()).await.is_err()
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

#[cfg(test)]
mod tests;
