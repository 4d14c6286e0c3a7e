//! `deploy/bursar.toml` and `docs/configuration.md` are what the table of keys gives.
//!
//! `BURSAR_WRITE_DOCUMENTS=1 cargo test -p bursar documents` writes them.

use std::path::Path;

use super::page::page;
use super::{faults, parse};
use crate::config::{Config, document};

const DEPLOY: &str = include_str!("../../../../../deploy/bursar.toml");

#[test]
fn files_are_what_the_table_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let schema = serde_json::to_string_pretty(&bursar_store::archive_line_schema()).unwrap() + "\n";
    for (file, text) in [
        ("deploy/bursar.toml", document::example()),
        ("docs/configuration.md", page()),
        ("docs/archive-line.schema.json", schema),
    ] {
        let path = root.join(file);
        if std::env::var_os("BURSAR_WRITE_DOCUMENTS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{file} is not what the table gives: BURSAR_WRITE_DOCUMENTS=1 writes it");
    }
}

/// A key that the file explains without setting it: `# max_amount = 5000000`.
fn commented_out(line: &str) -> Option<&str> {
    let setting = line.strip_prefix("# ")?;
    let (key, _) = setting.split_once(" = ")?;
    key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()).then_some(setting)
}

fn with_every_key() -> String {
    DEPLOY.lines().map(|line| format!("{}\n", commented_out(line).unwrap_or(line))).collect()
}

fn parsed(text: &str) -> Config {
    parse(text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_key_that_the_file_sets_is_required_or_has_its_default() {
    let documented = parsed(DEPLOY);
    let defaults: String = DEPLOY
        .lines()
        .filter(|line| line.starts_with("[accounts.") || line.contains("# required"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(documented, parsed(&defaults));
}

#[test]
fn what_the_file_calls_required_is() {
    for (number, line) in DEPLOY.lines().enumerate().filter(|(_, line)| line.contains("# required")) {
        let key = line.split(' ').next().unwrap();
        let without: String = DEPLOY
            .lines()
            .enumerate()
            .filter(|(other, _)| *other != number)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        let faults = faults(&without, &[]);
        assert!(faults.len() == 1 && faults[0].ends_with(&format!(".{key} is required")), "{faults:?}");
    }
}

#[test]
fn what_the_file_shows_as_an_example_is_taken() {
    let config = Config::parse(&with_every_key(), Path::new("bursar.toml"), std::iter::empty());
    assert!(config.is_ok_and(|config| config.accounts.values().any(|account| account.keys.ca_file.is_some())));
}

#[test]
fn the_user_of_redis_conf_has_the_rights_that_are_printed() {
    let conf = include_str!("../../../../../deploy/redis.conf");
    let rights = bursar_store::RightsWanted {
        user: "bursar",
        prefix: "bursar",
        queues: &[],
        durability: bursar_store::Durability::Fast,
        sentinels: false,
    };
    let line = format!("# {}", rights.acl_line());
    assert!(conf.lines().any(|documented| documented == line), "{line}");
}
