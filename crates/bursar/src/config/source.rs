//! Reads a TOML file with line numbers. Values keep their place of origin, so that every fault names the place to correct.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::fault::Fault;

/// A configuration file: its name for messages, its folder for relative paths.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    folder: PathBuf,
}

impl File {
    fn new(path: &Path) -> Arc<Self> {
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Arc::new(Self { name: path.display().to_string(), folder })
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The place where a value was given.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// In the file, on this line.
    File { file: Arc<File>, line: usize },
    /// In this environment variable.
    Environment(String),
}

impl Origin {
    /// The folder for relative paths: the file's folder, or the current one.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::File { file, .. } => file.folder(),
            Self::Environment(_) => Path::new(""),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(out, "{}:{line}", file.name),
            Self::Environment(variable) => write!(out, "environment variable {variable}"),
        }
    }
}

/// A value as it was written. Rules decide its type.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    /// The digits as they were written: an id of 27 digits must not be rounded before the message about it.
    Number(String),
    Flag(bool),
    List(Vec<Raw>),
    /// A date, a time or an inline table: no key takes one.
    Other,
    /// From the environment, where everything is text and the rule decides its meaning.
    Environment(String),
}

/// A value and its origin.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// One name's content.
#[derive(Debug)]
pub(super) enum Entry {
    Value(Value),
    Table(Table),
}

impl Entry {
    /// The place where it was given.
    pub(super) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Value(value) => Some(&value.origin),
            Self::Table(table) => table.origin.as_ref(),
        }
    }
}

/// A section. Its origin is its header, or the first variable that names it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) origin: Option<Origin>,
    pub(super) entries: BTreeMap<String, Entry>,
}

impl Table {
    pub(super) fn empty(origin: Option<Origin>) -> Self {
        Self { origin, entries: BTreeMap::new() }
    }

    /// The table under `name`, created if there is none; `None` if there is a value.
    pub(super) fn descend(&mut self, name: &str, origin: &Origin) -> Option<&mut Self> {
        let made = || Entry::Table(Self::empty(Some(origin.clone())));
        match self.entries.entry(name.to_owned()).or_insert_with(made) {
            Entry::Table(table) => Some(table),
            Entry::Value(_) => None,
        }
    }
}

/// The first line of a file.
pub(super) fn start_of(path: &Path) -> Origin {
    Origin::File { file: File::new(path), line: 1 }
}

/// Reads a file's text. Every syntax error is named with its line.
pub(super) fn parse(text: &str, path: &Path) -> Result<Table, Vec<Fault>> {
    let file = File::new(path);
    let lines = Lines::of(text, &file);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(lines.table(table.get_ref(), None));
    }
    let fault = |error: toml::de::Error| Fault {
        key: None,
        rule: format!("is not TOML: {}", error.message()),
        origin: Some(lines.origin(&error.span().unwrap_or(0..0))),
    };
    Err(errors.into_iter().map(fault).collect())
}

/// Finds lines by byte positions.
struct Lines<'a> {
    /// The position of each line's end, in ascending order. Found once, because every key of a file has a line.
    ends: Vec<usize>,
    file: &'a Arc<File>,
}

impl<'a> Lines<'a> {
    fn of(text: &str, file: &'a Arc<File>) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { ends, file }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let line = 1 + self.ends.partition_point(|end| *end < span.start);
        Origin::File { file: Arc::clone(self.file), line }
    }

    fn table(&self, table: &DeTable<'_>, origin: Option<Origin>) -> Table {
        let mut read = Table::empty(origin);
        for (name, value) in table {
            let origin = self.origin(&name.span());
            let entry = match value.get_ref().as_table() {
                Some(inner) => Entry::Table(self.table(inner, Some(origin))),
                None => Entry::Value(Value { raw: raw(value.get_ref()), origin }),
            };
            read.entries.insert(name.get_ref().to_string(), entry);
        }
        read
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Number(number.to_string()),
        DeValue::Float(number) => Raw::Number(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Datetime(_) | DeValue::Table(_) => Raw::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(table: &Table, section: &str, key: &str) -> usize {
        let Some(Entry::Table(table)) = table.entries.get(section) else { panic!("no section {section}") };
        let Some(Entry::Value(value)) = table.entries.get(key) else { panic!("no key {key}") };
        match &value.origin {
            Origin::File { line, .. } => *line,
            Origin::Environment(variable) => panic!("{variable}"),
        }
    }

    #[test]
    fn a_keys_line_is_counted_from_the_first_one() {
        let text = "first.key = 1\n\n[second]\nkey = 1\r\nother = \"\"\"a\nb\"\"\"\nlast = 2";
        let table = parse(text, Path::new("bursar.toml")).unwrap();
        for (section, key, line) in
            [("first", "key", 1), ("second", "key", 4), ("second", "other", 5), ("second", "last", 7)]
        {
            assert_eq!(line_of(&table, section, key), line, "{section}.{key}");
        }
    }

    #[test]
    fn an_error_is_reported_with_its_line() {
        let faults = parse("a = 1\nb = \n\nc = [\n", Path::new("bursar.toml")).unwrap_err();
        assert!(faults.iter().any(|fault| fault.line() == 2), "{faults:?}");
    }
}
