//! A worker's own small listener: metrics and health, for those who run workers apart from the server.

use std::net::SocketAddr;

use anyhow::Context;
use bursar_telemetry::{Page, serve};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Starts it; it ends with the returned guard.
pub(crate) async fn start(address: SocketAddr, page: Page) -> anyhow::Result<DropGuard> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("worker.listen {address}"))?;
    tracing::info!(listen = %listener.local_addr()?, "metrics and health are served");
    let stopped = CancellationToken::new();
    let stop = stopped.clone();
    tokio::spawn(async move {
        if let Err(error) = serve(listener, page, stop).await {
            tracing::error!(%error, "metrics and health are served no more; the work goes on");
        }
    });
    Ok(stopped.drop_guard())
}
