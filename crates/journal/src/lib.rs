//! Each worker's sends, in files outside Redis: they prove a send that Redis has lost.
//!
//! A file is a sequence of lines, each with one entry and its checksum. An intent is on disk before the first byte of
//! its send leaves; concurrent sends share one sync. This crate knows neither Redis nor gateways: `bursar reconcile`
//! compares them.

mod entry;
mod folder;
mod journal;
mod reader;
mod recall;
mod writer;

pub use entry::{Damage, Entry, Intent, Response, SendSkipped, hash_of};
pub use folder::{Closed, Jobs, Room, check_folder, closed, files, jobs_in, remove, remove_empty, surplus};
pub use journal::{Journal, JournalError, NotKept, Settings};
pub use reader::{Damaged, Place, Summary, content_at, read};
pub use recall::{FileRecall, Newest, Recall, Send, recall};
