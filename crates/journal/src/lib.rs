//! What a worker has sent, in files of its own outside Redis: for the day on which Redis has forgotten it.
//!
//! A file is lines, each one entry with a checksum. An intent is on disk before its send's first byte leaves; many sends
//! share one wait for the disk. Nothing here knows Redis or a gateway: who compares the two is `bursar reconcile`.

mod entry;
mod folder;
mod journal;
mod reader;
mod recall;
mod writer;

pub use entry::{Damage, Entry, Intent, Response, SendSkipped, hash_of};
pub use folder::{Closed, Jobs, Room, closed, files, jobs_in, remove, remove_empty, surplus};
pub use journal::{Journal, JournalError, NotKept, Settings};
pub use reader::{Damaged, Place, Summary, content_at, read};
pub use recall::{FileRecall, Newest, Recall, Send, recall};
