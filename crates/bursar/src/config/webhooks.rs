//! `[webhooks]`: addresses, secrets and times of the deliveries to producers.

use std::path::PathBuf;
use std::time::Duration;

use bursar_webhooks::IpNet;
use toml::{Table, Value as Toml};

use super::rules::{self, DAY, MINUTE, SECOND};
use super::section::Section;
use super::show::{duration, path, whole};

/// Attempts at a time in one process at most: each holds a connection.
const MAX_CONCURRENCY: u32 = 1_024;

/// How producers are told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Webhooks {
    /// What messages are signed with.
    pub(crate) secrets_file: Option<PathBuf>,
    /// Networks that may be told beside the public ones.
    pub(crate) allow: Vec<IpNet>,
    /// A private certificate authority to trust beside the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// How long an event is tried.
    pub(crate) retry_for: Duration,
    /// Attempts at a time in this process.
    pub(crate) concurrency: usize,
}

impl Webhooks {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let concurrency = section.read("concurrency", rules::whole(1..=MAX_CONCURRENCY)).unwrap_or(64);
        let webhooks = Self {
            secrets_file: section.read("secrets_file", rules::file),
            allow: section.read("allow", rules::networks).unwrap_or_default(),
            ca_file: section.read("ca_file", rules::file),
            timeout: section.read("timeout", rules::duration(SECOND / 10..=MINUTE)).unwrap_or(SECOND * 10),
            retry_for: section.read("retry_for", rules::duration(Duration::ZERO..=DAY * 7)).unwrap_or(DAY),
            concurrency: usize::try_from(concurrency).unwrap_or(1),
        };
        section.finish();
        webhooks
    }

    pub(super) fn shown(&self) -> Table {
        let allow: Vec<Toml> = self.allow.iter().map(|network| network.to_string().into()).collect();
        let always = [
            ("allow", allow.into()),
            ("timeout", duration(self.timeout)),
            ("retry_for", duration(self.retry_for)),
            ("concurrency", whole(self.concurrency)),
        ];
        let given = [("secrets_file", self.secrets_file.as_deref()), ("ca_file", self.ca_file.as_deref())];
        let given = given.into_iter().filter_map(|(key, file)| Some((key, path(file?))));
        always.into_iter().chain(given).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}
