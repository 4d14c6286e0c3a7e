//! How far a reconciliation has come: a file, so that one that was cut short goes on where it was.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bursar_domain::Millis;
use bursar_store::ScanCursor;
use serde::{Deserialize, Serialize};

use super::summary::Summary;
use crate::exit::{Context, Failure};

/// Everything that going on needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The period.
    pub(super) from: Millis,
    pub(super) to: Millis,
    /// The queues that are left, the present one first.
    pub(super) queues: Vec<String>,
    /// How far the present one has come.
    pub(super) mark: ScanCursor,
    /// What all that is behind came to.
    pub(super) summary: Summary,
}

/// Where positions are kept, if anywhere.
pub(super) struct Keeper(pub(super) Option<PathBuf>);

impl Keeper {
    /// The position of a run that was cut short.
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

    /// Keeps it, whole or not at all.
    pub(super) fn keep(&self, position: &Position) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        let written = written(path, &serde_json::to_vec(position)?);
        written.context(format_args!("cannot write {}", path.display()))
    }

    /// The end is reached: the next run begins anew.
    pub(super) fn done(&self) {
        if let Some(path) = &self.0 {
            std::fs::remove_file(path).ok(); // one that was never written need not be removed
        }
    }
}

fn written(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
