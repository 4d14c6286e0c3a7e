//! Rust ports of BullMQ and asynq, one of them BullMQ's own, as peers of the side-by-side benchmark, by the driver's contract; and the originals' own
//! Lua scripts without a client, which bound what a client in any language can reach on the same Redis.

mod handler;
mod job;
mod port;
mod producer;
mod scripts;

// What Bursar's own peer is made of: one driver, one count, one gateway stub for all.
#[path = "../../src/peer/driver.rs"]
mod driver;
#[path = "../../src/peer/role.rs"]
mod role;
#[path = "../../src/peer/stub.rs"]
mod stub;
#[path = "../../src/peer/tally.rs"]
mod tally;

use clap::{Parser, ValueEnum};

use role::Role;

#[derive(Debug, Parser)]
#[command(name = "bursar-ports")]
struct Cli {
    peer: Peer,
    #[command(subcommand)]
    role: Role,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Peer {
    /// `asynq`, a port of Go's asynq.
    AsynqRs,
    /// `bullmq-official`, the port to Rust by BullMQ's authors.
    BullmqOfficial,
    /// `bullmq-rs`, a port of Node's BullMQ.
    BullmqRs,
    /// asynq's scripts alone.
    AsynqScripts,
    /// BullMQ's scripts alone, read from the folder `BULLMQ_SCRIPTS`.
    BullmqScripts,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:7105/0".into());
    match cli.peer {
        Peer::AsynqRs => port::asynq::play(&url, &cli.role).await,
        Peer::BullmqOfficial => port::bullmq_official::play(&url, &cli.role).await,
        Peer::BullmqRs => port::bullmq::play(&url, &cli.role).await,
        Peer::AsynqScripts => scripts::play(scripts::asynq::Asynq::load(&url).await?, &url, &cli.role).await,
        Peer::BullmqScripts => scripts::play(scripts::bullmq::BullMq::load(&url).await?, &url, &cli.role).await,
    }
}
