//! The configuration: a TOML file, environment variables over it, a default for everything else.
//!
//! Nothing is believed by its type alone: every key has a rule, every broken rule is told at once with its place, and a
//! key that nobody knows is an error, because a mistyped `on_ambigous` must not pay twice in silence.

mod account;
mod advice;
mod balance;
mod environment;
mod fair;
mod fault;
mod notify;
mod rules;
mod section;
mod show;
mod source;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bursar_domain::AccountName;
use bursar_store::Durability;

pub(crate) use account::{Account, Gateway, ResponseSign};
pub(crate) use advice::Advice;
pub(crate) use balance::Balance;
pub(crate) use fault::{ConfigError, Fault};
pub(crate) use webhooks::Webhooks;

use account::PlainHttp;
use rules::{DAY, HOUR, SECOND};
use section::{Notes, Section};
use source::{Entry, File, Table};

/// Calls in flight per process at most: each holds a connection and its buffers.
const MAX_CONCURRENCY: u32 = 4_096;

/// Partitions at most: each is looked at every few seconds by each idle worker.
const MAX_PARTITIONS: u32 = 1_024;

/// Requests a second of one token at most: more than one process answers.
const MAX_REQUESTS: u32 = 1_000_000;

/// Everything that an operator can set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// `[redis]`
    pub(crate) redis: Redis,
    /// `[worker]`
    pub(crate) worker: Worker,
    /// `[import]`
    pub(crate) import: Import,
    /// `[journal]`
    pub(crate) journal: Journal,
    /// `[server]`
    pub(crate) server: Server,
    /// `[webhooks]`
    pub(crate) webhooks: Webhooks,
    /// `[log]`
    pub(crate) log: Log,
    /// `[telemetry]`
    pub(crate) telemetry: Telemetry,
    /// `[accounts.NAME]`
    pub(crate) accounts: BTreeMap<AccountName, Account>,
}

/// Where the jobs are kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Redis {
    /// Where Redis is.
    pub(crate) url: RedisUrl,
    /// A private certificate authority to trust instead of the usual ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// What every key begins with.
    pub(crate) prefix: String,
    /// Into how many partitions a new Redis is divided; `None` for whatever it has.
    pub(crate) partitions: Option<u16>,
    /// What follows when this Redis can lose money's records.
    pub(crate) preflight: Preflight,
    /// The memory that it must have when a process begins.
    pub(crate) expect: Expect,
    /// When a submission, or the intent to send, counts as kept.
    pub(crate) durability: Durability,
    /// How long an ended job's detail is kept before only its tombstone stays.
    pub(crate) retention: Duration,
}

/// What follows when the preflight finds that this Redis can lose a payment's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preflight {
    /// No money is sent.
    Refuse,
    /// It is said, and money is sent.
    Warn,
}

/// The memory that a Redis must have when a process begins on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nothing: it may be new.
    Any,
    /// The one that Bursar has written there before.
    Existing,
}

/// The role that calls gateways.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worker {
    /// Calls in flight per process.
    pub(crate) concurrency: usize,
    /// How long a claimed job stays a worker's own without renewal.
    pub(crate) lease: Duration,
    /// How long a worker that was told to end waits for its calls in flight.
    pub(crate) drain: Duration,
    /// Where `bursar worker` serves its metrics and its health; nowhere when it is left out.
    pub(crate) listen: Option<SocketAddr>,
}

/// Doors beside the ones that are always open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Import {
    /// Queues of apalis-redis that workers drain; none for none.
    pub(crate) queues: Vec<String>,
}

/// Where sends are written down outside Redis as well.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Journal {
    /// The folder; without one there is no journal.
    pub(crate) dir: Option<PathBuf>,
    /// How large a file grows, in megabytes (2^20 bytes).
    pub(crate) file_mb: u32,
    /// The room for files that nobody writes any more, in full files.
    pub(crate) files: u32,
    /// The age at which a file goes.
    pub(crate) keep: Duration,
}

