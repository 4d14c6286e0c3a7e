//! The folder of journals: files of one or more workers, private to this user. A file goes when there is no more room or it is
//! old, and only if its caller finds that nothing in it is open; one without an entry says nothing, and just goes.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::entry::Entry;
use crate::reader::read;

/// The extension of a journal's file name.
const EXTENSION: &str = "journal";

/// A file without an entry is at most its head: a name of 40 bytes, an incarnation, and JSON around them.
const EMPTY_AT_MOST_BYTES: u64 = 1_024;

/// A file without an entry may be one that a worker has just made and not locked yet: it stays for so long.
const EMPTY_STAYS: Duration = Duration::from_secs(60);

/// The right of every user to add and remove files.
const EVERY_USER_WRITES: u32 = 0o002;

/// Makes the folder if it is missing, for this user alone.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    check_folder(folder)
}

/// Checks that not every user may write to the folder: one could remove the journal of a send, or add one that no worker wrote. A folder
/// that others may read is no error, because the files in it are readable to their owner only.
///
/// # Errors
/// If every user may, or the folder cannot be looked at.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.mode() & 0o7777;
    if mode & EVERY_USER_WRITES == 0 {
        return Ok(());
    }
    let rule =
        format!("every user may write to it (mode {mode:o}): chmod 700 it, or name a folder in it, which is then made");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, rule))
}

/// Makes a new file and locks it for as long as it is open. It contains business data, so only its owner may read it.
/// Its name is on disk when this returns; its content is not.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    let locked = file
        .try_lock()
        .map_err(io::Error::from)
        .and_then(|()| is_still_there(&file, path))
        .and_then(|()| sync_folder_of(path));
    if locked.is_err() {
        fs::remove_file(path).ok(); // a file without a lock must not stay in the folder
    }
    locked.map(|()| file)
}

/// Between creation and lock, another process may take the file for one without a writer and remove it. Entries written
/// to a removed file would be lost.
fn is_still_there(file: &File, path: &Path) -> io::Result<()> {
    let (open, named) = (file.metadata()?, fs::metadata(path)?);
    if (open.dev(), open.ino()) == (named.dev(), named.ino()) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name"))
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// The path of a worker's file of this number.
pub(crate) fn name(folder: &Path, worker: &str, number: u64) -> PathBuf {
    folder.join(format!("{worker}-{number:06}.{EXTENSION}"))
}

/// A file that no living worker writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The time since it was last written.
    pub age: Duration,
}

/// The room that closed files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Together they are to be no larger than this.
    pub bytes: u64,
    /// None is to be older than this.
    pub age: Duration,
}

/// All journals in a folder, in the order of their names; none where there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The files that no living worker writes, the one first that was written longest ago.
///
/// # Errors
/// If the folder cannot be read.
pub fn closed(folder: &Path) -> io::Result<Vec<Closed>> {
    let mut closed = Vec::new();
    for path in files(folder)? {
        if !is_closed(&path) {
            continue;
        }
        match fs::metadata(&path) {
            // One from the future, by this machine's clock, is not old.
            Ok(found) => {
                let age = found.modified()?.elapsed().unwrap_or_default();
                closed.push(Closed { bytes: found.len(), age, path });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // another worker was quicker
            Err(error) => return Err(error),
        }
    }
    closed.sort_by(|one, other| (other.age, &one.path).cmp(&(one.age, &other.path)));
    Ok(closed)
}

/// The files, of these in the order of [`closed`], that exceed the room: too many bytes, or too old. The number of
/// files is no measure, because a worker that restarts often leaves many.
#[must_use]
pub fn surplus(closed: &[Closed], room: Room) -> Vec<&Closed> {
    let mut left: u64 = closed.iter().map(|file| file.bytes).sum();
    let mut surplus = Vec::new();
    for file in closed {
        if left > room.bytes || file.age > room.age {
            surplus.push(file);
        }
        left -= file.bytes; // the files behind it are younger, and have the room that it leaves
    }
    surplus
}

/// Removes the closed files that contain no entry; returns their number.
///
/// # Errors
/// If the folder cannot be read, or a file cannot be removed.
pub fn remove_empty(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for file in closed(folder)? {
        if file.age < EMPTY_STAYS || file.bytes > EMPTY_AT_MOST_BYTES || !jobs_in(&file.path)?.is_empty() {
            continue;
        }
        remove(&file.path)?;
        removed += 1;
    }
    Ok(removed)
}

/// Removes one file. That another worker was quicker is no error.
///
/// # Errors
/// If it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The jobs of which a file says anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    /// The highest fence that it has of each, by queue and key.
    pub named: BTreeMap<(String, String), u64>,
    /// Lines that cannot be read: which jobs they name is unknown.
    pub damaged: u64,
}

impl Jobs {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.damaged == 0
    }
}

/// Reads which jobs a file names.
///
/// # Errors
/// If it cannot be read.
pub fn jobs_in(path: &Path) -> io::Result<Jobs> {
    let mut jobs = Jobs::default();
    let summary = read(path, |entry, _| {
        let (queue, key, fence) = match entry {
            Entry::Opened { .. } => return,
            Entry::Intent(intent) => (intent.queue, intent.key, intent.fence),
            Entry::Response(response) => (response.queue, response.key, response.fence),
            Entry::SendSkipped(send_skipped) => (send_skipped.queue, send_skipped.key, send_skipped.fence),
        };
        let highest = jobs.named.entry((queue.into_owned(), key.into_owned())).or_default();
        *highest = fence.max(*highest);
    })?;
    jobs.damaged = summary.damaged_lines;
    Ok(jobs)
}

/// True if no running worker has the file locked.
fn is_closed(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn file(name: &str, bytes: u64, days: u32) -> Closed {
        Closed { path: name.into(), bytes, age: DAY * days }
    }

    #[test]
    fn files_go_by_bytes_and_age_the_oldest_first() {
        let crash_loop: Vec<Closed> = (0..500).map(|_| file("w", 63, 0)).collect();
        let closed = [vec![file("old", 100, 9), file("big", 600, 3)], crash_loop].concat();
        for (bytes, days, expected) in [
            (1 << 30, 30, vec![]),
            (32_200, 30, vec![]),
            (32_199, 30, vec!["old"]),
            (32_099, 30, vec!["old", "big"]),
            (1 << 30, 8, vec!["old"]),
            (1 << 30, 2, vec!["old", "big"]),
        ] {
            let room = Room { bytes, age: DAY * days };
            let surplus: Vec<&Path> = surplus(&closed, room).iter().map(|file| file.path.as_path()).collect();
            assert_eq!(surplus, expected.iter().map(Path::new).collect::<Vec<_>>(), "{bytes} bytes, {days} days");
        }
    }
}
