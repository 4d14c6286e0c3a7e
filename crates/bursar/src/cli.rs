//! The command line: what every command shares, and how a run ends.

use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use clap::{Args, Parser, Subcommand};

use crate::commands;

/// Durable payment jobs: no second payment, no lost one, and proof.
#[derive(Debug, Parser)]
#[command(name = "bursar", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that stand before or after any command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Configuration file; without one, defaults and environment variables.
    #[arg(long, global = true, value_name = "FILE", env = "BURSAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// One JSON object a line instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// One variant per command, one file per command in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check or show the configuration.
    Config(commands::config::Arguments),
}

/// How a run ends; what scripts branch on.
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

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
