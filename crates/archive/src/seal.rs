//! The seal of a segment: the text that is signed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::error::ArchiveError;
use crate::folder::FORMAT;
use crate::key::PublicKey;

/// One published segment. Its text is one line of JSON, and its signature is of these bytes, line end included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The format's version.
    pub format: u32,
    /// The archive's id.
    pub archive: String,
    /// The chain's name.
    pub chain: String,
    /// The segment's number in its chain, from 1.
    pub segment: u64,
    /// The name of the segment's file, without `.jsonl.zst`; its signature is in the file with `.sig`.
    pub file: String,
    /// The number of its first line in the chain, from 1.
    pub first: u64,
    /// The number of its lines.
    pub lines: u64,
    /// The hash of its last line.
    pub last: Sha256,
    /// The hash of the compressed file.
    pub sha256: Sha256,
    /// The hash of the previous segment's seal; 64 zeros for the first.
    pub previous: Sha256,
    /// The time of its publication (ms of Redis time).
    pub at: u64,
    /// The public key that verifies its signature.
    pub key: PublicKey,
}

impl Seal {
    /// The text that is signed and hashed.
    #[must_use]
    pub fn text(&self) -> String {
        // Texts and numbers: writing them cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// The hash that the next seal names.
    #[must_use]
    pub fn hash(&self) -> Sha256 {
        Sha256::of(self.text().as_bytes())
    }

    /// Reads a seal. Its text must be the one that [`Seal::text`] writes: one seal has one text.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let seal: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if seal.format != FORMAT {
            return Err(format!("its format is {}, and this build reads {FORMAT}", seal.format));
        }
        if seal.text().as_bytes() != text {
            return Err("its bytes are not those that a writer makes".into());
        }
        if seal.file.contains(['/', '\\']) || seal.file.starts_with('.') {
            return Err("it names a file outside its chain".into());
        }
        Ok(seal)
    }

    /// The same from a file.
    pub(crate) fn read_file(path: &Path) -> Result<Option<Self>, ArchiveError> {
        match std::fs::read(path) {
            Ok(text) => Self::read(&text).map(Some).map_err(|why| ArchiveError::damaged(path, why)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ArchiveError::io("read", path)(error)),
        }
    }
}
