//! The folder of an archive: `archive.json` with its id, and a folder for each chain.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::error::ArchiveError;

/// The version of the format.
pub const FORMAT: u32 = 1;

/// The file with the archive's id.
pub(crate) const ABOUT: &str = "archive.json";

/// An archive in a folder.
#[derive(Clone, Debug)]
pub struct Archive {
    folder: PathBuf,
    id: String,
}

#[derive(Serialize, Deserialize)]
struct About {
    format: u32,
    archive: String,
}

impl Archive {
    /// Opens the archive of a folder; makes folder and archive if they are missing, private to this user.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn create(folder: &Path) -> Result<Self, ArchiveError> {
        make_folder(folder)?;
        let path = folder.join(ABOUT);
        if !path.exists() {
            let about = About { format: FORMAT, archive: format!("{:032x}", fastrand::u128(..)) };
            let text = serde_json::to_string(&about).unwrap_or_default() + "\n"; // a number and a text
            // Another process may be first: then its id counts.
            publish(folder, ABOUT, text.as_bytes())?;
        }
        Self::open(folder)
    }

    /// Opens the archive of a folder.
    ///
    /// # Errors
    /// [`ArchiveError::NoArchive`] if there is none, and others.
    pub fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let path = folder.join(ABOUT);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArchiveError::NoArchive(folder.to_path_buf()));
            }
            Err(error) => return Err(ArchiveError::io("read", &path)(error)),
        };
        let about: About = serde_json::from_slice(&text).map_err(|error| ArchiveError::damaged(&path, error))?;
        if about.format != FORMAT {
            let why = format!("its format is {}, and this build reads {FORMAT}", about.format);
            return Err(ArchiveError::damaged(&path, why));
        }
        Ok(Self { folder: folder.to_path_buf(), id: about.archive })
    }

    /// The archive's id: a Redis is archived in one archive only.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A chain, which need not exist.
    #[must_use]
    pub fn chain(&self, name: &str) -> Chain {
        Chain::new(&self.id, name, self.folder.join(name))
    }

    /// The chains, in the order of their names.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn chains(&self) -> Result<Vec<Chain>, ArchiveError> {
        let names = names(&self.folder)?;
        Ok(names.iter().filter(|name| self.folder.join(name).is_dir()).map(|name| self.chain(name)).collect())
    }
}

/// The names in a folder, sorted; none if there is no such folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, ArchiveError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(ArchiveError::io("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(ArchiveError::io("list", folder))?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), ArchiveError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(ArchiveError::io("make", folder))
}

/// A new file that only this user reads, with a name that no other file has.
pub(crate) fn temporary(folder: &Path) -> Result<(PathBuf, File), ArchiveError> {
    let path = folder.join(format!("tmp-{:016x}", fastrand::u64(..)));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(ArchiveError::io("make", &path))?;
    Ok((path, file))
}

/// Writes a file that has its whole text from the moment it has its name. Returns false, and changes nothing, if the name is taken.
pub(crate) fn publish(folder: &Path, name: &str, text: &[u8]) -> Result<bool, ArchiveError> {
    let written = write_temporary(folder, text)?;
    let path = folder.join(name);
    let linked = fs::hard_link(&written, &path);
    fs::remove_file(&written).ok(); // a second name of a published file, or of nothing
    match linked {
        Ok(()) => sync_folder(folder).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(ArchiveError::io("publish", &path)(error)),
    }
}

/// The same in place of what has this name.
pub(crate) fn replace(folder: &Path, name: &str, text: &[u8]) -> Result<(), ArchiveError> {
    let written = write_temporary(folder, text)?;
    let path = folder.join(name);
    fs::rename(&written, &path).map_err(ArchiveError::io("replace", &path))?;
    sync_folder(folder)
}

fn write_temporary(folder: &Path, text: &[u8]) -> Result<PathBuf, ArchiveError> {
    let (path, mut file) = temporary(folder)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if let Err(error) = written {
        fs::remove_file(&path).ok();
        return Err(ArchiveError::io("write", &path)(error));
    }
    Ok(path)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::io("sync", folder))
}
