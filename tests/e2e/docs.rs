//! The documents' commands, run as a reader runs them: the README's first job pasted whole, and each page after Getting started,
//! in one shell, in a folder that holds the files that `./x demo` leaves.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, header, redirect};
use serde_json::Value;

use crate::docs_page::{Block, Page};
use crate::docs_reader::Reader;
use crate::world::SOON;

/// The longest time that a page's commands take on a busy machine.
pub(crate) const PAGE_WITHIN: Duration = Duration::from_secs(240);

const GETTING_STARTED: &str = "docs/getting-started.md";

/// Pages whose `sh` blocks run after Getting started, with texts that their output contains.
const AFTER_GETTING_STARTED: &[(&str, &[&str])] = &[
    ("docs/http-api.md", &[r#""outcome":"new""#, r#""outcome":"invalid""#, r#""event":"response""#, "event: job"]),
    ("docs/webhooks.md", &["verified job.succeeded HOOK-1"]),
    ("docs/gateway-notifications.md", &["fail"]),
    ("docs/operations.md", &["concurrency", "main/transfer", "user bursar on"]),
    ("docs/scaling.md", &["main/transfer"]),
    ("docs/import-from-apalis.md", &["payments"]),
    ("crates/simulator/README.md", &[r#""profile":"hostile""#]),
];

/// Pages whose `sh` blocks have separate tests.
const OWN_TEST: &[&str] = &["README.md", GETTING_STARTED, "deploy/RUNBOOK.md", "docs/archive.md"];

/// Reasons for which a block of commands is `console` and no test of this file runs it, with the number of such blocks.
const NOT_RUN: &[(&str, &str, usize)] = &[
    ("archive", "it needs an archive, whose `verify` and whose script `archive.rs` runs", 3),
    ("minutes", "it builds, tests or measures for minutes", 10),
    ("docker", "it needs a Docker engine", 1),
    ("cluster", "it needs a Kubernetes cluster; `scripts/charts.sh` validates what it would get", 4),
    (
        "systemd",
        "it needs a systemd that runs; `systemd.rs` and `scripts/packages.sh` test the units and the messages",
        1,
    ),
    ("gateway", "it needs an account at a real gateway", 1),
    ("database", "it needs a database; `outbox.rs` runs the programs", 1),
];

fn run_pages() -> impl Iterator<Item = &'static str> {
    AFTER_GETTING_STARTED.iter().map(|(page, _)| *page).chain(OWN_TEST.iter().copied())
}

/// Every Markdown file of the repository.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Page::project().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            let is_ours = !name.starts_with('.') && name != "target" && name != "node_modules";
            if is_ours && entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let mut counted = vec![0; NOT_RUN.len()];
    for document in documents() {
        // The translations' blocks are compared with the English ones, in `docs_zh.rs`.
        let is_run = run_pages().any(|page| page == document) || Page::is_translation(&document);
        for Block { language, note, line, .. } in Page::read(&document).blocks() {
            match language.as_str() {
                "sh" => {
                    assert!(is_run, "{document}:{line}: no test runs this page's `sh` blocks");
                    assert!(["", "stop"].contains(&note.as_str()), "{document}:{line}: {note}");
                }
                "console" => {
                    let reason = NOT_RUN.iter().position(|(reason, ..)| *reason == note);
                    let reason = reason.unwrap_or_else(|| panic!("{document}:{line}: no reason in NOT_RUN: {note:?}"));
                    counted[reason] += usize::from(!Page::is_translation(&document));
                }
                "go" | "java" | "js" | "json" | "mermaid" | "php" | "python" | "rust,no_run" | "rust" | "sql"
                | "text" | "toml" | "yaml" => {}
                other => panic!("{document}:{line}: a block is `sh`, `console REASON` or text, not {other:?}"),
            }
        }
    }
    let expected: Vec<usize> = NOT_RUN.iter().map(|(.., blocks)| *blocks).collect();
    assert_eq!(counted, expected, "{NOT_RUN:?}");
}

/// A reader signs in with li's token and finds the job of the first page by its key.
async fn the_dashboard_has(reader: &Reader, key: &str) {
    let token = reader.token("li");
    let client = Client::builder().redirect(redirect::Policy::none()).timeout(SOON).build().unwrap();
    let form = client.post(reader.url("/sign-in")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let signed_in = form.body(format!("token={token}&to=/")).send().await.unwrap();
    let cookie = signed_in.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let get = async |path: &str| client.get(reader.url(path)).header(header::COOKIE, &cookie).send().await.unwrap();
    let found = get(&format!("/jobs?key={key}")).await;
    let place = found.headers()[header::LOCATION].to_str().unwrap();
    let page = get(place).await.text().await.unwrap();
    assert!(page.contains(key), "{page}");

    // The page's address is the job's, below /v1.
    let listed = client.get(reader.url(&format!("/v1{place}/history"))).bearer_auth(&token).send().await.unwrap();
    let listed: Value = serde_json::from_str(&listed.text().await.unwrap()).unwrap();
    assert_eq!(listed["history"].as_array().map(Vec::len), Some(1), "{listed}");
}

/// The first job of the README, pasted whole into an interactive shell.
async fn first_job_in(shell: &str) {
    let script = Page::read("README.md").commands();
    let has_event = script.replace("$!", "").contains('!');
    assert!(!script.contains(" #") && !has_event, "zsh takes no comments at its prompt, and `!` for its history");
    let reader = Reader::paste(shell, &[script]).await;
    let output = reader.finished_pasting().await;
    for expected in [r#""outcome":"new""#, r#""state":"succeeded""#, "call=send"] {
        assert!(output.contains(expected), "{expected}: {output}");
    }
    the_dashboard_has(&reader, "1001XP2025010110000001").await;
    reader.stop("kill $UP").await;
}

#[tokio::test]
async fn the_readmes_first_job_works_pasted_into_bash() {
    if Reader::is_possible("bash") {
        first_job_in("bash").await;
    }
}

#[tokio::test]
async fn the_readmes_first_job_works_pasted_into_zsh() {
    if Reader::is_possible("zsh") {
        first_job_in("zsh").await;
    }
}

#[tokio::test]
async fn getting_started_works_as_written() {
    if !Reader::is_possible("bash") {
        return;
    }
    let page = Page::read(GETTING_STARTED);
    let reader = Reader::paste("bash", &[page.commands()]).await;
    let output = reader.finished_pasting().await;
    let expected = [
        r#""outcome":"new""#,
        r#""outcome":"existing""#,
        "urn:bursar:problem:key-conflict",
        r#""state":"needs_review""#,
        r#""executions":1"#,
        "the ledger shows one execution",
    ];
    for expected in expected {
        assert!(output.contains(expected), "{expected}: {output}");
    }
    the_dashboard_has(&reader, "ORDER-1").await;
    reader.stop(&page.commands_to_stop()).await;
}

async fn works_after_getting_started(document: &str) {
    if !Reader::is_possible("bash") {
        return;
    }
    let (_, expected) = AFTER_GETTING_STARTED.iter().find(|(page, _)| *page == document).unwrap();
    let first = Page::read(GETTING_STARTED);
    let reader = Reader::paste("bash", &[first.commands(), Page::read(document).commands()]).await;
    let output = reader.finished_pasting().await;
    let (_, output) = output.split_once(Reader::NEXT_PAGE).unwrap();
    for expected in *expected {
        assert!(output.contains(expected), "{document}: {expected}: {output}");
    }
    reader.stop(&first.commands_to_stop()).await;
}

#[tokio::test]
async fn the_http_api_page_works_as_written() {
    works_after_getting_started("docs/http-api.md").await;
}

#[tokio::test]
async fn the_webhooks_page_works_as_written() {
    works_after_getting_started("docs/webhooks.md").await;
}

#[tokio::test]
async fn the_notifications_page_works_as_written() {
    works_after_getting_started("docs/gateway-notifications.md").await;
}

#[tokio::test]
async fn the_operations_page_works_as_written() {
    works_after_getting_started("docs/operations.md").await;
}

#[tokio::test]
async fn the_scaling_page_works_as_written() {
    works_after_getting_started("docs/scaling.md").await;
}

#[tokio::test]
async fn the_import_page_works_as_written() {
    works_after_getting_started("docs/import-from-apalis.md").await;
}

#[tokio::test]
async fn the_simulators_page_works_as_written() {
    works_after_getting_started("crates/simulator/README.md").await;
}
