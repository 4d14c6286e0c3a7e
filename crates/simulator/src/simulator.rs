//! Starting and stopping.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fault::Fault;
use crate::faults::{Rule, TooManyRules};
use crate::gateway::Gateway;
use crate::keys::Keys;
use crate::ledger::{Ledger, Stats};
use crate::life::Life;
use crate::options::Options;
use crate::routes;
use crate::wire::{Line, ServedListener};

/// The time for answers in flight after a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running simulator. Dropping it ends it too, without waiting for the answers in work.
pub struct Simulator {
    gateway: Arc<Gateway>,
    ready: Ready,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
    folder: Option<TempDir>,
}

/// The data that a client needs; `bursar simulate` prints them as one JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Address and port, such as `127.0.0.1:4711`.
    pub listen: String,
    /// The merchant's private key: PKCS#8, PEM.
    pub app_private_key_file: PathBuf,
    /// The platform's public key: SPKI, PEM.
    pub platform_public_key_file: PathBuf,
    /// The merchant's `app_id` at YZT.
    pub app_id: String,
    /// The merchant's `mchNo` at BeingFi.
    pub mch_no: String,
    /// The merchant's `appId` at BeingFi.
    pub beingfi_app_id: String,
    /// A file with the merchant's secret at BeingFi.
    pub beingfi_secret_file: PathBuf,
}

/// The reason why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("could not listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A key file could not be read or written.
    #[error("could not keep a key at {}", path.display())]
    KeyFile {
        /// The file, or its folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// An existing file has no usable key; it is left unchanged.
    #[error("{} holds no RSA private key in PKCS#8 PEM", path.display())]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no randomness or the key was not made.
    #[error("could not make a key")]
    MakeKey,
}

impl Simulator {
    /// Makes or reads the keys, listens, and serves until it is stopped.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left running; key files that were made stay.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (dir, folder) = folder(&options)?;
        let keys = Keys::at(&dir)?;
        let listen = options.listen;
        let failed = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let ready = Ready {
            listen: address.to_string(),
            app_private_key_file: keys.files.app_private.clone(),
            platform_public_key_file: keys.files.platform_public.clone(),
            app_id: options.app_id.clone(),
            mch_no: options.mch_no.clone(),
            beingfi_app_id: options.beingfi_app_id.clone(),
            beingfi_secret_file: keys.files.beingfi_secret.clone(),
        };
        let (stopping, stop) = watch::channel(false);
        let gateway = Arc::new(Gateway::new(options, keys, stop.clone()));
        let service = routes::router(Arc::clone(&gateway)).into_make_service_with_connect_info::<Line>();
        let server = axum::serve(ServedListener(listener), service).with_graceful_shutdown(stopped(stop));
        let serving = tokio::spawn(server.into_future());
        Ok(Self { gateway, ready, stopping, serving, folder })
    }

    /// The data that a client needs.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The executions so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.gateway.books.read(None)
    }

    /// Gives the payment under `key` its life, as `PUT /_lives` does.
    pub fn give_life(&self, key: &str, life: Life) {
        self.gateway.give_life(key, life);
    }

    /// Spoils the next requests about `key` with `fault`, as many as `times`, as `PUT /_faults` does.
    ///
    /// # Errors
    /// [`TooManyRules`]: nothing was changed.
    pub fn spoil(&self, key: &str, fault: Fault, times: u32) -> Result<(), TooManyRules> {
        let rule = Rule { key: Some(key.to_owned()), on: None, fault, times: Some(times), ms: None };
        self.gateway.faults.add(rule)
    }

    /// The counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.gateway.books.stats()
    }

    /// Takes no more connections, ends every silence, waits up to five seconds for the answers in work, and removes
    /// the key files if they were temporary. The ledger is as it was in the end.
    pub async fn stop(mut self) -> Ledger {
        self.stopping.send_replace(true);
        // An error here is a connection's that did not end in time: it dies with the process.
        let _ = tokio::time::timeout(STOP_TIMEOUT, &mut self.serving).await;
        if let Some(folder) = self.folder.take() {
            let _ = folder.close();
        }
        self.ledger()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender's end is a stop too.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

fn folder(options: &Options) -> Result<(PathBuf, Option<TempDir>), StartError> {
    match &options.dir {
        Some(dir) => Ok((dir.clone(), None)),
        None => {
            let made = tempfile::Builder::new().prefix("bursar-simulator-").tempdir();
            let folder = made.map_err(|source| StartError::KeyFile { path: std::env::temp_dir(), source })?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}
