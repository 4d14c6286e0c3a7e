//! Commands to a private server, on a separate connection: to make it stall, fill up, or report its state.

use crate::OwnRedis;
use std::{path::PathBuf, time::Duration};

/// A server that is there answers in milliseconds; one that is frozen or gone must not hold the test up.
const WITHIN: Duration = Duration::from_secs(2);

impl OwnRedis {
    /// The server's reply to one command, as text: `["CLIENT", "PAUSE", "500", "ALL"]`.
    ///
    /// # Errors
    /// Why there is no answer. Whether it was obeyed is then unknown.
    pub async fn command(&self, words: &[&str]) -> Result<String, String> {
        let answered = async {
            let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
            let mut command = redis::Cmd::new();
            for word in words {
                command.arg(word);
            }
            command.query_async::<String>(&mut connection).await
        };
        match tokio::time::timeout(WITHIN, answered).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {WITHIN:?}")),
        }
    }

    /// The file that the server appends its writes to, as long as it was not rewritten.
    ///
    /// # Panics
    /// When there is none, or several.
    pub fn append_only_file(&self) -> PathBuf {
        let folder = self.folder.path().join("appendonlydir");
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("no {}: {error}", folder.display()));
        let files = entries.flatten().map(|entry| entry.path());
        let files: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).collect();
        let [file] = files.as_slice() else { panic!("one append-only file was expected, not {files:?}") };
        file.clone()
    }

    /// One field of `INFO`; `None` when it is missing.
    pub async fn info(&self, field: &str) -> Option<String> {
        let info = self.command(&["INFO"]).await.ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        Some(line.trim_end().to_owned())
    }
}
