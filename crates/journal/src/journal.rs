//! The handle that a worker's handlers share. The file belongs to a thread of its own (`writer.rs`).

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

/// How long the end of a worker waits for the writer's.
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);

/// Where a worker's journal is, and how large it grows.
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
    /// Told the name of each place that the writer comes by at which tests end the process.
    pub passing: fn(&str),
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
#[error("no journal can be kept in {}", folder.display())]
pub struct JournalError {
    /// The folder that was asked for.
    pub folder: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// An entry that is not on disk, or may not be. What it was to vouch for must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal has not kept it: {0}")]
pub struct NotKept(pub(crate) String);

/// An open journal: cheap to clone. The last one that is dropped closes the file.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// A line on its way, and whom to tell when it is on disk.
pub(crate) struct Line {
    pub(crate) text: Vec<u8>,
    pub(crate) reply: Option<oneshot::Sender<Result<(), NotKept>>>,
}

#[derive(Debug)]
struct Inner {
    fitness: Arc<Fitness>,
    folder: PathBuf,
    room: Room,
    /// Taken when the journal is closed, which tells the writer to end.
    queue: Option<SyncSender<Line>>,
    ended: Mutex<Receiver<()>>,
}

/// Whether sends may count on the journal, told of once for each change.
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
            tracing::error!(error = %why, "the journal cannot be written: nothing is sent until it can; queries go on");
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
            drop(end); // whoever waits for the end learns of it by this
        };
        std::thread::Builder::new().name("journal".into()).spawn(run).map_err(failed)?;
        Ok(Self { inner: Arc::new(Inner { fitness, folder, room, queue: Some(queue), ended: Mutex::new(ended) }) })
    }

    /// Whether the last entry was kept. While it was not, what needs the journal should not be begun; it is tried again
    /// by itself.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.inner.fitness.is_writable()
    }

    /// The folder that its files are in, beside those of other workers.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The room that its folder has.
    #[must_use]
    pub fn room(&self) -> Room {
        self.inner.room
    }

    /// Appends an entry and returns once it is on disk; many wait for one and the same sync.
    ///
    /// # Errors
    /// [`NotKept`] when it is not on disk within `patience`. It may be found in the file all the same: an intent that is then
    /// not acted upon should be told of as [`Entry::SendSkipped`].
    pub async fn keep(&self, entry: &Entry<'_>, patience: Duration) -> Result<(), NotKept> {
        let (reply, receipt) = oneshot::channel();
        self.put(Line { text: written(entry), reply: Some(reply) })?;
        match tokio::time::timeout(patience, receipt).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(_)) => Err(NotKept("the writer has ended".into())),
            Err(_) => {
                let stalled = NotKept(format!("the disk has not answered for {} ms", patience.as_millis()));
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
            let full = NotKept("the disk takes no more for now".into());
            self.inner.fitness.lost(&full);
            full
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.take();
        // Nothing is ever sent: it returns when the writer has ended, or when a disk that hangs has been waited for enough.
        self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(CLOSING_PATIENCE).ok();
    }
}
