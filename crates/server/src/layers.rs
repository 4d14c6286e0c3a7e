//! The crate's layers, held by a test that reads its sources: the compiler lets every module name every other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const MAX_LINES: usize = 500;

/// A layer: the modules below it that it may name, and the crates that it may not.
struct Layer {
    /// Its files are `{name}.rs` and those in `{name}/`, as far as no later row is more exact.
    name: &'static str,
    /// Parts of the crate that it may name besides itself, by the beginning of their paths.
    knows: &'static [&'static str],
    /// Crates that it may not name.
    not: &'static [&'static [&'static str]],
}

/// Crates that speak HTTP.
const HTTP: [&str; 5] = ["axum", "bursar_http_server", "hyper", "hyper_util", "tower_http"];

/// Crates that serve HTTP. A handler needs `axum` alone.
const SERVING: [&str; 4] = ["bursar_http_server", "hyper", "hyper_util", "tower_http"];

/// A more exact row comes after the one that it is part of.
const LAYERS: [Layer; 10] = [
    Layer { name: "state", knows: &[], not: &[&HTTP, &["maud"]] },
    Layer { name: "ops", knows: &["state"], not: &[&HTTP, &["maud"]] },
    Layer { name: "http", knows: &["state"], not: &[&["maud", "bursar_producer", "bursar_gateways"]] },
    Layer { name: "api", knows: &["state", "http", "ops"], not: &[&SERVING, &["maud"]] },
    Layer { name: "dashboard", knows: &["state", "http", "ops"], not: &[&SERVING, &["bursar_producer"]] },
    // Drawings and texts do not depend on the request.
    Layer { name: "dashboard/components", knows: &["dashboard::i18n", "dashboard::signed_in"], not: &[&HTTP] },
    Layer { name: "dashboard/charts", knows: &["dashboard::i18n", "dashboard::components", "state"], not: &[&HTTP] },
    Layer { name: "dashboard/i18n", knows: &["dashboard::cookie"], not: &[&SERVING, &["maud", "bursar_store"]] },
    Layer { name: "routes", knows: &["state", "http", "api", "dashboard"], not: &[&["maud", "bursar_store"]] },
    Layer { name: "server", knows: &["state", "ops", "routes"], not: &[&["maud", "axum"]] },
];

/// Files of no layer.
const OUTSIDE: [&str; 2] = ["lib.rs", "layers.rs"];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below `folder`, by its path from the crate's sources.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.strip_prefix(sources()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// A source without comments: a name in a comment is no dependence.
fn code(text: &str) -> String {
    text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect::<Vec<_>>().join("\n")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The text behind each place where `code` has `word` as a whole word.
fn behind<'a>(code: &'a str, word: &str) -> Vec<&'a str> {
    let bytes = code.as_bytes();
    let is_apart = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(|byte| !is_word(*byte));
    let places = code.match_indices(word).map(|(at, _)| at);
    places
        .filter(|at| is_apart(at.checked_sub(1)) && is_apart(Some(at + word.len())))
        .map(|at| &code[at + word.len()..])
        .collect()
}

/// The parts of the crate that `code` names, by their paths; `file` says what `super` is there.
fn modules(file: &str, code: &str) -> Vec<String> {
    let own: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let mut named = Vec::new();
    // A visibility is no dependence: it can only name a module around it.
    let code = &code.replace("pub(in crate::", "pub(in ");
    for rest in behind(code, "crate").into_iter().filter_map(|rest| rest.strip_prefix("::")) {
        named.extend(paths(rest));
    }
    // Of `super::super::x` the second one is met too: it names less, and is no harm.
    for mut rest in behind(code, "super") {
        let mut above = own.len();
        while let Some(further) = rest.strip_prefix("::") {
            above = above.saturating_sub(1);
            rest = further.strip_prefix("super").unwrap_or(further);
            if rest == further {
                break;
            }
        }
        let parent = own[..above].join("::");
        let path = |path: String| if parent.is_empty() { path } else { format!("{parent}::{path}") };
        // A module of tests begins by `super::*`, which is the file itself.
        named.extend(paths(rest).into_iter().map(path).filter(|_| !rest.starts_with('*') && !rest.starts_with(')')));
    }
    named
}

