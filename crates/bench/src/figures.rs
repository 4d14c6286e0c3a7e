//! Everything that `BENCHMARKS.md` shows, in its order and form: one command, about half an hour on a quiet machine.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Parser};

use crate::measure;
use crate::options::{Cli, Role};
use crate::product;
use crate::side_by_side;
use crate::side_by_side::peers::Folders;

/// The peers that run in every round where their programs are at hand, and those that run once. The originals come first: to one
/// that is not at hand Bursar's ratio is derived.
const EVERY_ROUND: [&str; 14] = [
    "bullmq",
    "asynq",
    "bullmq-official",
    "floor-list",
    "floor-list-reqwest",
    "floor-stream",
    "apalis",
    "apalis-lean",
    "rusty-sidekiq",
    "asynq-rs",
    "bullmq-rs",
    "asynq-scripts",
    "bullmq-scripts",
    "bullmq-scripts-sent",
];
const ONCE: [&str; 4] = ["sidekiq", "arq", "celery", "bullmq-py"];

/// The folders of the peers.
#[derive(Debug, Args)]
pub(crate) struct Figures {
    #[command(flatten)]
    folders: Folders,
    /// A JSON line for each run of the side-by-side goes to the end of this file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Runs all of it, and prints Markdown.
pub(crate) async fn run(figures: &Figures) -> anyhow::Result<()> {
    product::program()?; // fails now if a program is missing, not after a quarter of an hour
    alone("Bursar alone", &["--runs", "3"]).await?;
    alone("The drain with appendfsync always", &["--runs", "3", "--only", "drain", "--fsync", "always"]).await?;
    alone("Growth", &["--only", "growth"]).await?;
    alone("Many accounts", &["--runs", "3", "--only", "accounts", "--only", "scrape", "--round-trip", "0.7"]).await?;
    alone("Many accounts, Redis on the same machine", &["--runs", "3", "--only", "start", "--only", "servers"]).await?;
    alone("A payer's flood", &["--runs", "1", "--only", "flood"]).await?;
    alone("A flood of idle connections", &["--runs", "3", "--only", "strangers"]).await?;
    say("## Side by side\n")?;
    side_by_side::run(&comparison(figures)?).await
}

/// One group of measurements, run with its own command line.
async fn alone(title: &str, arguments: &[&str]) -> anyhow::Result<()> {
    say(&format!("## {title}\n"))?;
    let cli = Cli::try_parse_from(["bursar-bench", "--markdown"].iter().chain(arguments))?;
    measure::all(&cli.options).await
}

fn comparison(figures: &Figures) -> anyhow::Result<side_by_side::SideBySide> {
    let mut arguments = vec!["bursar-bench".to_owned(), "side-by-side".to_owned()];
    let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    let folders = &figures.folders;
    for (name, paths) in [("--peers", &folders.peers), ("--build", &folders.build)] {
        paths.iter().for_each(|path| add(name, path.to_string_lossy().into_owned()));
    }
    if let Some(path) = &figures.record {
        add("--record", path.to_string_lossy().into_owned());
    }
    let folders = folders.read()?;
    let at_hand = |peer: &&&str| folders.iter().any(|folder| folder.has_built(peer));
    EVERY_ROUND.iter().filter(at_hand).for_each(|peer| add("--with", (*peer).to_owned()));
    ONCE.iter().filter(at_hand).for_each(|peer| add("--once", (*peer).to_owned()));
    let Some(Role::SideBySide(options)) = Cli::try_parse_from(&arguments)?.role else {
        anyhow::bail!("the side-by-side's own arguments were not understood");
    };
    Ok(options)
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}