/// The role that listens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    /// On which address.
    pub(crate) listen: SocketAddr,
    /// Who may do what.
    pub(crate) tokens_file: PathBuf,
    /// What the dashboard's sessions are signed with; each process has a key of its own if left out.
    pub(crate) session_key_file: Option<PathBuf>,
    /// Requests a second of each token; 0 for no limit.
    pub(crate) rate_per_second: u32,
    /// How long a request's head, its body, and a client that does not take its answer may take.
    pub(crate) patience: Duration,
    /// How long requests in flight may take once the server was told to end.
    pub(crate) drain: Duration,
}

/// What is written about the work, to standard error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Log {
    /// For people or for machines.
    pub(crate) format: LogFormat,
    /// The least important level that is written.
    pub(crate) level: &'static str,
}

/// What is told of the work to other systems.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Telemetry {
    /// The OpenTelemetry collector that traces go to; nowhere when it is left out.
    pub(crate) otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Redis's address. It may hold a password, so it is masked wherever it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl(String);

impl RedisUrl {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether it asks for TLS.
    fn is_tls(&self) -> bool {
        ["rediss:", "valkeys:", "rediss+sentinel:"].iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// Whether it names sentinels.
    pub(crate) fn is_sentinel(&self) -> bool {
        Self::is_sentinels(&self.0)
    }

    /// Whether a text names sentinels: a list of hosts, which is more than other URLs have.
    fn is_sentinels(text: &str) -> bool {
        text.starts_with("redis+sentinel://") || text.starts_with("rediss+sentinel://")
    }

    /// The URL with its password: for connecting, never for showing.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&show::masked(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
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
        let (config, notes) = read(text, path, variables);
        match config {
            Some(config) if notes.faults.is_empty() => Ok(config),
            Some(_) | None => Err(ConfigError::Invalid(notes.faults)),
        }
    }
}

/// The configuration, as far as it could be read, and what was noted on the way.
fn read(text: &str, path: &Path, variables: impl Iterator<Item = (OsString, OsString)>) -> (Option<Config>, Notes) {
    let file = File::new(path);
    let mut notes = Notes::default();
    let mut table = match source::parse(text, &file) {
        Ok(table) => table,
        Err(faults) => {
            notes.faults = faults;
            return (None, notes);
        }
    };
    environment::overlay(&mut table, variables, &mut notes.faults);
    let config = Config {
        redis: Redis::read(section(&mut table, "redis", &mut notes)),
        worker: Worker::read(section(&mut table, "worker", &mut notes)),
        import: Import::read(section(&mut table, "import", &mut notes)),
        journal: Journal::read(section(&mut table, "journal", &mut notes)),
        server: Server::read(section(&mut table, "server", &mut notes), file.folder()),
        webhooks: Webhooks::read(section(&mut table, "webhooks", &mut notes)),
        log: Log::read(section(&mut table, "log", &mut notes)),
        telemetry: Telemetry::read(section(&mut table, "telemetry", &mut notes)),
        accounts: account::read_all(section(&mut table, "accounts", &mut notes)),
    };
    Section::new(String::new(), table, &mut notes).finish();
    notes.faults.sort_by_key(Fault::line);
    (Some(config), notes)
}

/// Takes a section out of the whole; one that was left out is empty.
fn section<'a>(table: &mut Table, name: &str, notes: &'a mut Notes) -> Section<'a> {
    let inner = match table.entries.remove(name) {
        Some(Entry::Table(inner)) => inner,
        None => Table::empty(None),
        Some(Entry::Value(value)) => {
            let rule = "must be a section".to_owned();
            notes.faults.push(Fault { key: Some(name.to_owned()), rule, origin: Some(value.origin) });
            Table::empty(None)
        }
    };
    Section::new(name.to_owned(), inner, notes)
}

