//! The command line: one variant per command.

use std::sync::OnceLock;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::exit::Global;

/// Durable payment jobs: no second payment, no lost one, and proof.
#[derive(Debug, Parser)]
#[command(name = "bursar", version = version(), arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One variant per command, one file per command in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything on this machine: private Redis, simulator, two workers, and a table that proves every job was paid once.
    Demo(commands::demo::Arguments),
    /// Run server and worker in one process, on the configured Redis or on a private one.
    Up(commands::up::Arguments),
    /// Claim due jobs and call the gateways. Run any number of replicas.
    Worker(commands::worker::Arguments),
    /// Serve the HTTP API and the dashboard. Run any number of replicas.
    Serve(commands::serve::Arguments),
    /// Run the gateway simulator, with its keys and its ledger.
    Simulate(commands::simulate::Arguments),
    /// Submit one job or JSON lines.
    Submit(commands::submit::Arguments),
    /// Show one job: its state and its history.
    Show(commands::show::Arguments),
    /// List jobs by queue and state.
    List(commands::list::Arguments),
    /// Export jobs with their history, one JSON object a line, before their details expire.
    Export(commands::export::Arguments),
    /// Show every queue at a glance.
    Queues(commands::queues::Arguments),
    /// Show the workers: who is alive, since when, what it does, and its last error.
    Workers(commands::workers::Arguments),
    /// Show imports from apalis-redis; retry or drop dead letters.
    Import(commands::import::Arguments),
    /// List the gateways' notifications.
    Notifications(commands::notifications::Arguments),
    /// List webhooks that wait or have failed; deliver them again.
    #[command(name = "callbacks", visible_alias = "webhooks")]
    Webhooks(commands::webhooks::Arguments),
    /// Query a job's state at the gateway now.
    #[command(
        after_help = "Example:\n  bursar query 1001XP2025010110000001 --reason 'the customer is on the phone'\n  bursar query --in-state needs_review --reason 'the gateway is back' --yes"
    )]
    Query(commands::operate::Arguments),
    /// Send a job's stored bytes manually.
    Send(commands::operate::Send),
    /// Close a job that needs review with the outcome that you know.
    Resolve(commands::operate::Resolve),
    /// Cancel a job that was certainly not executed.
    #[command(
        after_help = "Example:\n  bursar cancel 1001XP2025010110000001 --reason 'ordered twice by mistake'\n  bursar cancel --keys twice.txt --reason 'ordered twice by mistake' --preview"
    )]
    Cancel(commands::operate::Arguments),
    /// Pause a queue's sends. Jobs that were sent are still followed.
    Pause(commands::pause::Arguments),
    /// Resume a queue's sends.
    Resume(commands::pause::Resume),
    /// List the actions that wait for a second operator; approve or reject them.
    Approvals(commands::approvals::Arguments),
    /// List the audit trail: who did what, from where and why.
    Audit(commands::audit::Arguments),
    /// List quarantined jobs and webhooks; retry or drop them.
    Quarantine(commands::quarantine::Arguments),
    /// Check an archive: every hash, every signature, every gap.
    Verify(commands::verify::Arguments),
    /// Compare jobs with the gateway, one by one; or restore from journals the writes that Redis lost.
    Reconcile(commands::reconcile::Arguments),
    /// Print the report of an account's day: what ended, by kind and state, with exact sums.
    Report(commands::report::Arguments),
    /// Query an account's balance at the gateway.
    Balance(commands::balance::Arguments),
    /// Bind a receiver of splits.
    Bind(commands::bind::Arguments),
    /// Move the open jobs of a renamed account to its new name.
    Adopt(commands::adopt::Arguments),
    /// Confirm that a queue's jobs are for the gateway that is configured now.
    ConfirmGateway(commands::confirm_gateway::Arguments),
    /// Print the rights that Bursar needs in Redis, as a line of an ACL file.
    RedisAcl(commands::redis_acl::Arguments),
    /// Check Redis, clock, keys and gateways.
    Doctor(commands::doctor::Arguments),
    /// Ask a process for its health, or Redis. For a container's health check.
    Healthcheck(commands::healthcheck::Arguments),
    /// Create a token for the HTTP API, or list the tokens.
    Token(commands::token::Arguments),
    /// Check or show the configuration, or print an example.
    Config(commands::config::Arguments),
    /// Print the completions of a shell: bash, zsh, fish, elvish or powershell.
    Completions(commands::completions::Completions),
    /// Print the manual page, or write the pages of all commands.
    Man(commands::completions::Man),
}

/// The version, with the commit if `BURSAR_COMMIT` named it. The build reads no git, so that an archive of the source builds as well, and
/// two builds of one commit are the same.
fn version() -> &'static str {
    match option_env!("BURSAR_COMMIT") {
        Some(commit) if !commit.is_empty() => {
            static VERSION: OnceLock<String> = OnceLock::new();
            VERSION.get_or_init(|| format!("{} ({commit})", env!("CARGO_PKG_VERSION")))
        }
        Some(_) | None => env!("CARGO_PKG_VERSION"),
    }
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

    fn all_below(command: &clap::Command) -> Vec<&clap::Command> {
        std::iter::once(command).chain(command.get_subcommands().flat_map(all_below)).collect()
    }

    #[test]
    fn paragraphs_of_help_are_wrapped_by_the_terminal_alone() {
        let command = Cli::command();
        for command in all_below(&command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for paragraph in help.split("\n\n").filter(|paragraph| !paragraph.starts_with("Example:\n")) {
                assert!(!paragraph.contains('\n'), "{}: {paragraph}", command.get_name());
            }
        }
    }

    #[test]
    fn examples_fit_a_terminal_of_80_columns() {
        let command = Cli::command();
        for command in all_below(&command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = help.split("\n\n").find(|paragraph| paragraph.starts_with("Example:\n")).unwrap_or_default();
            for line in example.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
        }
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
