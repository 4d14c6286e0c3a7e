//! The thread that owns the file: it writes the lines that have gathered, syncs once, and reports the result to each
//! waiting sender.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::entry::{Entry, VERSION, written};
use crate::folder;
use crate::journal::{Fitness, Line, NotKept, Settings};

/// Lines that share one sync at most: as many as calls may be in flight.
const MAX_GROUP: usize = 4_096;

/// The longest time until a line without a waiting sender is on disk.
const SYNC_WITHIN: Duration = Duration::from_millis(100);

/// The pause between attempts while the disk fails.
const RETRY: Duration = Duration::from_secs(1);

/// The longest sleep of the writer while it is idle.
const IDLE: Duration = Duration::from_secs(3_600);

/// The bytes of notes that are kept in memory while the disk fails. Notes are evidence that no send waits for, so
/// further notes are dropped.
const MAX_BACKLOG_BYTES: usize = 4 << 20;

/// The file that is being written.
struct Open {
    file: File,
    bytes: u64,
    /// True if something was written since the last sync.
    unsynced: bool,
}

pub(crate) struct Writer {
    settings: Settings,
    fitness: Arc<Fitness>,
    /// The number of the next file.
    number: u64,
    open: Option<Open>,
    tried: Instant,
    backlog: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(settings: Settings, fitness: Arc<Fitness>) -> Self {
        Self { settings, fitness, number: 1, open: None, tried: Instant::now(), backlog: Vec::new() }
    }

    /// Writes until the last sender is gone.
    pub(crate) fn run(mut self, lines: &Receiver<Line>) {
        self.next_file();
        loop {
            match lines.recv_timeout(self.next_wait()) {
                Ok(first) => self.append(std::iter::once(first).chain(lines.try_iter().take(MAX_GROUP - 1)).collect()),
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => return self.settle(),
            }
            if self.open.is_none() && self.tried.elapsed() >= RETRY {
                self.next_file();
            }
        }
    }

    fn next_wait(&self) -> Duration {
        match &self.open {
            None => RETRY.saturating_sub(self.tried.elapsed()),
            Some(open) if open.unsynced => SYNC_WITHIN,
            Some(_) => IDLE,
        }
    }

    fn append(&mut self, group: Vec<Line>) {
        let outcome = match &mut self.open {
            Some(open) => open.append(&group, self.settings.passing).map_err(|error| error.to_string()),
            None => Err("the disk failed a moment ago".to_owned()),
        };
        if let Err(why) = &outcome {
            // After a failed write or sync the state of the file is unknown: the next attempt begins a new file.
            self.open = None;
            self.fitness.lost(why);
        } else {
            self.fitness.back();
        }
        for line in group {
            match (line.reply, &outcome) {
                // A sender that has timed out no longer listens.
                (Some(reply), outcome) => drop(reply.send(outcome.clone().map_err(NotKept))),
                (None, Err(_)) if self.backlog.len() + line.text.len() <= MAX_BACKLOG_BYTES => {
                    self.backlog.extend(line.text);
                }
                (None, _) => {}
            }
        }
        if self.open.as_ref().is_some_and(|open| open.bytes >= self.settings.file_bytes) {
            self.settle();
            self.next_file();
        }
    }

    /// Syncs the lines without a waiting sender.
    fn settle(&mut self) {
        if let Some(Err(error)) = self.open.as_mut().map(Open::sync) {
            self.open = None;
            self.fitness.lost(&error);
        }
    }

    /// Begins the next file.
    fn next_file(&mut self) {
        self.tried = Instant::now();
        self.open = None; // closed, so it can be removed when it is no longer needed
        match self.begin() {
            Ok(open) => {
                self.open = Some(open);
                self.backlog.clear();
                self.fitness.back();
            }
            Err(error) => self.fitness.lost(&error),
        }
        self.number += 1;
    }

