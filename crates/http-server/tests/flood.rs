//! Floods of connections from one machine, over real sockets and bounded to the loopback: an honest client is answered all the while.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by a panic")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bursar_http_server::{Limits, Listener, raise_limit};
use bursar_telemetry::ListenerMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// An answer must come within this time. A server whose places are all taken gives none.
const SOON: Duration = Duration::from_secs(10);

/// The connections of the audit's flood, if the system allows two files for each.
const FLOOD: usize = 4_200;

const PLACES: usize = 1_000;

/// The flood comes from one address and the honest client from another.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn served(limits: Limits) -> (SocketAddr, tokio_util::sync::DropGuard, Arc<ListenerMetrics>) {
    let metrics = Arc::new(ListenerMetrics::default());
    let listener = Listener::bind("server.listen", (Ipv4Addr::LOCALHOST, 0).into(), limits, &metrics).await.unwrap();
    let (address, drain) = (listener.address(), CancellationToken::new());
    let router = Router::new().route("/healthz", get(async || "ok"));
    tokio::spawn(listener.serve(router, drain.clone()));
    (address, drain.drop_guard(), metrics)
}

const fn limits(connections: usize, per_address: usize) -> Limits {
    Limits { connections, per_address, client_timeout: Duration::from_secs(30), drain: Duration::from_secs(1) }
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
    timeout(SOON, socket.connect(to)).await.expect("a connection in time").unwrap()
}

/// One request over a new connection.
async fn is_answered(from: Ipv4Addr, to: SocketAddr) {
    let mut connection = connect(from, to).await;
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(SOON, connection.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
}

/// The connections of a flood that this machine's limit of open files leaves room for, both ends in this process.
fn flood() -> usize {
    let room = usize::try_from(raise_limit()).unwrap_or(usize::MAX).saturating_sub(500) / 2;
    let flood = FLOOD.min(room);
    assert!(flood > 100, "this system allows too few open files for a flood");
    flood
}

/// True once the server has closed the connection.
async fn is_closed(connection: &mut TcpStream) -> bool {
    let mut byte = [0];
    matches!(timeout(SOON, connection.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn an_honest_client_is_answered_through_a_flood_of_idle_ones() {
    let (flood, places) = (flood(), PLACES.min(flood() / 2));
    let (address, _serving, _) = served(limits(places, places)).await;
    let mut idle = Vec::new();
    for number in 0..flood {
        // Also from the address of the flood: there is no limit of an address here.
        idle.push(connect(STRANGER, address).await);
        if number % 200 == 0 {
            is_answered(Ipv4Addr::LOCALHOST, address).await;
            is_answered(STRANGER, address).await;
        }
    }
    is_answered(Ipv4Addr::LOCALHOST, address).await;
    assert!(is_closed(&mut idle[0]).await, "the connection that was idle longest was closed");
}

#[tokio::test]
async fn an_address_takes_no_place_from_others_above_its_limit() {
    let (address, _serving, _) = served(limits(200, 50)).await;
    let mut honest = connect(Ipv4Addr::LOCALHOST, address).await;
    let mut strangers = Vec::new();
    for _ in 0..400 {
        strangers.push(connect(STRANGER, address).await);
    }
    // The honest client connected first, is idle longest, and still has its place.
    is_answered(STRANGER, address).await;
    honest.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(SOON, honest.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(is_closed(&mut strangers[0]).await);
}

#[tokio::test]
async fn a_drain_closes_idle_connections_and_refuses_new_ones() {
    let (address, serving, metrics) = served(limits(10, 10)).await;
    let mut idle = connect(Ipv4Addr::LOCALHOST, address).await;
    is_answered(Ipv4Addr::LOCALHOST, address).await;
    drop(serving);
    assert!(is_closed(&mut idle).await);
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.expect("the listener to be closed");
    drop(metrics);
}
