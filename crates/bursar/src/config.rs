//! The configuration: a TOML file, environment variables over it, and a default for everything else.
//!
//! Every key is declared once, with its rule, its default and its documentation, in `sections.rs`, `account.rs`, `yzt.rs` or
//! `beingfi.rs`. Every broken rule is reported at once with its place, and an unknown key is an error: a mistyped `on_ambigous` must
//! not pay twice in silence.

mod account;
mod accounts_dir;
mod advice;
mod beingfi;
mod document;
mod environment;
mod fault;
mod oidc;
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
use std::path::{Path, PathBuf};

use bursar_domain::AccountName;
use toml::Table;

pub(crate) use account::{Account, ReadableKeys};
pub(crate) use advice::Advice;
pub(crate) use document::example;
pub(crate) use fault::{ConfigError, Fault};
pub(crate) use oidc::OidcKeys;
pub(crate) use redis_url::RedisUrl;
pub(crate) use sections::{Archive, Expect, Journal, Log, LogFormat, Preflight, UnsignedWebhooks, Webhooks};
pub(crate) use yzt::Balance;

use accounts_dir::ReadFolder;
use section::Section;
use sections::{Audit, Import, Redis, Reload, Server, Telemetry, Worker};
use table::Keys;

/// Everything that an operator can set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) worker: Worker,
    pub(crate) import: Import,
    pub(crate) journal: Journal,
    pub(crate) archive: Archive,
    pub(crate) server: Server,
    /// `[server.oidc]`, if it has any key.
    pub(crate) oidc: Option<OidcKeys>,
    pub(crate) audit: Audit,
    pub(crate) webhooks: Webhooks,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
    pub(crate) reload: Reload,
    /// `[accounts.NAME]`
    pub(crate) accounts: BTreeMap<AccountName, Account>,
    /// The file that was read; empty if none was.
    pub(crate) file: PathBuf,
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
        Self::parse_with(&text, file.unwrap_or(Path::new("")), std::env::vars_os(), accounts_dir::read_folder)
    }

    /// Reads the text of the file at `path`, with `variables` laid over it. The folder of the accounts is taken for empty.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], naming everything that is wrong.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "the executable loads; a fuzz target, which compiles this file, parses")
    )]
    pub(crate) fn parse(
        text: &str,
        path: &Path,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        Self::parse_with(text, path, variables, |_| Ok(Vec::new()))
    }

    fn parse_with(
        text: &str,
        path: &Path,
        variables: impl Iterator<Item = (OsString, OsString)>,
        read_folder: ReadFolder,
    ) -> Result<Self, ConfigError> {
        let variables: Vec<(OsString, OsString)> = variables.collect();
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut table = source::parse(text, path).map_err(ConfigError::Invalid)?;
        let mut faults = Vec::new();
        environment::overlay_folder(&mut table, &variables);
        accounts_dir::merge(&mut table, read_folder, &mut faults);
        environment::overlay(&mut table, variables.into_iter(), &mut faults);
        let root = Section::new(String::new(), table, folder, &mut faults);
        let config = Self { file: path.to_path_buf(), ..Self::read(root) };
        faults.sort_by_key(Fault::line);
        if faults.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(faults)) }
    }

    fn read(mut root: Section<'_>) -> Self {
        let (server, oidc) = read_server(root.section("server"));
        let config = Self {
            redis: read(root.section("redis")),
            worker: read(root.section("worker")),
            import: read(root.section("import")),
            journal: read(root.section("journal")),
            archive: read_checked(root.section("archive"), Archive::check),
            server,
            oidc,
            webhooks: read_checked(root.section("webhooks"), Webhooks::check),
            audit: read(root.section("audit")),
            log: read(root.section("log")),
            telemetry: read(root.section("telemetry")),
            reload: read(root.section("reload")),
            accounts: account::read_all(root.section("accounts")),
            file: PathBuf::new(),
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
        let mut server = show(&self.server);
        if let Some(oidc) = &self.oidc {
            server.insert("oidc".to_owned(), show(oidc).into());
        }
        let sections = [
            ("redis", show(&self.redis)),
            ("worker", show(&self.worker)),
            ("import", show(&self.import)),
            ("journal", show(&self.journal)),
            ("archive", show(&self.archive)),
            ("server", server),
            ("audit", show(&self.audit)),
            ("webhooks", show(&self.webhooks)),
            ("log", show(&self.log)),
            ("telemetry", show(&self.telemetry)),
            ("reload", show(&self.reload)),
            ("accounts", accounts),
        ];
        sections.into_iter().map(|(name, section)| (name.to_owned(), section.into())).collect()
    }
}

fn read<K: Keys>(section: Section<'_>) -> K {
    read_checked(section, |_, _| ())
}

/// Reads a section whose keys must fit together as `check` notes.
fn read_checked<K: Keys>(mut section: Section<'_>, check: impl Fn(&K, &mut Section<'_>)) -> K {
    let keys = K::read(&mut section);
    check(&keys, &mut section);
    section.finish();
    keys
}

fn read_server(mut section: Section<'_>) -> (Server, Option<OidcKeys>) {
    let server = Server::read(&mut section);
    let oidc = oidc::read(section.section("oidc"));
    section.finish();
    (server, oidc)
}

fn show(keys: &impl Keys) -> Table {
    let mut shown = Table::new();
    keys.show(&mut shown);
    shown
}
