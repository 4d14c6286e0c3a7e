//! The position of a reconciliation, in a file: a run that was interrupted continues from it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bursar_domain::Millis;
use bursar_store::ScanCursor;
use serde::{Deserialize, Serialize};

use super::summary::Summary;
use crate::exit::{Context, Failure};

/// Everything that a run needs to continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The period.
    pub(super) from: Millis,
    pub(super) to: Millis,
    /// The queues that are left, the current one first.
    pub(super) queues: Vec<String>,
    /// The position in the current queue.
    pub(super) mark: ScanCursor,
    /// The summary so far.
    pub(super) summary: Summary,
    /// The summary of each account so far.
    #[serde(default)]
    pub(super) accounts: BTreeMap<String, Summary>,
}

/// The file of positions, if there is one.
pub(super) struct Keeper(pub(super) Option<PathBuf>);

impl Keeper {
    /// The position of a run that was interrupted.
    pub(super) fn found(&self) -> Result<Option<Position>, Failure> {
        let Some(path) = &self.0 else { return Ok(None) };
        match std::fs::read(path) {
            Ok(text) => {
                let position = serde_json::from_slice(&text);
                Ok(Some(position.context(format_args!("{} is no position of a reconciliation", path.display()))?))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(format_args!("cannot read {}", path.display())),
        }
    }

    /// Writes the position, whole or not at all.
    pub(super) fn keep(&self, position: &Position) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        let written = written(path, &serde_json::to_vec(position)?);
        written.context(format_args!("cannot write {}", path.display()))
    }

    /// Removes the position: the next run starts from the beginning.
    pub(super) fn done(&self) {
        if let Some(path) = &self.0 {
            std::fs::remove_file(path).ok(); // one that was never written need not be removed
        }
    }
}

fn written(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut new_path = path.as_os_str().to_owned();
    new_path.push(".new");
    std::fs::write(&new_path, text)?;
    std::fs::rename(&new_path, path)
}
