//! The faults of a configuration. All are reported at once.

use std::fmt;
use std::path::PathBuf;

use super::source::Origin;

/// One wrong key, with the rule that it breaks and the place where it was given.
#[derive(Debug)]
pub(crate) struct Fault {
    /// `accounts.main.resend_after`; `None` when the file itself is wrong.
    pub(super) key: Option<String>,
    /// To be read after the key: `must be a duration …`.
    pub(super) rule: String,
    /// `None` for a key that was left out.
    pub(super) origin: Option<Origin>,
}

impl Fault {
    /// Sorts faults by their line. Faults outside the file come last.
    pub(super) fn line(&self) -> usize {
        match &self.origin {
            Some(Origin::File { line, .. }) => *line,
            Some(Origin::Environment(_)) | None => usize::MAX,
        }
    }

    /// The key, for machines.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.key) {
            (Some(origin), Some(key)) => write!(out, "{origin}: {key} {}", self.rule),
            (Some(origin), None) => write!(out, "{origin}: {}", self.rule),
            (None, Some(key)) => write!(out, "{key} {}", self.rule),
            (None, None) => out.write_str(&self.rule),
        }
    }
}

/// The configuration cannot be used. The operator acts next; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read at all.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file breaks rules. The list is never empty.
    #[error("the configuration is wrong{}", listed(.0))]
    Invalid(Vec<Fault>),
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
