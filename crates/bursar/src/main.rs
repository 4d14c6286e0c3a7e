//! Bursar: durable payment jobs. The one executable; every command is a file in `commands/`.

mod accounts;
mod approvals;
mod archive;
mod attribution;
mod balances;
mod cli;
mod commands;
mod config;
mod context;
mod exit;
mod journals;
mod listener;
mod logging;
mod one_line;
mod open_files;
mod output;
mod preflight;
mod private_files;
mod process_audit;
mod query_rate;
mod reload;
mod renamed;
mod role_webhooks;
mod role_worker;
mod serve;
mod service_manager;
mod signals;
mod table;
mod tokens;
mod traces;
mod unlisted;

use std::io::Write;

use clap::Parser;

use cli::{Cli, Command};
use exit::{Exit, Failure, Global};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Exit {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), &global),
    };
    runtime.block_on(run(&command, &global)).unwrap_or_else(|error| failed(&error, &global))
}

async fn run(command: &Command, global: &Global) -> Result<Exit, Failure> {
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
        Command::Workers(arguments) => commands::workers::run(arguments, global).await,
        Command::Import(arguments) => commands::import::run(arguments, global).await,
        Command::Notifications(arguments) => commands::notifications::run(arguments, global).await,
        Command::Webhooks(arguments) => commands::webhooks::run(arguments, global).await,
        Command::Query(arguments) => commands::operate::query(arguments, global).await,
        Command::Send(arguments) => commands::operate::send(arguments, global).await,
        Command::Resolve(arguments) => commands::operate::resolve(arguments, global).await,
        Command::Cancel(arguments) => commands::operate::cancel(arguments, global).await,
        Command::Approvals(arguments) => commands::approvals::run(arguments, global).await,
        Command::Pause(arguments) => commands::pause::pause(arguments, global).await,
        Command::Resume(arguments) => commands::pause::resume(arguments, global).await,
        Command::Audit(arguments) => commands::audit::run(arguments, global).await,
        Command::Quarantine(arguments) => commands::quarantine::run(arguments, global).await,
        Command::Verify(arguments) => commands::verify::run(arguments, global).await,
        Command::Reconcile(arguments) => commands::reconcile::run(arguments, global).await,
        Command::Report(arguments) => commands::report::run(arguments, global).await,
        Command::Balance(arguments) => commands::balance::run(arguments, global).await,
        Command::Bind(arguments) => commands::bind::run(arguments, global).await,
        Command::Adopt(arguments) => commands::adopt::run(arguments, global).await,
        Command::ConfirmGateway(arguments) => commands::confirm_gateway::run(arguments, global).await,
        Command::RedisAcl(arguments) => commands::redis_acl::run(arguments, global),
        Command::Doctor(arguments) => commands::doctor::run(arguments, global).await,
        Command::Healthcheck(arguments) => commands::healthcheck::run(arguments, global).await,
        Command::Token(arguments) => commands::token::run(arguments, global).await,
        Command::Config(arguments) => commands::config::run(arguments, global),
        Command::Completions(arguments) => commands::completions::completions(arguments),
        Command::Man(arguments) => commands::completions::man(arguments),
    }
}

/// Prints the error, once.
fn failed(failure: &Failure, global: &Global) -> Exit {
    if failure.exit() != Exit::Done {
        let text = failure.to_string();
        let text = if global.json { failure.exit().as_json(&text) } else { format!("bursar: {text}") };
        // An error that cannot be written is no reason for another exit code.
        writeln!(std::io::stderr(), "{text}").ok();
    }
    failure.exit()
}

/// Prints clap's help, version or error.
fn not_understood(error: &clap::Error) -> Exit {
    let exit = if error.use_stderr() { Exit::Misused } else { Exit::Done };
    let is_json =
        std::env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json");
    if is_json && exit == Exit::Misused {
        let text = error.render().to_string();
        writeln!(std::io::stderr(), "{}", exit.as_json(text.trim().trim_start_matches("error: "))).ok();
    } else {
        error.print().ok(); // the reader may have gone
    }
    exit
}
