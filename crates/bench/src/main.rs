//! `./x bench`: Bursar's speed on this machine with all promises on, compared with its alternatives.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "figures are ratios for people to read; no money is counted here"
)]

mod child;
mod cpu;
mod delay;
mod figures;
mod gateway;
mod jobs;
mod machine;
mod measure;
mod observed;
mod options;
mod peer;
mod product;
mod quiet;
mod reference;
mod report;
mod side_by_side;
mod span;
mod steps;
mod workers;

use std::process::ExitCode;

use clap::Parser;

use options::{Cli, Role};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match cli.role {
                None => measure::all(&cli.options).await,
                Some(Role::Simulator) => child::simulator().await,
                Some(Role::Server(arguments)) => child::server(&arguments).await,
                Some(Role::Worker(arguments)) => child::worker(&arguments).await,
                // As in a service, which submits from its tasks: from this thread each reply would have to wake it.
                Some(Role::Peer(role)) => tokio::spawn(peer::play(role)).await?,
                Some(Role::Figures(options)) => figures::run(&options).await,
                Some(Role::SideBySide(options)) => side_by_side::run(&options).await,
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bursar-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
