//! The handle that a worker's handlers share. A separate thread owns the file (`writer.rs`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::entry::{Entry, written};
use crate::folder::{self, Room};
use crate::writer::Writer;

/// Lines on their way to the writer: two for each call that one process may have in flight.
const LINES_WAITING: usize = 8_192;

/// The time that a worker's shutdown waits for the writer's.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The place and the size of a worker's journal.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder. Made if it is missing, private to this user.
    pub folder: PathBuf,
    /// The worker's name, unique per process start: its files begin with it.
    pub worker: String,
    /// The incarnation of Redis that this worker began on: each file's head has it.
    pub incarnation: String,
    /// A file that has grown to this many bytes is followed by the next one.
    pub file_bytes: u64,
    /// The room for the folder's closed files. The worker makes it, for it knows which jobs have ended.
    pub room: Room,
    /// Called with the name of each crash point that the writer passes; tests end the process there.
    pub passing: fn(&str),
}

/// The reason why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep a journal in {}", folder.display())]
pub struct JournalError {
    /// The configured folder.
    pub folder: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// An entry that is not on disk, or may not be. The send that needed it must not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal did not store it: {0}")]
pub struct NotKept(pub(crate) String);

/// An open journal: cheap to clone. The last one that is dropped closes the file.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// A line for the writer, and the channel for its result.
pub(crate) struct Line {
    pub(crate) text: Vec<u8>,
    pub(crate) reply: Option<oneshot::Sender<Result<(), NotKept>>>,
}

#[derive(Debug)]
struct Inner {
    fitness: Arc<Fitness>,
    folder: PathBuf,
    room: Room,
    /// Dropped when the journal is closed, which ends the writer.
    queue: Option<SyncSender<Line>>,
    ended: Mutex<Receiver<()>>,
}

/// True while entries reach the disk. Each change is logged once.
#[derive(Debug)]
pub(crate) struct Fitness {
    fit: AtomicBool,
}

impl Default for Fitness {
    fn default() -> Self {
        Self { fit: AtomicBool::new(true) }
    }
}

impl Fitness {
    pub(crate) fn is_writable(&self) -> bool {
        self.fit.load(Ordering::SeqCst)
    }

    pub(crate) fn lost(&self, why: &dyn std::fmt::Display) {
        if self.fit.swap(false, Ordering::SeqCst) {
            tracing::error!(error = %why, "the journal cannot be written: nothing is sent until it can be; queries go on");
        }
    }

    pub(crate) fn back(&self) {
        if !self.fit.swap(true, Ordering::SeqCst) {
            tracing::info!("the journal is written again: sends go on");
        }
    }
}

impl Journal {
    /// Makes the folder and starts the writer. A disk that is full or failing then is no error: see [`Journal::is_writable`].
    ///
    /// # Errors
    /// [`JournalError`] when there can be no such folder, or no thread for the writer.
    pub fn open(settings: Settings) -> Result<Self, JournalError> {
        let (folder, room) = (settings.folder.clone(), settings.room);
        let failed = |source| JournalError { folder: folder.clone(), source };
        folder::make(&folder).map_err(failed)?;
        let fitness = Arc::new(Fitness::default());
        let (queue, lines) = sync_channel(LINES_WAITING);
        let (end, ended) = sync_channel(0);
        let writer = Writer::new(settings, Arc::clone(&fitness));
        let run = move || {
            writer.run(&lines);
            drop(end); // closing this channel signals the end
        };
        std::thread::Builder::new().name("journal".into()).spawn(run).map_err(failed)?;
        Ok(Self { inner: Arc::new(Inner { fitness, folder, room, queue: Some(queue), ended: Mutex::new(ended) }) })
    }

    /// True if the last entry reached the disk. While false, no send should begin; the writer retries by itself.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.inner.fitness.is_writable()
    }

    /// The folder of its files; other workers may use the same folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The room that its folder has.
    #[must_use]
    pub fn room(&self) -> Room {
        self.inner.room
    }

    /// Appends an entry and returns once it is on disk. Concurrent entries share one sync.
    ///
    /// # Errors
    /// [`NotKept`] if the entry is not on disk within `timeout`. It may still reach the file later: if the send is
    /// then not made, note it as [`Entry::SendSkipped`].
    pub async fn keep(&self, entry: &Entry<'_>, timeout: Duration) -> Result<(), NotKept> {
        let (reply, receipt) = oneshot::channel();
        self.put(Line { text: written(entry), reply: Some(reply) })?;
        match tokio::time::timeout(timeout, receipt).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(_)) => Err(NotKept("the writer has ended".into())),
            Err(_) => {
                let stalled = NotKept(format!("the disk has not answered for {} ms", timeout.as_millis()));
                self.inner.fitness.lost(&stalled);
                Err(stalled)
            }
        }
    }

    /// Appends an entry without waiting. It is on disk soon; after a failure of the disk, once that is over.
    pub fn note(&self, entry: &Entry<'_>) {
        if let Err(error) = self.put(Line { text: written(entry), reply: None }) {
            tracing::warn!(%error, "a line of the journal is lost");
        }
    }

    fn put(&self, line: Line) -> Result<(), NotKept> {
        let Some(queue) = &self.inner.queue else { return Err(NotKept("it is closed".into())) };
        queue.try_send(line).map_err(|_| {
            let full = NotKept("the disk is too slow: too many lines wait for it".into());
            self.inner.fitness.lost(&full);
            full
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.take();
        // Nothing is ever sent: it returns when the writer has ended, or when a disk that hangs has been waited for enough.
        self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(CLOSE_TIMEOUT).ok();
    }
}
