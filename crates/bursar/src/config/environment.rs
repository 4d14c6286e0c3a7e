//! Lays environment variables over the file: `BURSAR_REDIS__URL` is `redis.url`, `BURSAR_ACCOUNTS__MAIN__APP_ID` is
//! `accounts.main.app_id`. A variable without `__` (`BURSAR_CONFIG`) is not configuration.

use std::ffi::OsString;

use super::accounts_dir;
use super::fault::Fault;
use super::source::{Entry, Origin, Raw, Table, Value};

const PREFIX: &str = "BURSAR_";
const SEPARATOR: &str = "__";

/// The section within `[server]`.
const SUBSECTION: &str = "oidc";

/// Many platforms set this variable for their Redis. It counts when nothing else sets `redis.url`.
const REDIS_URL: &str = "REDIS_URL";

/// The variable of the folder with the accounts' files.
const ACCOUNTS_DIR: &str = "BURSAR_ACCOUNTS_DIR";

/// Lays the folder of the accounts' files over `table`. It comes before the other variables, which may name those accounts.
pub(super) fn overlay_folder(table: &mut Table, variables: &[(OsString, OsString)]) {
    let folder = variables.iter().find(|(name, value)| name == ACCOUNTS_DIR && !value.is_empty());
    if let Some((_, folder)) = folder {
        let raw = Raw::Environment(folder.to_string_lossy().into_owned());
        let value = Value { raw, origin: Origin::Environment(ACCOUNTS_DIR.to_owned()) };
        table.entries.insert(accounts_dir::KEY.to_owned(), Entry::Value(value));
    }
}

/// Lays `variables` over `table`, in the order of their names.
pub(super) fn overlay(
    table: &mut Table,
    variables: impl Iterator<Item = (OsString, OsString)>,
    faults: &mut Vec<Fault>,
) {
    let mut variables: Vec<(String, OsString)> =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
    variables.sort();
    let mut redis_url = None;
    for (name, value) in variables {
        let path = name.strip_prefix(PREFIX).filter(|path| path.contains(SEPARATOR));
        if path.is_none() && name != REDIS_URL {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        let Ok(text) = value.into_string() else {
            faults.push(Fault { key: None, rule: "must be UTF-8".into(), origin: Some(origin) });
            continue;
        };
        let value = Value { raw: Raw::Environment(text), origin };
        match path {
            Some(path) => set(table, path, value, faults),
            None => redis_url = Some(value),
        }
    }
    if let Some(value) = redis_url.filter(|value| !matches!(&value.raw, Raw::Environment(text) if text.is_empty())) {
        fall_back(table, value);
    }
}

/// Sets one value at its variable's path. The reader refuses a path that leads nowhere as unknown.
fn set(table: &mut Table, path: &str, value: Value, faults: &mut Vec<Fault>) {
    let path = path.to_ascii_lowercase();
    let Some((section, rest)) = path.split_once(SEPARATOR) else { return };
    let Some(section_table) = table.descend(section, &value.origin) else { return };
    match rest.rsplit_once(SEPARATOR) {
        Some((account, key)) if section == "accounts" => match account_named(section_table, account) {
            Ok(name) => {
                let Some(account_table) = section_table.descend(&name, &value.origin) else { return };
                account_table.entries.insert(key.to_owned(), Entry::Value(value));
            }
            Err(rule) => faults.push(Fault { key: None, rule, origin: Some(value.origin) }),
        },
        Some((SUBSECTION, key)) if section == "server" => {
            let Some(subsection_table) = section_table.descend(SUBSECTION, &value.origin) else { return };
            subsection_table.entries.insert(key.to_owned(), Entry::Value(value));
        }
        Some(_) | None => {
            section_table.entries.insert(rest.to_owned(), Entry::Value(value));
        }
    }
}

/// The account in a variable's name, which has neither case nor hyphens.
fn account_named(accounts: &Table, written: &str) -> Result<String, String> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let meant: Vec<&String> = accounts.entries.keys().filter(|name| plain(name) == plain(written)).collect();
    match meant.as_slice() {
        [] => Ok(written.to_owned()),
        [name] => Ok((*name).clone()),
        [first, second, ..] => Err(format!("could mean account {first} and account {second}: set it in the file")),
    }
}

fn fall_back(table: &mut Table, value: Value) {
    if let Some(redis) = table.descend("redis", &value.origin) {
        redis.entries.entry("url".to_owned()).or_insert(Entry::Value(value));
    }
}
