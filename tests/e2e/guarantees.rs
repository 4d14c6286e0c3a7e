//! GUARANTEES.md names tests: each of them exists, so that no promise outlives what proves it.

use std::collections::BTreeSet;
use std::path::Path;

/// Every `fn name(` in the Rust files below `folder`.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names =
                text.split("fn ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned());
            found.extend(names);
        }
    }
}

#[test]
fn every_test_that_a_guarantee_names_exists() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guarantees = std::fs::read_to_string(project.join("GUARANTEES.md")).unwrap();
    let mut found = BTreeSet::new();
    functions(&project.join("crates"), &mut found);
    functions(&project.join("tests"), &mut found);
    // A test's name is a sentence of small letters: at least four words, and no metric or setting.
    let is_test = |word: &&str| {
        let is_small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        word.bytes().all(is_small) && word.matches('_').count() >= 3 && !word.starts_with("bursar_")
    };
    let named: BTreeSet<&str> = guarantees.split('`').filter(is_test).collect();
    assert!(named.len() > 25, "only {} tests are named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !found.contains(**name)).collect();
    assert!(missing.is_empty(), "GUARANTEES.md names tests that do not exist: {missing:?}");
}
