//! The command line.

use std::time::Duration;

use bursar_private_redis::Fsync;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures Bursar on this machine: figures with the machine, medians of several runs, warm-up excluded.
#[derive(Debug, Parser)]
#[command(
    name = "bursar-bench",
    after_help = "Example:\n  bursar-bench --only drain --jobs 20000 --json\n\nUses a private Redis, or the one that REDIS_URL names: then no other client should use it meanwhile."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// The measurements, and their length.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Measure only this; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<Name>,
    /// Jobs in each run, instead of each measurement's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) jobs: Option<u32>,
    /// Runs that count; one more goes before them to warm up.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// Number of accounts for measurements with many accounts, in place of their defaults; may be repeated.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) accounts: Vec<u32>,
    /// Milliseconds by which each round trip to Redis is longer than on this machine: 0.7 as between two machines of one region.
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) round_trip: Option<Duration>,
    /// The fsync policy of the private Redis.
    #[arg(long, default_value = "everysec", value_name = "WHEN")]
    pub(crate) fsync: When,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Tables in Markdown, as `BENCHMARKS.md` has them.
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

impl Options {
    pub(crate) fn wants(&self, name: Name) -> bool {
        self.only.contains(&name) || (self.only.is_empty() && !name.is_long())
    }

    /// The numbers of accounts that a measurement goes through.
    pub(crate) fn accounts_or(&self, default: &[u32]) -> Vec<u32> {
        if self.accounts.is_empty() { default.to_vec() } else { self.accounts.clone() }
    }

    pub(crate) fn jobs_or(&self, default: u32) -> u32 {
        self.jobs.unwrap_or(default)
    }
}

/// The measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Jobs accepted a second: one at a time, 64 at once, in batches of 100.
    Submit,
    /// The cost of a submission that is on disk when it is acknowledged, compared with one write and fsync.
    Durable,
    /// Jobs accepted a second over HTTP in batches of 100, and their processor time.
    Http,
    /// Jobs a second through a gateway that answers at once, and their processor time and Redis commands.
    Drain,
    /// Signed jobs a second against the simulator, which answers after 20 ms.
    Signed,
    /// Bytes in Redis for a queued job, a finished one and a tombstone.
    Memory,
    /// From submission to the gateway while nothing else is to be done.
    Pickup,
    /// The cost of an idle worker.
    Idle,
    /// The cost of a journal outside Redis: processor time and latency of a job with and without one.
    Journal,
    /// Each script inside Redis: microseconds and commands for each job.
    Scripts,
    /// One, two and four workers on one Redis.
    Workers,
    /// Submit, claim and commit at 10³, 10⁵ and 10⁶ queued jobs and in 1,000 queues. Takes two minutes and over 1 GB: only when named.
    Growth,
    /// The first page of a search over 10⁶ finished jobs, by each filter. Takes minutes and over 1 GB: only when named.
    Find,
    /// An idle worker's commands, and the time until it takes a job, with 1, 1,000 and 10,000 accounts. Only by name.
    Accounts,
    /// The wait of other payers' single jobs behind one payer's 10,000, in a queue of 200 sends a second. Only when named.
    Flood,
    /// Reading a configuration of 3,000 accounts, and starting a worker with it. Needs the program `bursar` in the same
    /// folder. Only by name.
    Start,
    /// `/metrics` of a worker with 1,000 accounts: its time and its size. Needs `bursar`. Only when named.
    Scrape,
    /// The response time of an honest client while 4,200 idle connections arrive at a server. Only when named.
    Strangers,
    /// A drain of 1,000 queues, alone and with three idle servers. Only by name.
    Servers,
}

impl Name {
    /// True if it takes minutes, and runs only by name.
    const fn is_long(self) -> bool {
        matches!(
            self,
            Self::Growth
                | Self::Find
                | Self::Accounts
                | Self::Flood
                | Self::Start
                | Self::Scrape
                | Self::Strangers
                | Self::Servers
        )
    }
}

/// Milliseconds, a fraction allowed: 0.7.
fn milliseconds(text: &str) -> Result<Duration, String> {
    let millis: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let up_to_a_second = (0.0..=1_000.0).contains(&millis);
    if up_to_a_second { Ok(Duration::from_secs_f64(millis / 1e3)) } else { Err("not from 0 to 1000".to_owned()) }
}

/// The fsync policy of the append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// Before each answer.
    Always,
    /// Once a second.
    Everysec,
    /// When the system decides.
    No,
}

impl From<When> for Fsync {
    fn from(when: When) -> Self {
        match when {
            When::Always => Self::Always,
            When::Everysec => Self::EverySecond,
            When::No => Self::Never,
        }
    }
}

/// Child processes that the benchmark starts from its own program.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// One of the processes of the side-by-side benchmark; its driver starts them.
    #[command(subcommand)]
    Peer(crate::peer::role::Role),
    /// Everything that BENCHMARKS.md shows, as Markdown.
    Figures(crate::figures::Figures),
    /// Bursar and its peers in one run.
    SideBySide(crate::side_by_side::SideBySide),
    /// The gateway simulator, answering after 20 ms.
    #[command(hide = true)]
    Simulator,
    /// The HTTP server.
    #[command(hide = true)]
    Server(ServerArguments),
    /// A worker with nothing to do.
    #[command(hide = true)]
    Worker(WorkerArguments),
}

/// The arguments of the HTTP server.
#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Redis.
    #[arg(long)]
    pub(crate) url: String,
    /// The prefix of its keys.
    #[arg(long)]
    pub(crate) prefix: String,
    /// The number of its accounts.
    #[arg(long, default_value_t = 1)]
    pub(crate) accounts: u32,
}

/// The arguments of the idle worker.
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// Redis.
    #[arg(long)]
    pub(crate) url: String,
    /// The prefix of its keys.
    #[arg(long)]
    pub(crate) prefix: String,
    /// The simulator's ready line.
    #[arg(long)]
    pub(crate) simulator: String,
    /// The number of its accounts, all at this simulator.
    #[arg(long, default_value_t = 1)]
    pub(crate) accounts: u32,
}
