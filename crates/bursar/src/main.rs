//! Bursar: durable payment jobs. The one executable; every command is a file in `commands/`.

#[allow(dead_code, reason = "the worker's commands are its users")]
mod accounts;
#[allow(dead_code, reason = "one of the ways to end is the worker's commands'")]
mod cli;
mod commands;
#[allow(dead_code, reason = "the worker's commands are its users")]
mod config;
mod output;

use std::io::ErrorKind;

use clap::Parser;

use cli::{Cli, Command, Exit};

fn main() -> Exit {
    let Cli { global, command } = Cli::parse();
    let result = match &command {
        Command::Config(arguments) => commands::config::run(arguments, &global),
    };
    result.unwrap_or_else(|error| failed(&error))
}

/// Tells what went wrong, once, and what that means for whoever called.
fn failed(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return Exit::Done; // the reader has seen enough, as with `| head`
    }
    eprintln!("bursar: {error:#}");
    if error.is::<config::ConfigError>() || error.is::<accounts::AccountFileError>() {
        return Exit::Misused;
    }
    Exit::No
}
