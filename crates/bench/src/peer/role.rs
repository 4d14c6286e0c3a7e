//! The roles that the side-by-side benchmark's driver gives to a peer's program, by its words.

use clap::{Args, Subcommand, ValueEnum};

use super::tally::Latency;

/// One of the driver's roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Submits jobs as fast as it can.
    Enqueue(Enqueue),
    /// Submits jobs at a steady rate.
    Produce(Produce),
    /// Works on jobs.
    Work(Work),
}

#[derive(Debug, Args)]
pub(crate) struct Enqueue {
    #[arg(long)]
    pub(super) mode: Mode,
    #[arg(long, default_value_t = 1_000)]
    pub(super) n: u32,
    #[arg(long, default_value_t = 64)]
    pub(super) inflight: u32,
    #[arg(long, default_value_t = 500)]
    pub(super) batch: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Produce {
    #[arg(long, default_value_t = 1_000)]
    pub(super) n: u32,
    /// Jobs a second.
    #[arg(long, default_value_t = 200)]
    pub(super) rate: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Work {
    /// The work of a job.
    #[arg(long, value_name = "WORKLOAD")]
    pub(super) w: Workload,
    #[arg(long, default_value_t = 1_000)]
    pub(super) n: u32,
    #[arg(long, default_value_t = 100)]
    pub(super) conc: usize,
    /// 1: also report the times from submission to the answer.
    #[arg(long, default_value_t = 0)]
    lat: u8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Mode {
    Seq,
    Par,
    Bulk,
}

/// The workloads, by the driver's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum Workload {
    /// Nothing.
    W1,
    /// One POST.
    W2,
    /// One POST, signed, and its answer verified.
    W3,
}

impl Work {
    pub(super) const fn latency(&self) -> Latency {
        if self.lat == 1 { Latency::Reported } else { Latency::Ignored }
    }
}
