//! `TRAPS.md` lists every trap once, in order, with tests that exist; and no test of a trap is missing there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The number of known traps.
const TRAPS: usize = 42;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every test function of a trap in the two crates that meet them.
fn tests() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in ["domain/src", "domain/tests", "gateways/src", "gateways/tests"] {
        sources(&crates.join(folder), &mut files);
    }
    let names = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let functions = text.split("fn trap_").skip(1).filter_map(|rest| rest.split_once("()"));
        functions.map(|(name, _)| format!("trap_{name}")).filter(|name| is_name(name)).collect::<Vec<_>>()
    };
    files.iter().flat_map(names).collect()
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[test]
fn every_trap_is_listed_with_tests_that_exist() {
    let list = include_str!("../../TRAPS.md");
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")).collect();
    assert_eq!(rows.len(), TRAPS);
    let existing = tests();
    let mut listed = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let number = index + 1;
        assert!(row.starts_with(&format!("| {number} |")), "{row}");
        let named: Vec<&str> = row.split('`').filter(|name| name.starts_with("trap_")).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(name.starts_with(&format!("trap_{number:02}_")), "{name} is in the row of {number}");
            assert!(existing.contains(name), "{name} is no test");
            listed.insert(name.to_owned());
        }
    }
    assert_eq!(listed, existing);
}
