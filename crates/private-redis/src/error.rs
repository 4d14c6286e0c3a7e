//! The errors of starting and stopping a private server. No accepted job is at risk in any of them: either none was
//! accepted yet, or all are in the append-only file.

use std::{io, path::PathBuf, time::Duration};

/// The reason why no server runs, and who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to run: the user installs a server or points at a running one.
    #[error(
        "found no Redis or Valkey server (looked for redis-server and valkey-server in {looked}); \
         install one (apt-get install redis-server, dnf install valkey, brew install valkey), \
         name its file in BURSAR_REDIS_BIN, or set REDIS_URL to a running server"
    )]
    NoBinary {
        /// The places that were searched.
        looked: String,
    },
    /// A file was named on purpose and is not a server: falling back to another would hide that.
    #[error("{} was named as the Redis server, but `{} --version` does not answer as one", path.display(), path.display())]
    NotAServer {
        /// The file that was named.
        path: PathBuf,
    },
    /// Another supervisor, or a server whose supervisor was killed and that has not left yet, owns the folder.
    #[error("another process uses {}; stop it, or choose another folder", data_dir.display())]
    InUse {
        /// The contested folder.
        data_dir: PathBuf,
    },
    /// The data folder could not be made, made private or locked.
    #[error("could not prepare the data folder {}", data_dir.display())]
    DataDir {
        /// The folder.
        data_dir: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The system refused to start the process.
    #[error("could not run {}", binary.display())]
    Spawn {
        /// The server's file.
        binary: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The server ended before it answered; its own words say why.
    #[error("the Redis server ended while it started ({status}); it said:\n{log}")]
    Ended {
        /// Exit code or signal.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The server runs but did not become ready in time, and was stopped again.
    #[error("the Redis server was not ready after {waited:?}; it said:\n{log}")]
    NotReady {
        /// The waiting time.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// The operating system refused something about a process or a socket that it never should.
    #[error("could not {action}")]
    System {
        /// The attempted action.
        action: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// An order that needs a running server came while none ran.
    #[error("the private Redis server is not running")]
    NotRunning,
    /// The thread that owns the server ended by a panic; the server went with it.
    #[error("the thread that supervises the private Redis server is gone")]
    SupervisorGone,
}
