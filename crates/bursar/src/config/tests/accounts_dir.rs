//! A folder with one file per account.

use std::path::Path;

use super::{BEINGFI, YZT};
use crate::config::{Config, ConfigError, accounts_dir::read_folder};

/// The files of a case, and the text of the configuration besides `accounts_dir`.
fn read(files: &[(&str, &str)], rest: &str) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    read_as(files, rest, &[])
}

fn read_as(
    files: &[(&str, &str)],
    rest: &str,
    variables: &[(&str, &str)],
) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("accounts.d")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join("accounts.d").join(name), text).unwrap();
    }
    let text = format!("accounts_dir = 'accounts.d'\n{rest}");
    let path = folder.path().join("bursar.toml");
    let config = Config::parse_with(&text, &path, super::owned(variables), read_folder);
    (folder, config)
}

/// An account's file: its section without the header.
fn file(section: &str) -> String {
    section.lines().filter(|line| !line.starts_with('[')).map(|line| format!("{line}\n")).collect()
}

fn faults(files: &[(&str, &str)], rest: &str) -> Vec<String> {
    match read(files, rest) {
        (folder, Err(error)) => {
            let text = error.to_string().replace(&folder.path().display().to_string(), "");
            text.lines().skip(1).map(|line| line.trim().to_owned()).collect()
        }
        (_, Ok(config)) => panic!("taken: {config:?}"),
    }
}

#[test]
fn a_files_name_is_its_accounts_name() {
    let shop = file(BEINGFI);
    let others = [("shop.toml", shop.as_str()), (".hidden.toml", "x"), ("shop.toml~", "x"), ("notes.txt", "x")];
    let (folder, config) = read(&others, YZT);
    let config = config.unwrap();
    let names: Vec<&str> = config.accounts.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["main", "shop"]);
    let shop = &config.accounts[&"shop".parse().unwrap()];
    assert_eq!(shop.gateway.signing_key().1, folder.path().join("accounts.d/beingfi.secret"), "relative to its folder");
}

#[test]
fn a_variable_is_laid_over_an_accounts_file() {
    let (_folder, config) =
        read_as(&[("shop.toml", &file(BEINGFI))], "", &[("BURSAR_ACCOUNTS__SHOP__RATE_PER_SECOND", "3")]);
    assert_eq!(config.unwrap().accounts[&"shop".parse().unwrap()].keys.rate_per_second, 3.0);
}

#[test]
fn what_is_wrong_is_named_with_its_file() {
    let shop = file(BEINGFI);
    let wrong = format!("{shop}colour = 'red'\n");
    let section = format!("[accounts.shop]\n{shop}");
    for (files, rest, expected) in [
        (
            vec![("shop.toml", shop.as_str())],
            BEINGFI,
            "/accounts.d/shop.toml:1: accounts.shop is there twice: here and at /bursar.toml:3",
        ),
        (vec![("shop.toml", wrong.as_str())], "", "/accounts.d/shop.toml:7: accounts.shop.colour is not a known key"),
        (vec![("shop.toml", "gateway = ")], "", "/accounts.d/shop.toml:1: is not TOML"),
        (vec![("shop.toml", "")], "", "accounts.shop.gateway is required"),
        (vec![("a shop.toml", shop.as_str())], "", "accounts.a shop"),
        (vec![("shop.toml", section.as_str())], "", "accounts.shop.gateway is required"),
    ] {
        let faults = faults(&files, rest);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    for (text, rule) in [
        ("accounts_dir = 'none'\n", "accounts_dir cannot be read"),
        ("accounts_dir = 3\n", "accounts_dir must be a path"),
        ("[accounts_dir]\n", "accounts_dir must be a path, not a section"),
    ] {
        let config = Config::parse_with(text, Path::new("/nowhere/bursar.toml"), std::iter::empty(), read_folder);
        let error = config.unwrap_err().to_string();
        assert!(error.contains(rule) && error.contains("/nowhere/bursar.toml:1"), "{error}");
    }
    let variables = super::owned(&[("BURSAR_ACCOUNTS_DIR", "/nowhere/accounts.d")]);
    let error = Config::parse_with("", Path::new(""), variables, read_folder).unwrap_err().to_string();
    assert!(error.contains("BURSAR_ACCOUNTS_DIR") && error.contains("/nowhere/accounts.d"), "{error}");
}
