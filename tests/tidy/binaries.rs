//! A crate has one binary of integration tests: each further one is linked anew, and shares no helper with the others.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tree::files;

/// The binaries of `crates/NAME/tests`: cargo makes one of each file, and of each folder with a `main.rs`.
fn binary(path: &str) -> Option<(&str, &str)> {
    let (name, within) = path.strip_prefix("crates/")?.split_once("/tests/")?;
    let is_root = !within.contains('/') || within.ends_with("/main.rs") && within.matches('/').count() == 1;
    (!name.contains('/') && is_root && Path::new(within).extension()? == "rs").then_some((name, within))
}

#[test]
fn every_crate_has_one_binary_of_integration_tests() {
    let files = files();
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, within) in files.iter().filter_map(|file| binary(&file.path)) {
        found.entry(name).or_default().push(within);
    }
    found.retain(|_, binaries| binaries.len() > 1);
    assert!(found.is_empty(), "make them modules of one: {found:?}");
}

#[test]
fn a_file_or_a_folder_with_a_main_file_is_a_binary() {
    for (path, expected) in [
        ("crates/a/tests/one.rs", Some(("a", "one.rs"))),
        ("crates/a/tests/b/main.rs", Some(("a", "b/main.rs"))),
        ("crates/a/tests/b/one.rs", None),
        ("crates/a/tests/b/c/main.rs", None),
        ("crates/a/src/tests/one.rs", None),
        ("crates/a/tests/one.md", None),
        ("tests/e2e/main.rs", None),
    ] {
        assert_eq!(binary(path), expected, "{path}");
    }
}
