//! The memory of a folder's files at a glance: enough to see that a Redis has forgotten some of it.
//!
//! A Redis that loses writes loses the newest first. So the newest sends of each file and the highest fence of each
//! queue suffice, and a folder of a gigabyte needs no more memory than a small one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use crate::entry::Entry;
use crate::folder;
use crate::reader::read;

/// The sends of one file that are remembered.
const NEWEST: usize = 64;

/// One send that was made, as far as its file knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// `main/transfer`.
    pub queue: String,
    /// The job's key in its queue.
    pub key: String,
    /// The claim's fence.
    pub fence: u64,
}

/// The newest sends, the oldest of them first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest(VecDeque<Send>);

impl Newest {
    /// Adds one; the oldest goes if they become too many.
    pub fn add(&mut self, send: Send) {
        if self.0.len() == NEWEST {
            self.0.pop_front();
        }
        self.0.push_back(send);
    }

    /// It was not made after all.
    pub fn skip_send(&mut self, queue: &str, key: &str, fence: u64) {
        self.0.retain(|send| (send.queue.as_str(), send.key.as_str(), send.fence) != (queue, key, fence));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Send> {
        self.0.iter()
    }
}

/// The memory of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRecall {
    /// The file.
    pub path: PathBuf,
    /// The incarnation of Redis that its worker began on; empty where the file does not say.
    pub incarnation: String,
    /// The queues of which it has an intent.
    pub queues: BTreeSet<String>,
    /// Its newest sends.
    pub newest: Newest,
}

/// The memory of all files of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recall {
    /// File by file, those with an intent.
    pub files: Vec<FileRecall>,
    /// The highest fence of each queue.
    pub fences: BTreeMap<String, u64>,
}

/// Reads all journals of the folder; one that is missing remembers nothing.
///
/// # Errors
/// If the folder or a file cannot be read. Damaged lines are skipped: `bursar reconcile` names them.
pub fn recall(folder: &Path) -> io::Result<Recall> {
    let mut recall = Recall::default();
    for path in folder::files(folder)? {
        let mut file = FileRecall { path: path.clone(), ..FileRecall::default() };
        let found = read(&path, |entry, _| match entry {
            Entry::Opened { incarnation, .. } => file.incarnation = incarnation.into_owned(),
            Entry::Intent(intent) => {
                let fence = recall.fences.entry(intent.queue.to_string()).or_default();
                *fence = intent.fence.max(*fence);
                file.queues.insert(intent.queue.to_string());
                let (queue, key) = (intent.queue.into_owned(), intent.key.into_owned());
                file.newest.add(Send { queue, key, fence: intent.fence });
            }
            Entry::Response(_) => {}
            Entry::SendSkipped(send_skipped) => {
                file.newest.skip_send(&send_skipped.queue, &send_skipped.key, send_skipped.fence)
            }
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // removed a moment ago: nothing in it was open
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            Ok(_) if file.queues.is_empty() => {}
            Ok(_) => recall.files.push(file),
        }
    }
    Ok(recall)
}
