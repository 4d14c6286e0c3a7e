//! The difference between two configurations: accounts, which are replaced while a process runs, and keys that need a restart.

use std::collections::BTreeMap;
use std::path::Path;

use bursar_domain::AccountName;
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::config::{Account, Config};

/// The most names that a text lists.
const MOST_NAMED: usize = 20;

/// The section whose changes need no restart.
const ACCOUNTS: &str = "accounts";

/// The files of an account that a process reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// A worker signs and sends.
    EveryFile,
    /// A server verifies notifications. It may have no right to read the keys that sign payments.
    NotificationKeys,
}

/// The contents of each account's files, as a digest; `None` where a file cannot be read. A key is often replaced by another one of the same
/// name.
pub(crate) type Contents = BTreeMap<AccountName, Option<[u8; 32]>>;

/// Reads the files of every account.
pub(crate) fn contents(config: &Config, reads: Reads) -> Contents {
    config.accounts.iter().map(|(name, account)| (name.clone(), digest(account, reads))).collect()
}

fn digest(account: &Account, reads: Reads) -> Option<[u8; 32]> {
    let files: Vec<&Path> = match reads {
        Reads::EveryFile => {
            let files = account.gateway.files().into_iter().map(|(_, path)| path);
            files.chain(account.keys.ca_file.as_deref()).collect()
        }
        Reads::NotificationKeys => account.gateway.notifications().map(|key| key.file).into_iter().collect(),
    };
    let mut digest = Sha256::new();
    for file in files {
        digest.update(Sha256::digest(std::fs::read(file).ok()?));
    }
    Some(digest.finalize().into())
}

/// The difference between the configuration in force and another one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) added: Vec<AccountName>,
    /// Those with another key, or with other contents of a file.
    pub(crate) changed: Vec<AccountName>,
    pub(crate) removed: Vec<AccountName>,
    /// The keys of other sections whose new values need a restart.
    pub(crate) needs_restart: Vec<String>,
}

impl Change {
    /// The change of accounts from `before`, with the contents of their files, to `after`.
    pub(crate) fn of_accounts(before: (&Config, &Contents), after: (&Config, &Contents)) -> Self {
        let ((old, old_contents), (new, new_contents)) = (before, after);
        let mut change = Self::default();
        for (name, account) in &new.accounts {
            match old.accounts.get(name) {
                None => change.added.push(name.clone()),
                Some(before) if before != account || old_contents.get(name) != new_contents.get(name) => {
                    change.changed.push(name.clone());
                }
                Some(_) => {}
            }
        }
        change.removed = old.accounts.keys().filter(|name| !new.accounts.contains_key(*name)).cloned().collect();
        change
    }

    /// True if an account was added, changed or removed.
    pub(crate) fn has_accounts(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }
}

impl std::fmt::Display for Change {
    /// The accounts' names, and nothing of their settings.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(what, names)| format!("{what} {}", listed(names))).collect();
        match parts.as_slice() {
            [] => out.write_str("no account has changed"),
            parts => write!(out, "accounts: {}", parts.join("; ")),
        }
    }
}

fn listed(names: &[AccountName]) -> String {
    let listed: Vec<&str> = names.iter().take(MOST_NAMED).map(AccountName::as_str).collect();
    match names.len() - listed.len() {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// The keys outside of accounts that differ from those that the process started with.
pub(crate) fn needs_restart(started: &Config, now: &Config) -> Vec<String> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &started.shown(), &mut before);
    flatten("", &now.shown(), &mut after);
    let mut keys: Vec<String> =
        before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
    if started.redis.url != now.redis.url {
        keys.push("redis.url".to_owned()); // the shown URL hides its password
    }
    keys.sort();
    keys.dedup();
    keys
}

