//! Compares the Redis on which a process begins with the configuration and the journals: for the roles, and for `bursar doctor`.

use std::fs;
use std::io;
use std::path::Path;

use bursar_domain::Queue;
use bursar_journal::{Journal, Room, check_folder, recall};
use bursar_store::{Finding, Severity, Store, StoreError, crash_point};
use bursar_worker::{Expected, SendBlock, send_blocks};

use crate::config::{self, Config, Expect};
use crate::exit::{CarriesExit, Context, Exit, Failure};

/// A Redis on which no process begins.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// Redis did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis is empty, and `redis.expect` says that it is not.
    #[error("redis.expect: {}", SendBlock::Empty)]
    Empty,
}

impl CarriesExit for BeginError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Empty => Exit::No,
        }
    }
}

/// Finds out which Redis this is, and gives it an id if it may be a new one.
///
/// # Errors
/// [`BeginError`].
pub(crate) async fn begin(config: &Config, store: &Store) -> Result<String, BeginError> {
    match (config.redis.expect, store.incarnations().await?.current) {
        (Expect::Any | Expect::Existing, Some(current)) => Ok(current),
        (Expect::Any, None) => Ok(store.incarnate(&fresh()).await?),
        (Expect::Existing, None) => Err(BeginError::Empty),
    }
}

/// An id that no Redis has had.
pub(crate) fn fresh() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// The Redis that a worker begins on.
pub(crate) fn expected(config: &Config, incarnation: &str) -> Expected {
    let existing = config.redis.expect == Expect::Existing;
    Expected { incarnation: incarnation.to_owned(), existing, fresh }
}

/// The journal that the configuration asks for.
pub(crate) fn open(settings: &config::Journal, worker: &str, incarnation: &str) -> Result<Option<Journal>, Failure> {
    let Some(folder) = settings.dir.clone() else { return Ok(None) };
    let file_bytes = u64::from(settings.file_mb) << 20;
    Ok(Some(Journal::open(bursar_journal::Settings {
        folder,
        worker: worker.to_owned(),
        incarnation: incarnation.to_owned(),
        file_bytes,
        room: Room { bytes: file_bytes * u64::from(settings.files), age: settings.keep },
        passing: crash_point,
    })?))
}

/// The findings of `bursar doctor` about the journals and the Redis that is expected.
pub(crate) async fn findings(config: &Config, store: &Store) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    if config.redis.expect == Expect::Existing {
        findings.push(match store.incarnations().await?.current {
            Some(_) => finding(Severity::Fine, "redis.expect", "existing: Bursar has written here before".into()),
            None => finding(Severity::Refuse, "redis.expect", SendBlock::Empty.to_string()),
        });
    }
    if let Some(folder) = &config.journal.dir {
        findings.push(written(folder));
        findings.extend(compared(store, &config.queues(), folder).await?);
    }
    Ok(findings)
}

/// Writes to the folder for a test, as a worker of this user would.
fn written(folder: &Path) -> Finding {
    let tried = match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return finding(
                Severity::Warn,
                "journal",
                format!("{} does not exist yet: the worker creates it", folder.display()),
            );
        }
        Err(error) => Err(error),
        Ok(_) => check_folder(folder).and_then(|()| try_to_write(folder)),
    };
    match tried {
        Ok(()) => finding(Severity::Fine, "journal", format!("{} can be written", folder.display())),
        Err(error) => unwritable(folder, &error),
    }
}

/// Writes, syncs and removes a file whose name is no journal's.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("doctor-{}.probe", fresh()));
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    let written = io::Write::write_all(&mut &file, b"can this be written?\n").and_then(|()| file.sync_all());
    fs::remove_file(&path)?;
    written
}

fn unwritable(folder: &Path, error: &io::Error) -> Finding {
    let text =
        format!("nothing can be written to {}: {error}. Workers with this journal.dir send nothing", folder.display());
    finding(Severity::Refuse, "journal", text)
}

async fn compared(store: &Store, queues: &[Queue], folder: &Path) -> Result<Vec<Finding>, Failure> {
    let read = folder.to_path_buf();
    let recall = match tokio::task::spawn_blocking(move || recall(&read)).await.context("cannot read the journals")? {
        Ok(recall) => recall,
        Err(error) => {
            let reason = SendBlock::Unreadable(error.to_string());
            return Ok(vec![finding(Severity::Refuse, reason.check(), reason.to_string())]);
        }
    };
    let reasons = send_blocks(store, queues, &recall).await?;
    if reasons.is_empty() {
        let text = format!("{} files with sends, and none that Redis has lost", recall.files.len());
        return Ok(vec![finding(Severity::Fine, "journal.ahead", text)]);
    }
    Ok(reasons.iter().map(|reason| finding(Severity::Refuse, reason.check(), reason.to_string())).collect())
}

fn finding(severity: Severity, check: &'static str, text: String) -> Finding {
    Finding { severity, check, text }
}
