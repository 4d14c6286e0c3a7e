//! Links between documents: the file is there, and so is the heading.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::not_yet::{Breaches, add, assert_known};
use crate::tree::{File, files_of, project};

/// A document's lines outside fenced blocks, with their numbers.
fn lines(file: &File) -> Vec<(usize, &str)> {
    let mut is_fenced = false;
    let mut lines = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            lines.push((number + 1, line));
        }
    }
    lines
}

/// The line without what stands in code marks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("·")
}

/// The targets of a line's links: `[text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned());
    let mut targets: Vec<String> = inline.collect();
    if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
        targets.push(target.to_owned());
    }
    targets.iter().map(|target| target.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// The anchors of a document: its headings as GitHub names them, and the ids that it gives.
fn anchors(file: &File) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in lines(file) {
        for mark in ["id=\"", "name=\""] {
            anchors
                .extend(line.split(mark).skip(1).filter_map(|rest| rest.split_once('"')).map(|(id, _)| id.to_owned()));
        }
        let Some(heading) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')) else { continue };
        if !heading.starts_with(' ') {
            continue;
        }
        let slug = slug(heading.trim());
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let free = std::iter::once(slug.clone()).chain(numbered).find(|slug| !anchors.contains(slug));
        anchors.extend(free);
    }
    anchors
}

/// A heading's anchor: small letters, hyphens for spaces, no other signs.
fn slug(heading: &str) -> String {
    let text: String = heading.split("](").map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
    let text = if heading.contains("](") { text } else { heading.to_owned() };
    let kept =
        text.to_lowercase().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c)).collect::<String>();
    kept.replace(' ', "-")
}

/// A path below the project's folder, without `..`.
fn resolved(from: &str, target: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let target = target.strip_prefix('/').map_or_else(|| Path::new(from).parent().unwrap().join(target), PathBuf::from);
    for component in target.components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

#[test]
fn every_relative_link_and_anchor_is_alive() {
    let files = files_of("md");
    let mut breaches = Breaches::new();
    let mut count = 0;
    for file in &files {
        for (number, line) in lines(file) {
            for target in
                targets(line).iter().filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            {
                count += 1;
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = if path.is_empty() { PathBuf::from(&file.path) } else { resolved(&file.path, path) };
                let document = files.iter().find(|file| Path::new(&file.path) == path);
                let is_there = project().join(&path).exists();
                if !is_there || !anchor.is_empty() && document.is_some_and(|to| !anchors(to).contains(anchor)) {
                    add(&mut breaches, &file.path, format!("{number}: {target}"));
                }
            }
        }
    }
    assert!(count > 20, "only {count} links were found");
    assert_known("links", &breaches);
}

#[test]
fn a_heading_has_the_anchor_that_github_gives_it() {
    let text = "# A\n## `bursar up`: one, two\n```\n# no\n```\n## A\n## 结果未知 (in doubt)\n<a id=\"here\"></a>\n";
    let file = File { path: "x.md".into(), text: text.into() };
    let anchors: Vec<String> = anchors(&file).into_iter().collect();
    assert_eq!(anchors, ["a", "a-1", "bursar-up-one-two", "here", "结果未知-in-doubt"]);
    assert_eq!(targets("see [a](b.md#c) and `[x](y)`, [d](e \"f\")"), ["b.md#c", "e"]);
    assert_eq!(resolved("docs/zh/a.md", "../b.md"), PathBuf::from("docs/b.md"));
}
