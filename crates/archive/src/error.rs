//! The reasons why an archive cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::{SignError, lines::MAX_LINE_BYTES};

/// An archive that cannot be read or written. Nothing of what was published has changed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system refused something.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// The action.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The folder holds no archive.
    #[error("{} is no archive: it has no file archive.json", .0.display())]
    NoArchive(PathBuf),
    /// A file that the archive needs cannot be read as such.
    #[error("{} cannot be read: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The head names a segment that is gone: nothing is added to a chain that has lost its end.
    #[error("{} names segment {head}, and the newest one here is {newest}: the archive has lost its end", path.display())]
    Truncated {
        /// The chain's head.
        path: PathBuf,
        /// The segment that it names.
        head: u64,
        /// The newest segment.
        newest: u64,
    },
    /// Another writer published the segment with this number first.
    #[error("another writer has published segment {segment} of chain {chain}")]
    Outrun {
        /// The chain.
        chain: String,
        /// The segment.
        segment: u64,
    },
    /// A line that is too long, or no JSON object on one line.
    #[error("a line must be one JSON object with a field, on one line, of at most {MAX_LINE_BYTES} bytes")]
    Line,
    /// The seal could not be signed.
    #[error("the seal cannot be signed")]
    Sign(#[source] SignError),
}

impl ArchiveError {
    pub(crate) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { doing, path: path.to_path_buf(), source }
    }

    pub(crate) fn damaged(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.to_path_buf(), why: why.to_string() }
    }
}
