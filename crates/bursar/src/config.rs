//! The configuration: a TOML file, environment variables over it, and a default for everything else.
//!
//! Every key is declared once, with its rule, its default and its documentation, in `sections.rs`, `account.rs`, `yzt.rs` or
//! `beingfi.rs`. Every broken rule is reported at once with its place, and an unknown key is an error: a mistyped `on_ambigous` must
//! not pay twice in silence.

mod account;
mod advice;
mod beingfi;
mod document;
mod environment;
mod fault;
mod redis_url;
mod rules;
mod section;
mod sections;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod texts;
mod yzt;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use bursar_domain::AccountName;
use toml::Table;

pub(crate) use account::Account;
pub(crate) use advice::Advice;
pub(crate) use document::example;
pub(crate) use fault::{ConfigError, Fault};
pub(crate) use redis_url::RedisUrl;
pub(crate) use sections::{Expect, Journal, Log, LogFormat, Preflight, Webhooks};
pub(crate) use yzt::Balance;

use section::Section;
use sections::{Audit, Import, Redis, Server, Telemetry, Worker};
use table::Keys;

/// Everything that an operator can set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) worker: Worker,
    pub(crate) import: Import,
    pub(crate) journal: Journal,
    pub(crate) server: Server,
    pub(crate) audit: Audit,
    pub(crate) webhooks: Webhooks,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
    /// `[accounts.NAME]`
    pub(crate) accounts: BTreeMap<AccountName, Account>,
}

impl Config {
    /// Reads `file`, if one is named, and the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming everything that is wrong.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?,
        };
        Self::parse(&text, file.unwrap_or(Path::new("")), std::env::vars_os())
    }

    /// Reads the text of the file at `path`, with `variables` laid over it.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], naming everything that is wrong.
    pub(crate) fn parse(
        text: &str,
        path: &Path,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut table = source::parse(text, path).map_err(ConfigError::Invalid)?;
        let mut faults = Vec::new();
        environment::overlay(&mut table, variables, &mut faults);
        let config = Self::read(Section::new(String::new(), table, folder, &mut faults));
        faults.sort_by_key(Fault::line);
        if faults.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(faults)) }
    }

    fn read(mut root: Section<'_>) -> Self {
        let config = Self {
            redis: read(root.section("redis")),
            worker: read(root.section("worker")),
            import: read(root.section("import")),
            journal: read(root.section("journal")),
            server: read(root.section("server")),
            audit: read(root.section("audit")),
            webhooks: read(root.section("webhooks")),
            log: read(root.section("log")),
            telemetry: read(root.section("telemetry")),
            accounts: account::read_all(root.section("accounts")),
        };
        root.finish();
        config
    }

    /// The effective configuration: every key that has a value, as TOML that reads back as the same. Secrets are files, shown by
    /// their paths, and the password in a URL is masked.
    pub(crate) fn shown(&self) -> Table {
        let mut accounts = Table::new();
        for (name, account) in &self.accounts {
            let mut shown = Table::new();
            account.show(&mut shown);
            accounts.insert(name.to_string(), shown.into());
        }
        let sections = [
            ("redis", show(&self.redis)),
            ("worker", show(&self.worker)),
            ("import", show(&self.import)),
            ("journal", show(&self.journal)),
            ("server", show(&self.server)),
            ("audit", show(&self.audit)),
            ("webhooks", show(&self.webhooks)),
            ("log", show(&self.log)),
            ("telemetry", show(&self.telemetry)),
            ("accounts", accounts),
        ];
        sections.into_iter().map(|(name, section)| (name.to_owned(), section.into())).collect()
    }
}

fn read<K: Keys>(mut section: Section<'_>) -> K {
    let keys = K::read(&mut section);
    section.finish();
    keys
}

fn show(keys: &impl Keys) -> Table {
    let mut shown = Table::new();
    keys.show(&mut shown);
    shown
}
