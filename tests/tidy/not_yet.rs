//! Breaches that are known: `not_yet/RULE.txt` has a line `COUNT FILE` for each file that does not keep a rule yet. A list only shrinks:
//! more breaches in a file fail the test, and so does a line that is no longer needed. `BURSAR_TIDY=write` writes the lists for a
//! merge that moves files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::tree::project;

/// The breaches that are shown of a file.
const SHOWN: usize = 4;

/// Breaches of one rule: by file, each with its line and text.
pub(crate) type Breaches = BTreeMap<String, Vec<String>>;

/// Adds a breach of a file.
pub(crate) fn add(breaches: &mut Breaches, file: &str, breach: impl Into<String>) {
    breaches.entry(file.to_owned()).or_default().push(breach.into());
}

fn known(rule: &str) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(list_of(rule)).unwrap_or_default(); // no list: nothing is known
    let entry = |line: &str| {
        let (count, file) = line.split_once(' ').unwrap_or_else(|| panic!("{rule}.txt: {line}"));
        (file.to_owned(), count.parse().unwrap_or_else(|_| panic!("{rule}.txt: {line}")))
    };
    text.lines().map(entry).collect()
}

fn list_of(rule: &str) -> std::path::PathBuf {
    project().join("tests/tidy/not_yet").join(format!("{rule}.txt"))
}

/// Fails where a rule has breaches that are not known, or knows breaches that are no more.
pub(crate) fn assert_known(rule: &str, breaches: &Breaches) {
    if std::env::var("BURSAR_TIDY").is_ok_and(|value| value == "write") {
        let lines = breaches.iter().map(|(file, breaches)| format!("{} {file}\n", breaches.len()));
        let text: String = lines.collect();
        if text.is_empty() {
            let _ = std::fs::remove_file(list_of(rule)); // it may not be there
        } else {
            std::fs::write(list_of(rule), text).unwrap();
        }
        return;
    }
    let known = known(rule);
    let mut wrong = String::new();
    for file in known.keys().chain(breaches.keys()).collect::<BTreeSet<_>>() {
        let (found, allowed) = (breaches.get(file), known.get(file).copied());
        match (found, allowed) {
            (None, Some(_)) => {
                let _ = writeln!(wrong, "{file} keeps the rule: take it out of tests/tidy/not_yet/{rule}.txt");
            }
            (Some(found), allowed) if found.len() > allowed.unwrap_or(0) => {
                let _ = writeln!(wrong, "{file}: {} breaches, {} known", found.len(), allowed.unwrap_or(0));
                for breach in found.iter().take(SHOWN) {
                    let _ = writeln!(wrong, "    {breach}");
                }
            }
            (Some(_) | None, _) => {}
        }
    }
    assert!(wrong.is_empty(), "{rule}:\n{wrong}");
}