impl Redis {
    fn read(mut section: Section<'_>) -> Self {
        let preflight = rules::word(&[("refuse", Preflight::Refuse), ("warn", Preflight::Warn)]);
        let expect = rules::word(&[("any", Expect::Any), ("existing", Expect::Existing)]);
        let replicas = section.read("replicas", rules::whole(1..=16));
        let words = [
            ("fast", Durability::Fast),
            ("local", Durability::Local),
            ("replicated", Durability::Replicated(replicas.unwrap_or(1))),
        ];
        let durability = rules::word(&words);
        let redis = Self {
            url: section
                .read("url", rules::redis_url)
                .unwrap_or_else(|| RedisUrl::new("redis://127.0.0.1:6379/0".into())),
            ca_file: section.read("ca_file", rules::file),
            prefix: section.read("prefix", rules::name).unwrap_or_else(|| "bursar".into()),
            partitions: section
                .read("partitions", rules::whole(1..=MAX_PARTITIONS))
                .and_then(|partitions| u16::try_from(partitions).ok()),
            preflight: section.read("preflight", preflight).unwrap_or(Preflight::Refuse),
            expect: section.read("expect", expect).unwrap_or(Expect::Any),
            durability: section.read("durability", durability).unwrap_or_default(),
            retention: section.read("retention", rules::duration(HOUR..=DAY * 3_650)).unwrap_or(DAY * 30),
        };
        section.finish();
        redis
    }
}

impl Worker {
    fn read(mut section: Section<'_>) -> Self {
        let concurrency = section.read("concurrency", rules::whole(1..=MAX_CONCURRENCY)).unwrap_or(64);
        let worker = Self {
            concurrency: usize::try_from(concurrency).unwrap_or(1),
            lease: section.read("lease", rules::duration(SECOND..=HOUR)).unwrap_or(SECOND * 30),
            drain: section.read("drain", rules::duration(Duration::ZERO..=HOUR)).unwrap_or(SECOND * 40),
            listen: section.read("listen", rules::listen),
        };
        section.finish();
        worker
    }
}

impl Import {
    fn read(mut section: Section<'_>) -> Self {
        let import = Self { queues: section.read("queues", rules::queues).unwrap_or_default() };
        section.finish();
        import
    }
}

impl Journal {
    fn read(mut section: Section<'_>) -> Self {
        let journal = Self {
            dir: section.read("dir", rules::file),
            file_mb: section.read("file_mb", rules::whole(1..=4_096)).unwrap_or(64),
            files: section.read("files", rules::whole(1..=10_000)).unwrap_or(16),
            keep: section.read("keep", rules::duration(DAY..=DAY * 3_650)).unwrap_or(DAY * 90),
        };
        section.finish();
        journal
    }
}

impl Server {
    fn read(mut section: Section<'_>, folder: &Path) -> Self {
        let server = Self {
            listen: section
                .read("listen", rules::listen)
                .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080))),
            tokens_file: section.read("tokens_file", rules::file).unwrap_or_else(|| folder.join("tokens.toml")),
            session_key_file: section.read("session_key_file", rules::file),
            rate_per_second: section.read("rate_per_second", rules::whole(0..=MAX_REQUESTS)).unwrap_or(500),
            patience: section.read("patience", rules::duration(SECOND..=SECOND * 600)).unwrap_or(SECOND * 30),
            drain: section.read("drain", rules::duration(Duration::ZERO..=HOUR)).unwrap_or(SECOND * 30),
        };
        section.finish();
        server
    }
}

impl Log {
    fn read(mut section: Section<'_>) -> Self {
        let levels = ["error", "warn", "info", "debug", "trace"].map(|level| (level, level));
        let log = Self {
            format: section
                .read("format", rules::word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]))
                .unwrap_or(LogFormat::Text),
            level: section.read("level", rules::word(&levels)).unwrap_or("info"),
        };
        section.finish();
        log
    }
}

impl Telemetry {
    fn read(mut section: Section<'_>) -> Self {
        let telemetry = Self { otlp_endpoint: section.read("otlp_endpoint", rules::base_url(PlainHttp::Anywhere)) };
        section.finish();
        telemetry
    }
}
