//! A worker's listener for metrics and health.

use std::net::SocketAddr;
use std::time::Duration;

use bursar_http_server::{Limits, Listener};
use bursar_telemetry::Page;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::exit::{Context, Failure};

/// The key of its address.
const KEY: &str = "worker.listen";

/// The time limit of a head, of an idle connection, and of a scraper that does not read: Prometheus scrapes each minute at the latest.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(90);

/// The time for a scrape that is answered when the worker ends, which does not wait for it.
const DRAIN: Duration = Duration::from_secs(1);

/// Starts the listener, which takes this many connections. It ends with the returned guard.
pub(crate) async fn start(address: SocketAddr, connections: usize, page: Page) -> Result<DropGuard, Failure> {
    let limits = Limits { connections, per_address: connections, client_timeout: CLIENT_TIMEOUT, drain: DRAIN };
    let listener = Listener::bind(KEY, address, limits, &page.listeners);
    let listener = listener.await.context(format_args!("{KEY} {address}"))?;
    tracing::info!(listen = %listener.address(), "metrics and health are served");
    let stopped = CancellationToken::new();
    tokio::spawn(listener.serve(page.routes(), stopped.clone()));
    Ok(stopped.drop_guard())
}
