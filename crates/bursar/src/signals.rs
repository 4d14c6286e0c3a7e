//! How a process is told to end.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM or Ctrl-C. A second one ends the process at once: what is in flight stays in doubt.
pub(crate) fn drain_on_signal() -> std::io::Result<CancellationToken> {
    let drain = CancellationToken::new();
    let told = drain.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told.is_cancelled() {
                tracing::warn!("told to end a second time: ending at once");
                std::process::exit(1);
            }
            told.cancel();
        }
    });
    Ok(drain)
}
