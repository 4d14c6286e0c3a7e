//! Lengths: a file of code is read in one sitting. clippy checks the functions (`too-many-lines-threshold`).

use crate::not_yet::{Breaches, add, assert_known};
use crate::tree::{files, read};

/// The most lines of a file of code. Most have fewer than 300.
const MAX_LINES: usize = 500;

#[test]
fn every_file_of_code_is_short() {
    let mut breaches = Breaches::new();
    for file in files().iter().filter(|file| ["rs", "lua", "sh", "py", ""].contains(&file.extension())) {
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            add(&mut breaches, &file.path, format!("{lines} lines, and {MAX_LINES} at most"));
        }
    }
    assert_known("lengths", &breaches);
}

#[test]
fn clippy_checks_the_length_of_functions() {
    assert!(read("Cargo.toml").contains("\ntoo_many_lines = \"warn\"\n"));
    assert!(read("clippy.toml").contains("\ntoo-many-lines-threshold = 70\n"));
}

/// A crate whose documentation has examples runs them; the others are spared the run.
#[test]
fn every_example_in_documentation_runs() {
    for file in files() {
        let Some((name, _)) = file.path.strip_prefix("crates/").and_then(|path| path.split_once("/src/")) else {
            continue;
        };
        let has_example = file.text.lines().any(|line| {
            let fence = line.trim_start().trim_start_matches(['/', '!']).trim();
            line.trim_start().starts_with("//") && (fence == "```" || fence == "```no_run" || fence == "```rust")
        });
        if file.extension() == "rs" && has_example {
            let manifest = read(&format!("crates/{name}/Cargo.toml"));
            assert!(!manifest.contains("doctest = false"), "{}: its examples do not run", file.path);
        }
    }
}
