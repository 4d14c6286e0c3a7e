//! Takes a section apart key by key: every wrong key is noted with its rule and place, what nobody asked for is unknown.

use std::collections::BTreeMap;
#[cfg(test)]
use std::collections::BTreeSet;

use super::fault::Fault;
use super::source::{Entry, Origin, Raw, Table, Value};

/// How alike a mistyped key must be to a known one to be taken for it; `strsim`'s scale from 0 to 1.
const ALIKE: f64 = 0.7;

/// What is noted while reading.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) faults: Vec<Fault>,
    /// Every key that was asked for: the keys that exist.
    #[cfg(test)]
    pub(super) known: BTreeSet<String>,
}

/// A section being taken apart.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    asked: Vec<&'static str>,
    notes: &'a mut Notes,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, table: Table, notes: &'a mut Notes) -> Self {
        Self { path, table, asked: Vec::new(), notes }
    }

    /// The value of `key` by `rule`; `None` when it was left out, or was wrong and is noted.
    pub(super) fn read<T>(&mut self, key: &'static str, rule: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.take(key)?;
        rule(&value).map_err(|rule| self.note(key, rule, Some(value.origin))).ok()
    }

    /// The same for a key without a default. Where it is left out or wrong, a placeholder stands in for it, which the
    /// noted fault keeps from ever being used.
    pub(super) fn require<T: Default>(&mut self, key: &'static str, rule: impl Fn(&Value) -> Result<T, String>) -> T {
        if !self.has(key) {
            self.note(key, "is required".into(), self.table.origin.clone());
        }
        self.read(key, rule).unwrap_or_default()
    }

    /// The entries of the table `key`, each by `rule`; in the environment `a=1,b=2`. What is wrong is noted and left out.
    pub(super) fn read_entries<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&Value) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        const RULE: &str = "must be a table, for example { amy99a = 3 }";
        self.asked.push(key);
        let mut read = BTreeMap::new();
        let entries = match self.table.entries.remove(key) {
            None => return read,
            Some(Entry::Table(table)) => table.entries.into_iter().collect(),
            Some(Entry::Value(value)) => match pairs(&value) {
                Some(pairs) => pairs,
                None => {
                    self.note(key, RULE.to_owned(), Some(value.origin));
                    return read;
                }
            },
        };
        for (name, entry) in entries {
            let (result, origin) = match entry {
                Entry::Value(value) => (rule(&value), Some(value.origin)),
                Entry::Table(table) => (Err("must be a value, not a section".to_owned()), table.origin),
            };
            match result {
                Ok(value) => drop(read.insert(name, value)),
                Err(rule) => self.note(&format!("{key}.{name}"), rule, origin),
            }
        }
        read
    }

    /// Whether `key` stands there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.entries.contains_key(key)
    }

    /// Keys that exist, and have no place here.
    pub(super) fn refuse(&mut self, keys: &[&'static str], rule: &str) {
        for key in keys {
            let origin = match self.table.entries.remove(*key) {
                Some(Entry::Value(value)) => Some(value.origin),
                Some(Entry::Table(table)) => table.origin,
                None => continue,
            };
            self.note(key, rule.to_owned(), origin);
        }
    }

    /// Notes that a key which was read is wrong beside the others.
    pub(super) fn wrong(&mut self, key: &str, rule: &str) {
        self.note(key, rule.to_owned(), self.table.origin.clone());
    }

    /// Notes that the section's own name cannot be an account's.
    pub(super) fn wrong_name(&mut self, rule: &str) {
        let origin = self.table.origin.clone();
        self.notes.faults.push(Fault {
            key: Some(self.path.clone()),
            rule: format!("is no name for an account: it {rule}"),
            origin,
        });
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        match self.table.entries.remove(key)? {
            Entry::Value(value) => Some(value),
            Entry::Table(table) => {
                self.note(key, "must be a value, not a section".into(), table.origin);
                None
            }
        }
    }

    fn note(&mut self, key: &str, rule: String, origin: Option<Origin>) {
        let key = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        self.notes.faults.push(Fault { key: Some(key), rule, origin });
    }

    /// The sections in this one, by name, with a fault for every value that stands among them.
    pub(super) fn into_sections(mut self) -> (Vec<(String, Table)>, &'a mut Notes) {
        let mut sections = Vec::new();
        for (name, entry) in std::mem::take(&mut self.table.entries) {
            match entry {
                Entry::Table(table) => sections.push((name, table)),
                Entry::Value(value) => self.note(&name, "must be a section".into(), Some(value.origin)),
            }
        }
        (sections, self.notes)
    }

    /// Notes everything that nobody asked for as unknown.
    pub(super) fn finish(mut self) {
        for (name, entry) in std::mem::take(&mut self.table.entries) {
            let (what, origin) = match entry {
                Entry::Value(value) => ("key", Some(value.origin)),
                Entry::Table(table) => ("section", table.origin),
            };
            let likeness = |known: &&&str| strsim::normalized_levenshtein(known, &name);
            let nearest = self.asked.iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
            let meant = nearest.filter(|known| likeness(known) >= ALIKE);
            let hint = meant.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            self.note(&name, format!("is not a known {what}{hint}"), origin);
        }
        #[cfg(test)]
        self.notes.known.extend(self.asked.iter().map(|key| format!("{}.{key}", self.path)));
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
