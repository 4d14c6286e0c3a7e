//! Redis keys: each name that Rust or Lua uses is in the tables of the two `keys.rs`, and each name there is used.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{files, read};

/// The files that list every key.
const TABLES: [&str; 2] = ["crates/store/src/keys.rs", "crates/store/src/jobs/keys.rs"];

/// The calls and expressions that make a key of a name, up to the name.
const USES: [&str; 8] = [
    "queue_key('",
    "base .. '",
    "KEYS[1] .. '",
    "KEYS[2] .. '",
    ".set(\"",
    ".of_key(\"",
    ".below_base(\"",
    "of_key(name, \"",
];

/// The letters of a name at the beginning of a text.
fn name(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_ascii_lowercase() && character != '_').unwrap_or(text.len());
    &text[..end]
}

/// The name of a key as the tables write it: `PREFIX:layout`, `PREFIX:{probe}:try`, `sends:QUEUE`.
fn named(word: &str) -> &str {
    let word = word.rsplit_once("PREFIX:").map_or(word, |(_, rest)| rest);
    name(word.strip_prefix("{probe}:").unwrap_or(word))
}

/// The names in code marks of the tables' documentation.
fn documented() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for table in TABLES {
        let text = read(table);
        for line in text.lines().filter_map(|line| line.strip_prefix("//!")) {
            let marked = line.split('`').skip(1).step_by(2);
            names.extend(marked.map(|word| named(word).to_owned()));
        }
    }
    names
}

#[test]
fn every_key_in_use_is_in_the_tables() {
    let documented = documented();
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    let files = files();
    let of_store = |path: &str| path.starts_with("crates/store/src/") || path.starts_with("crates/store/lua/");
    for file in files.iter().filter(|file| of_store(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            for begin in USES {
                for rest in line.split(begin).skip(1) {
                    used.insert(name(rest).to_owned(), format!("{}:{}", file.path, number + 1));
                }
            }
        }
    }
    let names_in_use = used.iter().filter(|(name, _)| !name.is_empty());
    let missing: Vec<_> = names_in_use.filter(|(name, _)| !documented.contains(*name)).collect();
    assert!(missing.is_empty(), "keys that no table has: {missing:#?}");
    assert!(used.len() > 20 && used.contains_key("circuits") && used.contains_key("due_queries"), "{used:#?}");
}

#[test]
fn every_key_in_the_tables_is_in_use() {
    let of_store: Vec<_> = files().into_iter().filter(|file| file.path.starts_with("crates/store/")).collect();
    let mut code = String::new();
    for file in of_store.iter().filter(|file| !file.path.contains("/tests/")) {
        code.extend(file.text.lines().filter(|line| !line.starts_with("//!")).flat_map(|line| [line, "\n"]));
    }
    let mut unused = Vec::new();
    for table in TABLES {
        for line in read(table).lines().filter_map(|line| line.strip_prefix("//! | `")) {
            let (first, _) = line.split_once(" | ").unwrap();
            for word in first.split('`').step_by(2) {
                let word = named(word);
                let is_used =
                    ["'", "\"", "{}", "}", ":"].iter().any(|before| code.contains(&format!("{before}{word}")));
                if !word.is_empty() && !is_used {
                    unused.push(format!("{table}: {word}"));
                }
            }
        }
    }
    assert!(unused.is_empty(), "{unused:#?}");
}
