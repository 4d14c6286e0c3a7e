//! Messages to systemd (`Type=notify`): ready, alive, stopping. Without `NOTIFY_SOCKET` none is sent.
//!
//! The protocol is one datagram a message, which the standard library sends. The crate sd-notify would add nothing that is used here.

use std::env;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use bursar_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

/// A message waits this long for a manager that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Messages within the watchdog's time, so that one that is late ends no worker.
const MESSAGES_WITHIN: u32 = 3;

/// The manager that started this process, if it wants messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    /// The time after which the manager ends a process that sent no sign of life.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager that the environment names.
    pub(crate) fn of_environment() -> Self {
        let Some(address) = env::var("NOTIFY_SOCKET").ok().filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        match connected(&address) {
            Ok(socket) => {
                let variable = |name| env::var(name).ok().and_then(|text| text.parse().ok());
                let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id().into());
                Self { socket: Some(Arc::new(socket)), watchdog }
            }
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET {address} takes no messages; systemd will not learn that this process is ready");
                Self::default()
            }
        }
    }

    /// The process works.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// Sends `STOPPING=1` when the drain begins, and signs of life while this worker's claimer has a pulse. A process without a worker
    /// sends none.
    pub(crate) fn follow(&self, worker: Option<Arc<Metrics>>, drain: CancellationToken) {
        if self.socket.is_none() {
            return;
        }
        if let (Some(worker), Some(watchdog)) = (worker, self.watchdog) {
            tokio::spawn(self.clone().signs_of_life(worker, watchdog / MESSAGES_WITHIN));
        }
        let manager = self.clone();
        tokio::spawn(async move {
            drain.cancelled().await;
            manager.send("STOPPING=1");
        });
    }

    async fn signs_of_life(self, worker: Arc<Metrics>, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        loop {
            ticks.tick().await;
            match worker.pulse().well() {
                Ok(()) => self.send("WATCHDOG=1"),
                Err(unwell) => self.send(&format!("STATUS={unwell}")),
            }
        }
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::warn!(%error, "systemd did not take {message}");
        }
    }
}

/// A socket to this address.
fn connected(address: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.connect_addr(&read(address)?)?;
    Ok(socket)
}

/// The address of a path, or of an abstract name, whose zero byte is written as `@`.
#[cfg(target_os = "linux")]
fn read(address: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(address),
    }
}

/// The same where there are no abstract names.
#[cfg(not(target_os = "linux"))]
fn read(address: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(address)
}

/// The watchdog's time by its variables, if it is for the process `own`: a child inherits the variables of its parent.
fn watchdog(micros: Option<u64>, process: Option<u64>, own: u64) -> Option<Duration> {
    micros.filter(|micros| *micros > 0 && process.is_none_or(|process| process == own)).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        for (micros, process, expected) in [
            (None, None, None),
            (Some(0), None, None),
            (Some(60_000_000), None, Some(60)),
            (Some(60_000_000), Some(7), Some(60)),
            (Some(60_000_000), Some(8), None),
            (None, Some(7), None),
        ] {
            assert_eq!(watchdog(micros, process, 7), expected.map(Duration::from_secs), "{micros:?} {process:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_claimer_without_a_pulse_sends_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let received = || {
            let mut buffer = [0; 256];
            std::iter::from_fn(|| {
                let length = receiver.recv(&mut buffer).ok()?;
                Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
            })
            .collect::<Vec<_>>()
        };
        let socket = Some(Arc::new(connected(path.to_str().unwrap()).unwrap()));
        let manager = ServiceManager { socket, watchdog: Some(Duration::from_secs(60)) };
        let metrics = Arc::new(Metrics::default());
        manager.follow(Some(Arc::clone(&metrics)), CancellationToken::new());
        tokio::time::sleep(Duration::from_secs(21)).await;
        assert_eq!(received(), ["WATCHDOG=1", "WATCHDOG=1"]);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(received(), ["STATUS=no attempt to claim for 40 s"]);
        metrics.pulse().tried();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(received(), ["WATCHDOG=1"]);
    }
}
