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
    /// The whole story on this machine: private Redis, simulator, two workers, and a table that shows every job paid once.
    Demo(commands::demo::Arguments),
    /// Everything in one process, on the configured Redis or on a private one.
    Up(commands::up::Arguments),
    /// Claim due jobs and call the gateways; any number of replicas.
    Worker(commands::worker::Arguments),
    /// Answer the HTTP API; any number of replicas.
    Serve(commands::serve::Arguments),
    /// Run the gateway simulator, with its keys and its ledger.
    Simulate(commands::simulate::Arguments),
    /// Submit one job or JSON lines.
    Submit(commands::submit::Arguments),
    /// Show where one job stands, and everything that was done about it.
    Show(commands::show::Arguments),
    /// List jobs by queue and state.
    List(commands::list::Arguments),
    /// Print jobs with all that was done about them, a JSON object a line, before their detail expires.
    Export(commands::export::Arguments),
    /// Show every queue at a glance.
    Queues(commands::queues::Arguments),
    /// Show what waits in queues of apalis-redis and its dead letters; try those again, or drop them.
    Import(commands::import::Arguments),
    /// List what the gateways have notified.
    Notifications(commands::notifications::Arguments),
    /// Ask the gateway about a job now.
    #[command(after_help = "Example:\n  bursar query 1001XP2025010110000001 --reason 'the customer is on the phone'")]
    Query(commands::operate::Arguments),
    /// Send a job's stored bytes again, on your word.
    #[command(
        after_help = "Example:\n  bursar send 1001XP2025010110000001 --reason 'the gateway confirmed that it never arrived'"
    )]
    Send(commands::operate::Arguments),
    /// Close a job in review as what it is known to be.
    Resolve(commands::operate::Resolve),
    /// Take back a job that was certainly not executed.
    #[command(after_help = "Example:\n  bursar cancel 1001XP2025010110000001 --reason 'ordered twice by mistake'")]
    Cancel(commands::operate::Arguments),
    /// Stop a queue's sends; what was sent is followed.
    Pause(commands::pause::Arguments),
    /// Let a queue's sends go on.
    Resume(commands::pause::Arguments),
    /// List what no build can read or deliver and is kept out of the way; try it again, or drop it.
    Quarantine(commands::quarantine::Arguments),
    /// Compare with the gateway, job by job; or put back what Redis has forgotten and journals remember.
    Reconcile(commands::reconcile::Arguments),
    /// Ask the gateway for an account's balance.
    Balance(commands::balance::Arguments),
    /// Bind a receiver of splits.
    Bind(commands::bind::Arguments),
    /// Hand the open jobs of an account that was renamed to its new name.
    Adopt(commands::adopt::Arguments),
    /// Say that a queue's jobs are for the gateway that the configuration names now.
    ConfirmGateway(commands::confirm_gateway::Arguments),
    /// Print the rights that Bursar needs in Redis, as a line for its ACL.
    RedisAcl(commands::redis_acl::Arguments),
    /// Check Redis, clock, keys and gateways.
    Doctor(commands::doctor::Arguments),
    /// Exit 0 if Redis answers: for a container's health check.
    #[command(after_help = "Example:\n  bursar healthcheck")]
    Healthcheck(commands::doctor::Arguments),
    /// Make a token for the HTTP API.
    Token(commands::token::Arguments),
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

/// A count of what is to be shown.
pub(crate) fn how_many(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a whole number from 1")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn config_and_json_stand_before_or_after_the_command() {
        for line in ["bursar --config a.toml --json config show", "bursar config show --config a.toml --json"] {
            let global = Cli::try_parse_from(line.split(' ')).unwrap().global;
            assert_eq!((global.config, global.json), (Some("a.toml".into()), true), "{line}");
        }
    }

    #[test]
    fn wrong_use_ends_with_2() {
        for line in ["bursar pay", "bursar config", "bursar config show --colour"] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), Exit::Misused as i32, "{line}");
        }
    }
}
