//! Takes a section apart key by key. Every wrong key is noted with its rule and its place; a key that was not read is unknown.

use std::collections::BTreeMap;
use std::path::Path;

use bursar_domain::nearest_name;

use super::fault::Fault;
use super::rules::Rule;
use super::source::{Entry, Origin, Raw, Table, Value};

/// The rule of a table, to be read after "must be".
const TABLE: &str = "a table, for example { amy99a = 3 }";

/// A section being taken apart.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    /// The keys that were read: those that exist.
    known: Vec<&'static str>,
    /// The keys that were given, with their places.
    given: Vec<(&'static str, Option<Origin>)>,
    /// The folder of the configuration file.
    folder: &'a Path,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, table: Table, folder: &'a Path, faults: &'a mut Vec<Fault>) -> Self {
        Self { path, table, known: Vec::new(), given: Vec::new(), folder, faults }
    }

    /// The folder that defaults are relative to.
    pub(super) fn folder(&self) -> &'a Path {
        self.folder
    }

    /// The value of `key` by `rule`; `None` when it was left out, or was wrong and is noted.
    pub(super) fn read<T>(&mut self, key: &'static str, rule: impl FnOnce() -> Rule<T>) -> Option<T> {
        let value = match self.remove(key)? {
            Entry::Value(value) => value,
            Entry::Table(table) => {
                self.note(key, "must be a value, not a section".into(), table.origin);
                return None;
            }
        };
        rule().read(&value).map_err(|rule| self.note(key, rule, Some(value.origin))).ok()
    }

    /// The same for a key without a default. Where it is left out or wrong, a placeholder takes its place, which the noted
    /// fault keeps from being used.
    pub(super) fn require<T: Default>(&mut self, key: &'static str, rule: impl FnOnce() -> Rule<T>) -> T {
        let value = self.read(key, rule);
        if !self.has(key) {
            self.wrong(key, "is required");
        }
        value.unwrap_or_default()
    }

    /// The entries of the table `key`, each by `rule`; in the environment `a=1,b=2`. What is wrong is noted and left out.
    pub(super) fn read_entries<T>(
        &mut self,
        key: &'static str,
        rule: impl FnOnce() -> Rule<T>,
    ) -> Option<BTreeMap<String, T>> {
        let entries = match self.remove(key)? {
            Entry::Table(table) => table.entries.into_iter().collect(),
            Entry::Value(value) => match pairs(&value) {
                Some(pairs) => pairs,
                None => {
                    self.note(key, format!("must be {TABLE}"), Some(value.origin));
                    return None;
                }
            },
        };
        let (rule, mut read) = (rule(), BTreeMap::new());
        for (name, entry) in entries {
            let (result, origin) = match entry {
                Entry::Value(value) => (rule.read(&value), Some(value.origin)),
                Entry::Table(table) => (Err("must be a value, not a section".to_owned()), table.origin),
            };
            match result {
                Ok(value) => drop(read.insert(name, value)),
                Err(rule) => self.note(&format!("{key}.{name}"), rule, origin),
            }
        }
        Some(read)
    }

    fn remove(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let entry = self.table.entries.remove(key)?;
        self.given.push((key, entry.origin().cloned()));
        Some(entry)
    }

    /// True if the key was given, right or wrong. It has been read before.
    pub(super) fn has(&self, key: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == key)
    }

    /// Refuses keys that exist and have no place here.
    pub(super) fn refuse(&mut self, keys: impl Iterator<Item = &'static str>, rule: &str) {
        for key in keys {
            if let Some(entry) = self.table.entries.remove(key) {
                self.note(key, rule.to_owned(), entry.origin().cloned());
            }
        }
    }

    /// Notes that a key which was read does not fit the others.
    pub(super) fn wrong(&mut self, key: &str, rule: &str) {
        let given = self.given.iter().find(|(given, _)| *given == key);
        let origin = given.map_or(&self.table.origin, |(_, origin)| origin).clone();
        self.note(key, rule.to_owned(), origin);
    }

    /// Notes that the section's own name cannot be an account's.
    pub(super) fn wrong_name(&mut self, rule: &str) {
        let rule = format!("is no name for an account: it {rule}");
        self.faults.push(Fault { key: Some(self.path.clone()), rule, origin: self.table.origin.clone() });
    }

    fn note(&mut self, key: &str, rule: String, origin: Option<Origin>) {
        let key = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        self.faults.push(Fault { key: Some(key), rule, origin });
    }

    /// Takes out the section `name`. One that was left out is empty.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        let table = match self.table.entries.remove(name) {
            Some(Entry::Table(table)) => table,
            None => Table::empty(None),
            Some(Entry::Value(value)) => {
                self.note(name, "must be a section".into(), Some(value.origin));
                Table::empty(None)
            }
        };
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Section::new(path, table, self.folder, self.faults)
    }

    /// The sections in this one, by name, with a fault for every value among them.
    pub(super) fn into_sections(mut self) -> (Vec<(String, Table)>, &'a Path, &'a mut Vec<Fault>) {
        let mut sections = Vec::new();
        for (name, entry) in std::mem::take(&mut self.table.entries) {
            match entry {
                Entry::Table(table) => sections.push((name, table)),
                Entry::Value(value) => self.note(&name, "must be a section".into(), Some(value.origin)),
            }
        }
        (sections, self.folder, self.faults)
    }

    /// Notes every key that was not read as unknown.
    pub(super) fn finish(mut self) {
        for (name, entry) in std::mem::take(&mut self.table.entries) {
            let what = match &entry {
                Entry::Value(_) => "key",
                Entry::Table(_) => "section",
            };
            let meant = nearest_name(&name, self.known.iter().copied());
            let hint = meant.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            self.note(&name, format!("is not a known {what}{hint}"), entry.origin().cloned());
        }
    }
}

/// The entries of a table that an environment variable holds; `None` for any other value.
fn pairs(value: &Value) -> Option<Vec<(String, Entry)>> {
    let Raw::Environment(text) = &value.raw else { return None };
    let pair = |pair: &str| {
        let (name, text) = pair.split_once('=')?;
        let raw = Raw::Environment(text.trim().to_owned());
        Some((name.trim().to_owned(), Entry::Value(Value { raw, origin: value.origin.clone() })))
    };
    text.split(',').filter(|pair| !pair.trim().is_empty()).map(pair).collect()
}
