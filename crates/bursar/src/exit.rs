//! The end of a run: the options that every command has, the exit codes, and errors that carry theirs.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use bursar_archive::ArchiveError;
use bursar_producer::Unavailable;
use bursar_store::StoreError;
use clap::Args;

use crate::accounts::AccountError;
use crate::config::ConfigError;

/// Options that can be given before or after any command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Read this configuration file. Without it, defaults and environment variables apply.
    #[arg(long, global = true, value_name = "FILE", env = "BURSAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object a line instead of text. An error is an object on standard error, with code, message and exit_code.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The exit codes. Scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no: refused, not found, different, not healthy.
    No = 1,
    /// Wrong use or wrong configuration. Nothing was done. Clap ends with the same code.
    Misused = 2,
    /// Redis or a gateway is out of reach.
    Unreachable = 3,
}

impl Exit {
    /// The word for it in JSON.
    const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::No => "no",
            Self::Misused => "misused",
            Self::Unreachable => "unreachable",
        }
    }

    /// An error as one line of JSON, for `--json`.
    pub(crate) fn as_json(self, message: &str) -> String {
        serde_json::json!({"code": self.code(), "message": message, "exit_code": self as u8}).to_string()
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// An error that knows the exit code of a run that ends with it.
///
/// Commands return [`Failure`], and `?` makes one only of errors with this trait: an error type that was forgotten here does not compile.
pub(crate) trait CarriesExit: std::error::Error + Send + Sync + 'static {
    /// The exit code.
    fn exit(&self) -> Exit;
}

/// The error that a run ends with, and its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// A failure that no other code needs to recognise: the answer is no.
    pub(crate) fn no(text: impl fmt::Display) -> Self {
        Self { exit: Exit::No, error: anyhow::Error::msg(text.to_string()) }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

/// The whole chain of causes in one line.
impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&bursar_store::chain(self.error.as_ref()))
    }
}

impl<E: CarriesExit> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: error.exit(), error: error.into() }
    }
}

/// Says what was tried when an error happened. The exit code stays the error's.
pub(crate) trait Context<T> {
    fn context(self, tried: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, tried: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let Failure { exit, error } = error.into();
            Failure { exit, error: error.context(tried.to_string()) }
        })
    }
}

/// A command that was used wrongly in a way that the command line's own rules cannot tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Implements [`CarriesExit`] for errors that always mean the same.
macro_rules! always {
    ($($exit:ident: $($error:ty),+;)+) => {$($(
        impl CarriesExit for $error {
            fn exit(&self) -> Exit {
                Exit::$exit
            }
        }
    )+)+};
}

always! {
    Misused: UsageError, ConfigError, AccountError, bursar_gateways::SettingsError, bursar_telemetry::TracesError,
        bursar_server::ServeError;
    No: bursar_worker::WorkerError, bursar_journal::JournalError, bursar_private_redis::Error, bursar_simulator::StartError,
        bursar_simulator::UnknownLife,
        bursar_server::TokensError, serde_json::Error, toml::ser::Error, tokio::task::JoinError, tokio::time::error::Elapsed,
        std::num::TryFromIntError, nix::errno::Errno;
}

impl CarriesExit for StoreError {
    fn exit(&self) -> Exit {
        match self {
            // The configuration names a Redis that this build cannot use.
            Self::Url(_) | Self::Authority { .. } | Self::Layout(_) => Exit::Misused,
            Self::Untrusted(_)
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Cluster
            | Self::NotDurable { .. }
            | Self::Unreadable { .. } => Exit::Unreachable,
        }
    }
}

impl CarriesExit for ArchiveError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoArchive(_) => Exit::Misused,
            Self::Io { .. }
            | Self::Damaged { .. }
            | Self::Truncated { .. }
            | Self::Outrun { .. }
            | Self::Line
            | Self::Sign(_) => Exit::No,
        }
    }
}

impl CarriesExit for Unavailable {
    fn exit(&self) -> Exit {
        self.0.exit()
    }
}

impl CarriesExit for std::io::Error {
    fn exit(&self) -> Exit {
        // The reader of the output has seen enough, as `head` has.
        if self.kind() == ErrorKind::BrokenPipe { Exit::Done } else { Exit::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_the_code_and_shows_the_chain() {
        let misused: Result<(), _> = Err(UsageError("no such account".into()));
        let failure = misused.context("reading").context(format_args!("command {}", 7)).unwrap_err();
        assert_eq!(
            (failure.exit(), failure.to_string().as_str()),
            (Exit::Misused, "command 7: reading: no such account")
        );
    }

    #[test]
    fn reader_that_is_gone_is_no_failure() {
        let exit = |kind| Failure::from(std::io::Error::from(kind)).exit();
        assert_eq!((exit(ErrorKind::BrokenPipe), exit(ErrorKind::NotFound)), (Exit::Done, Exit::No));
    }

    #[test]
    fn redis_that_this_build_cannot_use_is_a_wrong_configuration() {
        let layout = || StoreError::Layout("another".into());
        let lost = StoreError::NotDurable { required: "local", reached: "nothing".into() };
        let exits = [layout().exit(), Unavailable(layout()).exit(), StoreError::Cluster.exit(), lost.exit()];
        assert_eq!(exits, [Exit::Misused, Exit::Misused, Exit::Unreachable, Exit::Unreachable]);
    }
}
