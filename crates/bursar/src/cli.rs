//! The command line: one variant per command.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::exit::Global;

/// Durable payment jobs: no second payment, no lost one, and proof.
#[derive(Debug, Parser)]
#[command(name = "bursar", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::exit::Exit;

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
