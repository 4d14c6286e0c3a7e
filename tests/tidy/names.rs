//! Names of tests: the subject is the module, the claim has at most 60 characters.

use crate::not_yet::{Breaches, add, assert_known};
use crate::tree::files_of;

const MAX_CHARS: usize = 60;

/// The functions of a file that a test attribute stands above.
fn tests(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test && !line.starts_with("//")) {
            names.push(rest.split('(').next().unwrap_or_default());
            is_test = false;
        }
    }
    names
}

#[test]
fn every_test_has_a_short_name() {
    let mut breaches = Breaches::new();
    let mut count = 0;
    for file in files_of("rs") {
        let names = tests(&file.text);
        count += names.len();
        for name in names.iter().filter(|name| name.len() > MAX_CHARS) {
            add(&mut breaches, &file.path, *name);
        }
    }
    assert!(count > 1_000, "only {count} tests were found");
    assert_known("test_names", &breaches);
}
