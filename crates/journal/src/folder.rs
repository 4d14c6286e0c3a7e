//! The folder of journals: a worker's files, one after the other, private to this user; the oldest go.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How a journal's name ends.
const EXTENSION: &str = "journal";

/// Makes the folder if it is missing.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A new file, held as long as it is open: it holds business data, so nobody else may read it. Its name is on disk when this
/// returns; what is written to it is not.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    let held = file.try_lock().map_err(io::Error::from).and_then(|()| sync_folder_of(path));
    if held.is_err() {
        fs::remove_file(path).ok(); // what cannot be used must not count among the files that are kept
    }
    held.map(|()| file)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Where a worker's file of this number is.
pub(crate) fn name(folder: &Path, worker: &str, number: u64) -> PathBuf {
    folder.join(format!("{worker}-{number:06}.{EXTENSION}"))
}

/// Removes the oldest of the files that nobody writes any more, all but `kept` of them.
pub(crate) fn prune(folder: &Path, kept: usize) -> io::Result<()> {
    let mut closed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) && is_closed(&path) {
            closed.push((fs::metadata(&path)?.modified()?, path));
        }
    }
    closed.sort();
    let surplus = closed.len().saturating_sub(kept);
    for (_, path) in closed.into_iter().take(surplus) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {} // another worker may have been quicker
        }
    }
    Ok(())
}

/// Whether no living worker holds it.
fn is_closed(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok())
}
