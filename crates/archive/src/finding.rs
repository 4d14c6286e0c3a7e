//! The findings of a verification.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::key::PublicKey;

/// One finding, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The chain.
    pub chain: String,
    /// The segment; `None` where the finding is about the chain.
    pub segment: Option<u64>,
    /// The number of the line in its chain, where the finding is about one.
    pub line: Option<u64>,
    /// The fault.
    pub fault: Fault,
}

/// A fault. Its code is its name in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Fault {
    /// Segments are missing.
    SegmentsMissing {
        /// The last one that is missing.
        to: u64,
    },
    /// The seal cannot be read.
    SealUnreadable {
        /// The reason.
        why: String,
    },
    /// The seal is that of another segment, chain or archive.
    SealOfAnother {
        /// Its place.
        of: String,
    },
    /// The seal names another predecessor than the one that is there.
    PredecessorChanged,
    /// The seal begins at another line than the one after its predecessor.
    FirstLine {
        /// The line that it names.
        found: u64,
        /// The line that it should begin at.
        expected: u64,
    },
    /// There is no signature.
    SignatureMissing,
    /// The signature is not one of this seal by its key.
    SignatureWrong,
    /// A key that is not trusted signed the segment.
    ForeignKey {
        /// The key.
        key: PublicKey,
    },
    /// The segment's file is missing.
    FileMissing,
    /// The segment's file is not the one that was sealed.
    FileChanged,
    /// The segment's file cannot be read or decompressed to its end.
    FileUnreadable {
        /// The reason.
        why: String,
    },
    /// The next line has another hash for this line, or the seal has.
    LineChanged,
    /// The line has another number: lines were removed, added or moved.
    LineOutOfPlace {
        /// Its number.
        found: u64,
    },
    /// The line is none of a chain.
    LineUnreadable,
    /// The file has fewer lines than its seal says.
    LinesMissing {
        /// The lines that are there.
        found: u64,
        /// The lines that were sealed.
        sealed: u64,
    },
    /// The file has more lines than its seal says.
    LinesAdded {
        /// The lines that were sealed.
        sealed: u64,
    },
    /// The chain has no head.
    HeadMissing,
    /// The head cannot be read.
    HeadUnreadable {
        /// The reason.
        why: String,
    },
    /// The head is no copy of a seal that is there.
    HeadChanged,
    /// The chain ended later than it does now.
    Truncated {
        /// The segment that the head names.
        head: u64,
        /// The newest segment.
        newest: u64,
    },
    /// A segment is not the one that was noted elsewhere.
    NotAsNoted,
    /// No seal names this file. It is no fault: a writer that died leaves such files, and nothing in it was archived.
    Stray {
        /// The file.
        file: String,
    },
}

impl Fault {
    /// False for findings that prove nothing against the archive.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::Stray { .. })
    }
}

impl Finding {
    /// The finding as JSON: its place, its code, its values and its words.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = json!({ "chain": self.chain, "segment": self.segment, "line": self.line });
        let fault = serde_json::to_value(&self.fault).unwrap_or_default(); // texts and numbers
        if let (Value::Object(object), Value::Object(fault)) = (&mut object, fault) {
            object.extend(fault);
            object.insert("message".into(), self.to_string().into());
        }
        object
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "chain {}", self.chain)?;
        if let Some(segment) = self.segment {
            write!(out, ", segment {segment}")?;
        }
        if let Some(line) = self.line {
            write!(out, ", line {line}")?;
        }
        write!(out, ": {}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentsMissing { to } => write!(out, "the segments from here to {to} are missing"),
            Self::SealUnreadable { why } => write!(out, "the seal cannot be read: {why}"),
            Self::SealOfAnother { of } => write!(out, "the seal is that of {of}"),
            Self::PredecessorChanged => {
                out.write_str("the segment before is not the one that was sealed before this one")
            }
            Self::FirstLine { found, expected } => {
                write!(out, "the segment begins at line {found}, and the segment before ends before line {expected}")
            }
            Self::SignatureMissing => out.write_str("the signature is missing"),
            Self::SignatureWrong => out.write_str("the signature is not that of this seal: the seal was changed"),
            Self::ForeignKey { key } => write!(out, "the key {key} signed it, which is not trusted"),
            Self::FileMissing => out.write_str("the file with its lines is missing"),
            Self::FileChanged => out.write_str("the file with its lines is not the one that was sealed"),
            Self::FileUnreadable { why } => write!(out, "the file with its lines cannot be read to its end: {why}"),
            Self::LineChanged => out.write_str("the line was changed: its hash is not the one that was noted after it"),
            Self::LineOutOfPlace { found } => {
                write!(out, "line {found} is in its place: lines were removed, added or moved")
            }
            Self::LineUnreadable => out.write_str("it is no line of a chain"),
            Self::LinesMissing { found, sealed } => write!(out, "{found} lines are left of {sealed}"),
            Self::LinesAdded { sealed } => write!(out, "there are more lines than the {sealed} that were sealed"),
            Self::HeadMissing => out.write_str("the head is missing: segments may have been removed from the end"),
            Self::HeadUnreadable { why } => write!(out, "the head cannot be read: {why}"),
            Self::HeadChanged => out.write_str("the head is not the seal of its segment"),
            Self::Truncated { head, newest } => {
                write!(out, "the chain went on to segment {head}, and now ends with {newest}: its end was removed")
            }
            Self::NotAsNoted => {
                out.write_str("the segment is not the one that was noted elsewhere: the chain was written again")
            }
            Self::Stray { file } => {
                write!(out, "no seal names the file {file}: its writer died, and nothing in it was archived")
            }
        }
    }
}
