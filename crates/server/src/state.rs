//! What every request is answered with: the way into Bursar, who may do what, and whether the server is about to end.

pub(crate) mod job_watch;
pub(crate) mod notified;
pub(crate) mod queues;
pub(crate) mod rate;
pub(crate) mod readiness;
pub(crate) mod refusal;
pub(crate) mod sessions;
pub(crate) mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bursar_producer::Producer;
use bursar_store::Store;
use bursar_telemetry::Page;
use tokio_util::sync::CancellationToken;

use crate::state::job_watch::JobWatch;
use crate::state::notified::NotifiedAccount;
use crate::state::queues::Queues;
use crate::state::readiness::Readiness;
use crate::state::sessions::Sessions;
use crate::state::tokens::Tokens;

/// What an operator can set about the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// On which address; port 0 for any free one.
    pub listen: SocketAddr,
    /// Who may do what.
    pub tokens_file: PathBuf,
    /// What sessions of the dashboard are signed with, the same for all replicas; a key of the process's own if left out.
    pub session_key_file: Option<PathBuf>,
    /// Requests a second of each token, in this process; 0 for no limit.
    pub rate_per_second: u32,
    /// How long a request's head, its body, and a client that does not take its answer may take.
    pub patience: Duration,
    /// How long requests in flight may take once the server was told to end.
    pub drain: Duration,
    /// The accounts whose gateway may notify them.
    pub notified: Vec<NotifiedAccount>,
}

/// What handlers share; every one has it as its state.
pub(crate) struct ServerState {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    /// The one way in for jobs.
    pub(crate) producer: Producer,
    /// The queues of the configuration.
    pub(crate) queues: Queues,
    pub(crate) tokens: Tokens,
    /// What this process tells of itself, its worker included where it has one.
    pub(crate) page: Page,
    /// Who is signed in to the dashboard.
    pub(crate) sessions: Sessions,
    /// News of jobs.
    pub(crate) job_watch: JobWatch,
    /// What was found lately about Redis.
    pub(crate) readiness: Readiness,
    /// Told when the server is to end: whoever waits for a client's sake stops then.
    pub(crate) drain: CancellationToken,
}

/// The handlers' state.
pub(crate) type Shared = Arc<ServerState>;
