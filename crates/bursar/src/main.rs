//! Bursar: durable payment jobs. The one executable; every command is a file in `commands/`.

mod accounts;
mod balances;
mod cli;
mod commands;
mod config;
mod context;
mod journals;
mod listener;
mod logging;
mod output;
mod preflight;
mod query_rate;
mod renamed;
mod role_webhooks;
mod role_worker;
mod serve;
mod signals;
mod traces;
mod unlisted;

use std::io::{ErrorKind, Write};

use clap::Parser;

use bursar_producer::Unavailable;
use bursar_store::StoreError;
use cli::{Cli, Command, Exit, Global};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Exit {
    let Cli { global, command } = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    runtime.block_on(run(&command, &global)).unwrap_or_else(|error| failed(&error))
}

async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::Demo(arguments) => commands::demo::run(arguments, global).await,
        Command::Up(arguments) => commands::up::run(arguments, global).await,
        Command::Worker(arguments) => commands::worker::run(arguments, global).await,
        Command::Serve(arguments) => commands::serve::run(arguments, global).await,
        Command::Simulate(arguments) => commands::simulate::run(arguments, global).await,
        Command::Submit(arguments) => commands::submit::run(arguments, global).await,
        Command::Show(arguments) => commands::show::run(arguments, global).await,
        Command::List(arguments) => commands::list::run(arguments, global).await,
        Command::Export(arguments) => commands::export::run(arguments, global).await,
        Command::Queues(arguments) => commands::queues::run(arguments, global).await,
        Command::Import(arguments) => commands::import::run(arguments, global).await,
        Command::Notifications(arguments) => commands::notifications::run(arguments, global).await,
        Command::Query(arguments) => commands::operate::query(arguments, global).await,
        Command::Send(arguments) => commands::operate::send(arguments, global).await,
        Command::Resolve(arguments) => commands::operate::resolve(arguments, global).await,
        Command::Cancel(arguments) => commands::operate::cancel(arguments, global).await,
        Command::Pause(arguments) => commands::pause::pause(arguments, global).await,
        Command::Resume(arguments) => commands::pause::resume(arguments, global).await,
        Command::Quarantine(arguments) => commands::quarantine::run(arguments, global).await,
        Command::Reconcile(arguments) => commands::reconcile::run(arguments, global).await,
        Command::Balance(arguments) => commands::balance::run(arguments, global).await,
        Command::Bind(arguments) => commands::bind::run(arguments, global).await,
        Command::Adopt(arguments) => commands::adopt::run(arguments, global).await,
        Command::ConfirmGateway(arguments) => commands::confirm_gateway::run(arguments, global).await,
        Command::RedisAcl(arguments) => commands::redis_acl::run(arguments, global),
        Command::Doctor(arguments) => commands::doctor::run(arguments, global).await,
        Command::Healthcheck(arguments) => commands::doctor::healthcheck(arguments, global).await,
        Command::Token(arguments) => commands::token::run(arguments, global),
        Command::Config(arguments) => commands::config::run(arguments, global),
    }
}

/// Redis's part in it.
fn store_error(error: &anyhow::Error) -> Option<&StoreError> {
    error.downcast_ref().or_else(|| error.downcast_ref().map(|Unavailable(source)| source))
}

/// Whether the configuration names a Redis that this build cannot use.
fn is_configuration(error: &StoreError) -> bool {
    matches!(error, StoreError::Url(_) | StoreError::Authority { .. } | StoreError::Layout(_))
}

/// Tells what went wrong, once, and what that means for whoever called.
fn failed(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return Exit::Done; // the reader has seen enough, as with `| head`
    }
    // An error that cannot be written is no reason for another exit code.
    writeln!(std::io::stderr(), "bursar: {}", bursar_store::chain(error.as_ref())).ok();
    let misused = error.is::<config::ConfigError>()
        || error.is::<accounts::AccountError>()
        || error.is::<bursar_gateways::SettingsError>()
        || error.is::<bursar_telemetry::TracesError>()
        || error.is::<bursar_server::ServeError>()
        || error.is::<commands::bind::UsageError>()
        || store_error(error).is_some_and(is_configuration);
    if misused {
        return Exit::Misused;
    }
    if store_error(error).is_some() { Exit::Unreachable } else { Exit::No }
}
