//! The settings of a private server.

use std::{path::PathBuf, time::Duration};

/// The moment at which the append-only file is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before each answer: what was acknowledged survives a power cut.
    #[default]
    Always,
    /// Once a second: loses up to a second at a power cut. The death of the server alone loses nothing while the disk is
    /// quick; while it is slow, Redis answers before it has written, for up to two seconds.
    EverySecond,
    /// When the system decides: an acknowledged write survives only the server's death.
    Never,
}

impl Fsync {
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::Never => "no",
        }
    }
}

/// The address of a private server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket that only this user can open.
    #[default]
    Socket,
    /// A free TCP port on 127.0.0.1, kept over restarts: for tests that put a proxy between. Every user of the machine can
    /// reach it.
    Loopback,
}

/// The options of [`PrivateRedis::start`](crate::PrivateRedis::start).
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the append-only file, the log and the lock. Created if missing, private to this user.
    pub data_dir: PathBuf,
    /// The server's file; `None` searches as [`find_binary`](crate::find_binary) does.
    pub binary: Option<PathBuf>,
    /// The address to listen on.
    pub listen: Listen,
    /// The failures that an acknowledged write survives.
    pub fsync: Fsync,
    /// More server settings as in `redis.conf`, without quotes: `("maxmemory", "64mb")`. They come last and win.
    pub settings: Vec<(String, String)>,
    /// The longest time to load the append-only file.
    pub start_timeout: Duration,
    /// The time between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
}

impl Options {
    /// A durable server on a unix socket, with its files in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            binary: None,
            listen: Listen::default(),
            fsync: Fsync::default(),
            settings: Vec::new(),
            // Redis 7 loads about 1 GB of append-only file in 10 s on a small machine.
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
        }
    }

    /// Adds one server setting.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}
