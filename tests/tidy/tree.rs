//! The project's text files.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing that a person of the project wrote. The corpora are inputs that a fuzzer found.
const SKIPPED: [&str; 9] =
    [".git", ".bursar", "target", "data", "trial", "corpus", "dictionaries", "node_modules", "not_yet"];

/// The kinds of files that hold words.
const TEXTS: [&str; 17] = [
    "rs", "lua", "md", "toml", "yml", "yaml", "html", "sh", "py", "java", "js", "mjs", "ts", "go", "php", "css", "sql",
];

/// Files without an extension that hold words.
const SCRIPTS: [&str; 3] = ["x", "run", "Dockerfile"];

/// One text file.
pub(crate) struct File {
    /// Its path below the project's folder.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    /// The files of the rules themselves, which name what they refuse.
    pub(crate) fn is_of_tidy(&self) -> bool {
        self.path.starts_with("tests/tidy/")
    }
}

/// The project's folder.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All text files, by their paths.
pub(crate) fn files() -> Vec<File> {
    let mut paths = Vec::new();
    collect(&project(), &mut paths);
    let root = project();
    let mut files: Vec<File> = paths
        .into_iter()
        .map(|path| File {
            text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            path: path.strip_prefix(&root).unwrap().to_str().expect("paths are ASCII").to_owned(),
        })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.len() > 500, "only {} files were found", files.len());
    files
}

/// All text files with this extension.
pub(crate) fn files_of(extension: &str) -> Vec<File> {
    files().into_iter().filter(|file| file.extension() == extension).collect()
}

/// One file of the project.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED.contains(&name) {
                collect(&path, paths);
            }
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if TEXTS.contains(&extension) || SCRIPTS.contains(&name) {
            paths.push(path);
        }
    }
}