/// The paths that follow, with `{a, b::c}` taken apart at its outermost level.
fn paths(rest: &str) -> Vec<String> {
    let path = |text: &str| {
        let end = text.bytes().take_while(|byte| is_word(*byte) || *byte == b':').count();
        text[..end].trim_end_matches(':').to_owned()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![path(rest)] };
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                item.push(character);
            }
        }
    }
    items.push(item);
    items.iter().map(|item| path(item.trim())).filter(|path| !path.is_empty()).collect()
}

/// The names in a file that its layer forbids.
fn breaches(layer: &Layer, file: &str, code: &str) -> BTreeSet<String> {
    let own = layer.name.replace('/', "::");
    let is_known = |path: &str| {
        let mut known = layer.knows.iter().copied().chain([own.as_str()]);
        known.any(|known| path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
    };
    let modules = modules(file, code).into_iter().filter(|path| !is_known(path));
    let crates = layer.not.iter().copied().flatten().filter(|name| !behind(code, name).is_empty());
    modules.chain(crates.map(|name| (*name).to_owned())).collect()
}

/// The most exact layer of a file.
fn layer_of(file: &str) -> Option<&'static Layer> {
    let is_of = |layer: &&Layer| file == format!("{}.rs", layer.name) || file.starts_with(&format!("{}/", layer.name));
    LAYERS.iter().rev().find(is_of)
}

#[test]
fn every_file_has_a_layer_and_names_only_what_it_may() {
    let mut all = Vec::new();
    files(&sources(), &mut all);
    let mut wrong = Vec::new();
    for file in all.iter().filter(|file| !OUTSIDE.contains(&file.as_str())) {
        let Some(layer) = layer_of(file) else {
            wrong.push(format!("{file} is of no layer"));
            continue;
        };
        let text = std::fs::read_to_string(sources().join(file)).unwrap();
        let named = breaches(layer, file, &code(&text));
        wrong.extend(named.into_iter().map(|named| format!("{file}: {} may not know {named}", layer.name)));
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{file}: {lines} lines, and {MAX_LINES} at most"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for layer in &LAYERS {
        let files = all.iter().filter(|file| layer_of(file).is_some_and(|of| of.name == layer.name));
        assert!(files.count() > 0, "{} has no file", layer.name);
    }
}

#[test]
fn a_breach_is_seen_however_it_is_written() {
    let named = |file: &str, text: &str| -> Vec<String> {
        breaches(layer_of(file).unwrap(), file, &code(text)).into_iter().collect()
    };
    for (text, expected) in [
        ("use crate::state::rate::Rate; fn tower() { super::rate::x() }", &[][..]),
        ("/// As `crate::api::jobs` has it, by axum::Router.", &[]),
        ("use crate::http::problem::Problem;", &["http::problem::Problem"]),
        ("use crate::{api::jobs, state::{App, Shared}, routes};", &["api::jobs", "routes"]),
        ("fn x(code: ::axum::http::StatusCode) { crate::ops::x() }", &["axum", "ops::x"]),
        ("use axum as a;", &["axum"]),
        ("use super::super::http::auth;", &["http::auth"]),
        ("pub(in crate::state) fn x() {}", &[]),
    ] {
        assert_eq!(named("state/tokens.rs", text), expected, "{text}");
    }
    assert_eq!(named("state.rs", "use super::http::auth; mod tests { use super::*; }"), ["http::auth"]);
    assert_eq!(
        named("dashboard/pages/job.rs", "use crate::ops::jobs; use crate::api::jobs::part;"),
        ["api::jobs::part"]
    );
    assert_eq!(named("api/jobs.rs", "use crate::dashboard::pages; pub(super) fn x() {}"), ["dashboard::pages"]);
    assert_eq!(named("dashboard/i18n.rs", "use super::page::page; use super::cookie;"), ["dashboard::page::page"]);
    assert_eq!(layer_of("dashboard/charts/svg.rs").unwrap().name, "dashboard/charts");
    assert!(layer_of("util.rs").is_none());
}
