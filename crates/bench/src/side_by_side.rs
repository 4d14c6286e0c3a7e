//! Bursar and its peers in one run, by the driver's contract: producer and worker are separate processes, each run has
//! a fresh Redis, peers alternate within a round, and a disturbed run is repeated once.

mod outcome;
pub(crate) mod peers;
mod process;
mod round;
mod tables;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::machine::Machine;
use crate::observed::Observed;
use crate::options::When;
use outcome::Outcome;
use peers::{Folders, Peer};
use round::Bench;

/// Cores busy with something else from which a run is repeated.
const DISTURBED: f64 = 0.2;

/// The workloads and the peers to run.
#[derive(Debug, Args)]
pub(crate) struct SideBySide {
    #[command(flatten)]
    folders: Folders,
    /// Run this peer; may be repeated. Bursar always runs.
    #[arg(long, value_name = "NAME")]
    with: Vec<String>,
    /// Run this peer in the first round only: it is slow, or far away.
    #[arg(long, value_name = "NAME")]
    once: Vec<String>,
    /// Run this workload; may be repeated. All of them by default.
    #[arg(long, value_name = "WORKLOAD")]
    workload: Vec<Workload>,
    /// Rounds of the drains; latencies have half as many, at least one.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// A JSON line for each run goes to the end of this file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The fsync policy of Redis.
    #[arg(long, default_value = "everysec", value_name = "WHEN")]
    fsync: When,
}

/// The workloads, by the driver's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum Workload {
    /// Nothing, as fast as it goes.
    W1,
    /// One POST of about 1 KB to a stub that answers after 20 ms, as fast as it goes.
    W2,
    /// The same, signed, and its answer verified.
    W3,
    /// Nothing, at a steady rate: the wait of a job for an idle worker.
    L1,
    /// One POST at a steady rate: from submission to the answer.
    L2,
    /// No job is submitted: the cost of an idle worker.
    I1,
}

impl Workload {
    const ALL: [Self; 6] = [Self::W1, Self::W2, Self::W3, Self::L1, Self::L2, Self::I1];

    const fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::I1 => "I1",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::W1 => "no-op drain, 100 in flight",
            Self::W2 => "one POST of 1 KB answered after 20 ms, 256 in flight",
            Self::W3 => "as W2, signed (RSA-2048) and verified, 256 in flight",
            Self::L1 => "no-op at 100 jobs/s: submission to the handler",
            Self::L2 => "one POST of 20 ms at 200 jobs/s: submission to the answer",
            Self::I1 => "an idle worker of one queue",
        }
    }

    /// The worker's instruction.
    const fn work(self) -> &'static str {
        match self {
            Self::W1 | Self::L1 | Self::I1 => "W1",
            Self::W2 | Self::L2 => "W2",
            Self::W3 => "W3",
        }
    }

    const fn is_drain(self) -> bool {
        match self {
            Self::W1 | Self::W2 | Self::W3 => true,
            Self::L1 | Self::L2 | Self::I1 => false,
        }
    }
}

/// Runs everything, and prints Markdown tables.
pub(crate) async fn run(options: &SideBySide) -> anyhow::Result<()> {
    let folders = options.folders.read()?;
    let mut peers = vec![Peer::bursar()?];
    for name in options.with.iter().chain(&options.once) {
        peers.push(Peer::find(&folders, name)?);
    }
    let bench = Bench::new(&folders, options.fsync)?;
    let machine = Machine::look(&mut Observed::private(options.fsync.into()).await?).await?;
    let workloads = if options.workload.is_empty() { &Workload::ALL[..] } else { &options.workload };
    let mut outcomes = Vec::new();
    for workload in workloads.iter().copied().filter(|workload| bench.can(*workload)) {
        let rounds = if workload.is_drain() { options.rounds } else { (options.rounds / 2).max(1) };
        for number in 0..rounds {
            for step in 0..peers.len() {
                let peer = &peers[(step + number as usize) % peers.len()];
                if !peer.runs(workload) || (number > 0 && options.once.contains(&peer.name)) {
                    continue;
                }
                eprintln!("{}: {}, round {} of {rounds} …", workload.name(), peer.name, number + 1);
                let outcome = quietest(&bench, peer, workload, number).await;
                record(options, &outcome)?;
                outcomes.push(outcome);
            }
        }
    }
    writeln!(io::stdout().lock(), "{machine}\n\n{}", tables::all(&outcomes))?;
    Ok(())
}

/// One run, or the less disturbed of two.
async fn quietest(bench: &Bench, peer: &Peer, workload: Workload, number: u32) -> Outcome {
    let first = bench.run(peer, workload, number).await;
    if first.other_cores <= DISTURBED {
        return first;
    }
    let second = bench.run(peer, workload, number).await;
    if second.other_cores < first.other_cores { second } else { first }
}

fn record(options: &SideBySide, outcome: &Outcome) -> anyhow::Result<()> {
    let Some(path) = &options.record else { return Ok(()) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{}", json!({"side_by_side": outcome.json()}))?;
    Ok(())
}
