//! `accounts_dir`: a folder with one file per account. A file's name is its account's name, and it has the keys of `[accounts.NAME]`.

use std::io::{Error, Read};
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::source::{self, Entry, Origin, Raw, Table};

/// The key, at the top of the file.
pub(super) const KEY: &str = "accounts_dir";

/// The end of an account's file. Other files are left alone: editors' copies, notes, key files.
const EXTENSION: &str = "toml";

/// The most files. Each costs a worker memory and connections.
const MAX_FILES: usize = 50_000;

/// The longest file of an account.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The files of accounts in a folder, by name, with their texts.
pub(super) type ReadFolder = fn(&Path) -> Result<Vec<(PathBuf, String)>, Error>;

/// Reads the accounts' files in this folder. Hidden files are left out: Kubernetes keeps earlier versions of a volume in them.
///
/// # Errors
/// The first file that cannot be read, in the text of the error.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !is_hidden && path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file() {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(Error::other(format!("it has more than {MAX_FILES} files")));
        }
    }
    paths.sort();
    paths.into_iter().map(|path| read(&path).map(|text| (path, text))).collect()
}

fn read(path: &Path) -> Result<String, Error> {
    let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(named)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(named)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(named(Error::other("it is too long to be an account's file")));
    }
    Ok(text)
}

/// Adds the accounts of the folder that the table names, if it names one, and takes the key out.
pub(super) fn merge(table: &mut Table, read_folder: ReadFolder, faults: &mut Vec<Fault>) {
    let value = match table.entries.remove(KEY) {
        None => return,
        Some(Entry::Value(value)) => value,
        Some(Entry::Table(table)) => return faults.push(fault("must be a path, not a section", table.origin)),
    };
    let (Raw::Text(folder) | Raw::Environment(folder)) = &value.raw else {
        return faults.push(fault("must be a path", Some(value.origin)));
    };
    let folder = value.origin.folder().join(folder);
    let files = match read_folder(&folder) {
        Ok(files) => files,
        Err(error) => {
            return faults.push(fault(&format!("cannot be read: {}: {error}", folder.display()), Some(value.origin)));
        }
    };
    for (path, text) in files {
        add(table, &path, &text, faults);
    }
}

fn add(table: &mut Table, path: &Path, text: &str, faults: &mut Vec<Fault>) {
    let origin = source::start_of(path);
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let account = match source::parse(text, path) {
        Ok(account) => Table { origin: Some(origin.clone()), ..account },
        Err(wrong) => return faults.extend(wrong),
    };
    // A value in place of the section is reported when the section is read.
    let Some(accounts) = table.descend("accounts", &origin) else { return };
    if let Some(other) = accounts.entries.get(&name) {
        let place = other.origin().map(Origin::to_string).unwrap_or_default();
        let rule = format!("is there twice: here and at {place}");
        return faults.push(Fault { key: Some(format!("accounts.{name}")), rule, origin: Some(origin) });
    }
    accounts.entries.insert(name, Entry::Table(account));
}

fn fault(rule: &str, origin: Option<Origin>) -> Fault {
    Fault { key: Some(KEY.to_owned()), rule: rule.to_owned(), origin }
}