    fn begin(&self) -> io::Result<Open> {
        let path = folder::name(&self.settings.folder, &self.settings.worker, self.number);
        let mut open = Open { file: folder::create(&path)?, bytes: 0, unsynced: false };
        let (worker, incarnation) = (self.settings.worker.as_str().into(), self.settings.incarnation.as_str().into());
        let mut text = written(&Entry::Opened { version: VERSION, worker, incarnation });
        text.extend_from_slice(&self.backlog);
        let begun = open.write(&text).and_then(|()| open.sync());
        begun.map(|()| open).inspect_err(|_| remove(path))
    }
}

/// A file that could not be begun has nothing that must be kept.
fn remove(path: PathBuf) {
    fs::remove_file(path).ok();
}

impl Open {
    /// Writes all lines, and syncs if a sender waits for one of them.
    fn append(&mut self, group: &[Line], passing: fn(&str)) -> io::Result<()> {
        let text: Vec<u8> = group.iter().flat_map(|line| line.text.iter().copied()).collect();
        self.write_by(&text, passing)?;
        passing("journal_written");
        if group.iter().any(|line| line.reply.is_some()) {
            self.sync()?;
            passing("journal_synced");
        }
        Ok(())
    }

    /// In a test build a write has a middle, at which a process can end.
    #[cfg(debug_assertions)]
    fn write_by(&mut self, text: &[u8], passing: fn(&str)) -> io::Result<()> {
        let (first, second) = text.split_at(text.len() / 2);
        self.write(first)?;
        passing("journal_half_written");
        self.write(second)
    }

    #[cfg(not(debug_assertions))]
    fn write_by(&mut self, text: &[u8], _: fn(&str)) -> io::Result<()> {
        self.write(text)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.unsynced = true;
        self.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.file.write_all(text)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::path::Path;

    use tokio::sync::oneshot;

    use super::*;
    use crate::{SendSkipped, read};

    fn entry(key: &str) -> Vec<u8> {
        let (queue, key) = ("main/transfer".into(), key.to_owned().into());
        written(&Entry::SendSkipped(SendSkipped { queue, key, fence: 1, token: "w/1".into() }))
    }

    /// Appends one line with a waiting sender and one without; returns the result for the sender.
    fn append(writer: &mut Writer, key: &str) -> Result<(), NotKept> {
        let (reply, mut receipt) = oneshot::channel();
        let waiting = Line { text: entry(key), reply: Some(reply) };
        writer.append(vec![waiting, Line { text: entry(&format!("note of {key}")), reply: None }]);
        receipt.try_recv().unwrap()
    }

    fn keys(folder: &Path) -> Vec<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let mut keys = Vec::new();
        for file in files {
            read(&file, |entry, _| {
                if let Entry::SendSkipped(send_skipped) = entry {
                    keys.push(send_skipped.key.into_owned());
                }
            })
            .unwrap();
        }
        keys
    }

    #[test]
    fn a_full_disk_keeps_nothing_and_a_new_file_has_what_was_noted() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            folder: folder.path().to_path_buf(),
            worker: "w".into(),
            incarnation: "i".into(),
            file_bytes: 1 << 20,
            room: folder::Room { bytes: 1 << 30, age: Duration::from_secs(3_600) },
            passing: |_| {},
        };
        let fitness = Arc::new(Fitness::default());
        let mut writer = Writer::new(settings, Arc::clone(&fitness));
        writer.next_file();
        assert_eq!(append(&mut writer, "BEFORE"), Ok(()));
        writer.open.as_mut().unwrap().file = OpenOptions::new().write(true).open("/dev/full").unwrap();

        for key in ["FULL", "STILL FULL"] {
            assert!(append(&mut writer, key).is_err(), "{key}");
            assert!(!fitness.is_writable());
        }
        writer.next_file();
        assert!(fitness.is_writable());
        assert_eq!(append(&mut writer, "AFTER"), Ok(()));
        let found = keys(folder.path());
        let expected = ["BEFORE", "note of BEFORE", "note of FULL", "note of STILL FULL", "AFTER", "note of AFTER"]
            .map(str::to_owned);
        assert_eq!(found, expected, "no intent that was refused, every note");
    }
}
