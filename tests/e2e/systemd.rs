//! A worker and a server under systemd: the messages that a real process sends, and when it sends none.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bursar_test_support::{Listen, Options, private_redis};

use crate::plan::Plan;
use crate::world::SOON;

/// The watchdog's time: a message comes in each third of it.
const WATCHDOG: Duration = Duration::from_millis(900);

/// What systemd would listen at.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path, _folder: folder }
    }

    fn starts(&self, command: &mut Command) {
        command.env("NOTIFY_SOCKET", &self.path).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    }

    /// The next message; nothing if none comes within this time.
    fn next(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 512];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Reads until this message.
    fn until(&self, message: &str) {
        let began = Instant::now();
        while began.elapsed() < SOON {
            if self.next(SOON).as_deref() == Some(message) {
                return;
            }
        }
        panic!("no {message}");
    }

    /// Removes the messages that have come.
    fn drop_all(&self) {
        while self.next(Duration::from_millis(1)).is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_that_it_works_lives_and_drains() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let world = Plan::new().on_redis(redis.url()).start().await;
    let manager = Manager::new();
    let worker = world.worker_as(|command| manager.starts(command)).await;
    manager.until("READY=1");
    manager.until("WATCHDOG=1");
    redis.kill().unwrap();
    manager.drop_all();
    for _ in 0..4 {
        manager.until("WATCHDOG=1");
    }
    redis.start_again().unwrap();
    worker.freeze();
    manager.drop_all();
    assert_eq!(manager.next(WATCHDOG * 2), None, "a frozen worker gives no sign of life, and systemd ends it");
    worker.thaw();
    manager.until("WATCHDOG=1");
    worker.terminate();
    manager.until("STOPPING=1");
    assert_eq!(worker.finished(SOON).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_ready_when_it_listens_and_needs_no_pulse() {
    let world = Plan::new().start().await;
    let manager = Manager::new();
    let server = world.serve_with("serve", |command| manager.starts(command)).await;
    manager.until("READY=1");
    assert_eq!(manager.next(WATCHDOG * 2), None, "no claimer, no pulse");
    server.process.terminate();
    manager.until("STOPPING=1");
    assert_eq!(server.process.finished(SOON).await.code, Some(0));
}
