//! Sentences: a comment begins with a subject, and names no document that a reader cannot open.

use std::collections::BTreeMap;

use crate::not_yet::{Breaches, add, assert_known};
use crate::source::comments;
use crate::tree::files;

/// Words that begin a noun clause in place of a sentence.
const NOUN_CLAUSES: [&str; 4] = ["What", "How", "Whether", "Who"];

/// The share of comment lines of a crate that may begin so: a question, or a sentence whose subject it is.
const MAX_PERCENT: usize = 3;

/// Documents that are not in the repository.
const ABSENT: [&str; 8] =
    ["DESIGN", "CONTRACT.md", "STYLE.md", "GLOSSARY.md", "domain.md", "../shared", "/work/", "findings/"];

/// The crate or folder of a file.
fn part(path: &str) -> String {
    let depth = if path.starts_with("crates/") || path.starts_with("tests/") { 2 } else { 1 };
    path.split('/').take(depth).collect::<Vec<_>>().join("/")
}

#[test]
fn few_comments_begin_with_a_noun_clause() {
    let mut counts: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    let files = files();
    for file in files.iter().filter(|file| ["rs", "lua"].contains(&file.extension())) {
        let (all, clauses) = counts.entry(part(&file.path)).or_default();
        for (number, comment) in comments(file) {
            *all += 1;
            let first = comment.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
            if NOUN_CLAUSES.contains(&first) {
                clauses.push(format!("{}:{number}: {comment}", file.path));
            }
        }
    }
    let mut breaches = Breaches::new();
    for (part, (all, clauses)) in counts {
        if clauses.len() * 100 >= all.max(1) * MAX_PERCENT && clauses.len() > 1 {
            breaches.insert(part, clauses);
        }
    }
    assert_known("noun_clauses", &breaches);
}

#[test]
fn no_text_refers_to_an_absent_document() {
    let mut breaches = Breaches::new();
    for file in files().iter().filter(|file| !file.is_of_tidy()) {
        for (number, line) in file.text.lines().enumerate() {
            let names =
                ABSENT.iter().any(|name| line.match_indices(name).any(|(at, _)| is_apart(line, at, name.len())));
            if names || names_a_seed(line) {
                add(&mut breaches, &file.path, format!("{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_known("absent_documents", &breaches);
}

/// No letter goes on before or behind the match, unless the match ends in a sign.
fn is_apart(line: &str, at: usize, length: usize) -> bool {
    let word =
        |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let begins_with_sign = line[at..].starts_with(['.', '/']);
    let ends_with_sign = line[..at + length].ends_with('/');
    (begins_with_sign || !word(line[..at].chars().next_back()))
        && (ends_with_sign || !word(line[at + length..].chars().next()))
}

/// "seed 003": the numbered notes that the gateways' facts were read from.
fn names_a_seed(line: &str) -> bool {
    ["seed 0", "seeds 0"].iter().any(|words| {
        line.match_indices(words)
            .any(|(at, _)| line[at + words.len()..].starts_with(|next: char| next.is_ascii_digit()))
    })
}
