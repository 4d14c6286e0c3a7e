//! How a private server is to be run.

use std::{path::PathBuf, time::Duration};

/// When the append-only file is forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before each answer: what was acknowledged survives a power cut.
    #[default]
    Always,
    /// Once a second: loses up to a second at a power cut. The death of the server alone loses nothing while the disk is
    /// quick; while it is slow, Redis answers before it has written, for up to two seconds.
    EverySecond,
    /// When the system likes to: survives the death of the server only.
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

/// Where a private server listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket that only this user can open.
    #[default]
    Socket,
    /// A free TCP port on 127.0.0.1, kept over restarts: for tests that put a proxy between. Every user of the machine can
    /// reach it.
    Loopback,
}

/// What [`PrivateRedis::start`](crate::PrivateRedis::start) needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Holds the append-only file, the log and the lock. Made if missing, private to this user.
    pub data_dir: PathBuf,
    /// The server's file; `None` searches as [`find_binary`](crate::find_binary) does.
    pub binary: Option<PathBuf>,
    /// Where it listens.
    pub listen: Listen,
    /// What an acknowledged write survives.
    pub fsync: Fsync,
    /// More server settings as in `redis.conf`, without quotes: `("maxmemory", "64mb")`. They come last and win.
    pub settings: Vec<(String, String)>,
    /// How long loading the append-only file may take.
    pub start_timeout: Duration,
    /// How long a polite stop may take before SIGKILL.
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
