//! Enumerations in documents: a page that lists most values of an enumeration lists them all, and no other.

use std::collections::BTreeSet;

use bursar_domain::{Outcome, State, Unsendable};

use crate::not_yet::{Breaches, add, assert_known};
use crate::tree::{files, files_of, read};

/// The words in code marks.
fn marked(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn words<const N: usize>(words: [&'static str; N]) -> BTreeSet<&'static str> {
    words.into_iter().collect()
}

/// The values of a label in the table of `METRICS.md`.
fn label_values<'a>(page: &'a str, label: &str) -> BTreeSet<&'a str> {
    let begin = format!("\n| `{label}` | ");
    let (_, rest) = page.rsplit_once(&begin).unwrap_or_else(|| panic!("METRICS.md has no label {label}"));
    marked(rest.lines().next().unwrap_or_default())
}

#[test]
fn the_labels_of_metrics_have_the_enums_values() {
    let page = read("deploy/METRICS.md");
    assert_eq!(label_values(&page, "answer"), words(Outcome::ALL.map(Outcome::as_str)));
    assert_eq!(label_values(&page, "state"), words(State::ALL.map(State::as_str)));
    assert_eq!(label_values(&page, "reason"), words(Unsendable::ALL.map(Unsendable::label)));
}

/// The types of problems that the server answers with, as its enum writes them.
fn problem_types() -> BTreeSet<String> {
    let text = read("crates/server/src/http/problem.rs");
    let texts = text.split("rename = \"urn:bursar:problem:").skip(1).filter_map(|rest| rest.split_once('"'));
    let types: BTreeSet<String> = texts.map(|(name, _)| name.to_owned()).collect();
    assert!(types.len() > 10, "only {types:?} were found");
    types
}

/// The numbers with which the executable ends.
fn exit_codes() -> BTreeSet<String> {
    let sources = files_of("rs");
    let source = sources
        .iter()
        .filter(|file| file.path.starts_with("crates/bursar/src/"))
        .find_map(|file| file.text.split_once("enum Exit {"))
        .expect("the executable has an enum Exit");
    let (body, _) = source.1.split_once("\n}").unwrap();
    let values = body.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" = "));
    let codes: BTreeSet<String> = values.map(|(_, code)| code.to_owned()).collect();
    assert!(codes.len() >= 4, "only {codes:?} were found");
    codes
}

#[test]
fn a_page_that_lists_an_enumeration_lists_all_of_it() {
    let problems = problem_types();
    let enumerations: [(&str, BTreeSet<&str>); 3] = [
        ("states", words(State::ALL.map(State::as_str))),
        ("outcomes", words(Outcome::ALL.map(Outcome::as_str))),
        ("problem types", problems.iter().map(String::as_str).collect()),
    ];
    let mut breaches = Breaches::new();
    for file in files_of("md").iter().filter(|file| file.path != "CHANGELOG.md") {
        for table in tables(&file.text) {
            let named: BTreeSet<&str> = table.iter().filter_map(|row| marked(row).first().copied()).collect();
            for (name, values) in &enumerations {
                let listed = named.intersection(values).count();
                if listed * 3 >= values.len() * 2 && listed < values.len() {
                    let missing: Vec<_> = values.difference(&named).collect();
                    add(&mut breaches, &file.path, format!("a table of {name} lacks {missing:?}"));
                }
            }
        }
    }
    assert_known("enumerations", &breaches);
}

/// The first cells of the rows of each table.
fn tables(text: &str) -> Vec<Vec<&str>> {
    let mut tables = vec![Vec::new()];
    for line in text.lines() {
        match line.strip_prefix("| ").and_then(|row| row.split_once(" |")) {
            Some((cell, _)) => tables.last_mut().unwrap().push(cell),
            None if line.starts_with('|') => {}
            None => tables.push(Vec::new()),
        }
    }
    tables
}

#[test]
fn a_page_that_lists_exit_codes_lists_all_of_them() {
    let codes = exit_codes();
    let mut breaches = Breaches::new();
    let mut pages = 0;
    for file in files().iter().filter(|file| file.extension() == "md" && file.path != "CHANGELOG.md") {
        let lines: Vec<&str> = file.text.lines().collect();
        let is_title = |line: &&str| line.starts_with('#') && line.to_lowercase().ends_with("exit codes");
        let Some(at) = lines.iter().position(is_title) else { continue };
        pages += 1;
        let section: Vec<&str> = lines[at + 1..].iter().take_while(|line| !line.starts_with('#')).copied().collect();
        let text = section.join(" ");
        let numbers: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
        for code in codes.iter().filter(|code| !numbers.contains(code.as_str())) {
            add(&mut breaches, &file.path, format!("{}: the exit codes lack {code}", at + 1));
        }
    }
    assert!(pages > 0, "no page lists the exit codes");
    assert_known("exit_codes", &breaches);
}
