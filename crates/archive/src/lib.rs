//! The archive: finished jobs in append-only files outside Redis, that prove themselves.
//!
//! An archive is a folder of chains. A chain is a row of segments, numbered from 1. A segment is a file of JSON lines, compressed by zstd;
//! each line has the SHA-256 of the line before it, across segments. A segment is published by its seal: a small JSON text that names the
//! file, its lines and the previous seal, and that is signed (Ed25519). A segment without a seal does not exist.
//!
//! This crate knows files and hashes, and neither Redis nor jobs: what a line says is its writer's.

mod chain;
mod digest;
mod error;
mod finding;
mod folder;
mod job_line;
mod key;
mod lines;
mod seal;
mod signer;
mod verify;
mod writer;

pub use chain::{Chain, Position};
pub use digest::{Sha256, ZERO};
pub use error::ArchiveError;
pub use finding::{Fault, Finding};
pub use folder::{Archive, FORMAT};
pub use job_line::{ArchivedJob, JobLine};
pub use key::{KeyError, PublicKey};
pub use lines::MAX_LINE_BYTES;
pub use seal::Seal;
pub use signer::{SignError, Signer};
pub use verify::{Report, Trust, verify};
pub use writer::SegmentWriter;
