//! A worker's small listener for metrics and health, for workers that run without a server.

use std::net::SocketAddr;

use bursar_telemetry::{Page, serve};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::exit::{Context, Failure};

/// Starts the listener. It ends with the returned guard.
pub(crate) async fn start(address: SocketAddr, page: Page) -> Result<DropGuard, Failure> {
    let listener = TcpListener::bind(address).await.context(format_args!("worker.listen {address}"))?;
    tracing::info!(listen = %listener.local_addr()?, "metrics and health are served");
    let stopped = CancellationToken::new();
    let stop = stopped.clone();
    tokio::spawn(async move {
        if let Err(error) = serve(listener, page, stop).await {
            tracing::error!(%error, "metrics and health are no longer served; the worker goes on");
        }
    });
    Ok(stopped.drop_guard())
}