fn flatten(path: &str, table: &Table, keys: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        if path.is_empty() && name == ACCOUNTS {
            continue;
        }
        if let Value::Table(inner) = value {
            flatten(&format!("{path}{name}."), inner, keys);
        } else {
            keys.insert(format!("{path}{name}"), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str, folder: &Path) -> Config {
        Config::parse(text, &folder.join("bursar.toml"), std::iter::empty()).unwrap()
    }

    fn account(name: &str, more: &str) -> String {
        format!(
            "[accounts.{name}]\ngateway = 'beingfi'\nbase_url = 'https://h'\nmch_no = 'M'\napp_id = '1'\nsecret_file = '{name}'\n{more}\n"
        )
    }

    #[test]
    fn accounts_are_added_changed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, secret) in [("a", "one"), ("b", "two")] {
            std::fs::write(folder.path().join(name), secret).unwrap();
        }
        let both = account("a", "") + &account("b", "");
        let before = config(&both, folder.path());
        let contents_before = contents(&before, Reads::EveryFile);
        let change = |text: &str| {
            let after = config(text, folder.path());
            let contents = contents(&after, Reads::EveryFile);
            Change::of_accounts((&before, &contents_before), (&after, &contents)).to_string()
        };
        for (text, expected) in [
            (both.clone(), "no account has changed"),
            (account("b", "") + &account("a", ""), "no account has changed"),
            (format!("{both}[worker]\nconcurrency = 2\n"), "no account has changed"),
            (account("a", ""), "accounts: removed b"),
            (String::new(), "accounts: removed a, b"),
            (both.clone() + &account("c", ""), "accounts: added c"),
            (account("a", "rate_per_second = 3") + &account("b", ""), "accounts: changed a"),
            (account("a", "") + &account("b", "channel = 'wxpay'"), "accounts: changed b"),
            (account("c", "") + &account("a", "call_timeout = '9s'"), "accounts: added c; changed a; removed b"),
        ] {
            assert_eq!(change(&text), expected, "{text}");
        }
        std::fs::write(folder.path().join("b"), "three").unwrap();
        assert_eq!(change(&both), "accounts: changed b", "a key is rotated in its file");
        std::fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(change(&both), "accounts: changed a, b", "a file that cannot be read is not the same");
    }

    #[test]
    fn a_server_does_not_read_the_keys_that_sign() {
        let folder = tempfile::tempdir().unwrap();
        let text = account("a", "");
        let before = config(&text, folder.path());
        let unread = contents(&before, Reads::NotificationKeys);
        std::fs::write(folder.path().join("a"), "one").unwrap();
        assert_eq!(contents(&before, Reads::NotificationKeys), unread);
        assert!(unread.values().all(Option::is_some), "{unread:?}");
    }

    #[test]
    fn other_keys_are_named_as_needing_a_restart() {
        let folder = Path::new("");
        let before = config("[redis]\nurl = 'redis://:one@h:1/0'\n", folder);
        for (text, expected) in [
            ("[redis]\nurl = 'redis://:one@h:1/0'\n".to_owned(), vec![]),
            (format!("[redis]\nurl = 'redis://:one@h:1/0'\n{}", account("a", "")), vec![]),
            ("[redis]\nurl = 'redis://:two@h:1/0'\n".to_owned(), vec!["redis.url"]),
            (
                "[redis]\nurl = 'redis://:one@h:1/0'\nprefix = 'x'\n[server]\nlisten = '127.0.0.1:1'\n".to_owned(),
                vec!["redis.prefix", "server.listen"],
            ),
            (
                "[redis]\nurl = 'redis://:one@h:1/0'\n[journal]\ndir = 'j'\n[log]\nlevel = 'debug'\n".to_owned(),
                vec!["journal.dir", "log.level"],
            ),
        ] {
            assert_eq!(needs_restart(&before, &config(&text, folder)), expected, "{text}");
        }
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<AccountName> = (0..23).map(|number| format!("m{number}").parse().unwrap()).collect();
        assert!(listed(&names).ends_with("m19 and 3 more"), "{}", listed(&names));
    }
}
