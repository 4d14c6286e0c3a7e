//! `bursar simulate` runs the gateway simulator alone, with its keys and its ledger.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bursar_simulator::{FaultProfile, Life, Options, Simulator};
use clap::Args;

use crate::exit::{Context, Exit, Failure, Global};
use crate::output::line;
use crate::signals::{self, Hangup};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar simulate --listen 127.0.0.1:4711 --faults hostile --keys ./keys\n\nPrints one JSON line when it is ready. GET /_ledger lists what it executed; PUT /_faults sets a fault for a key."
)]
pub(crate) struct Arguments {
    /// The address to listen on. Port 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// The share of requests that go wrong: none, mild (one in ten) or hostile (four in ten).
    #[arg(long, default_value = "none", value_name = "PROFILE")]
    faults: FaultProfile,
    /// The folder of the key files. Left out: a folder that is removed at the end.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A folder for a copy of the platform's public key alone, for servers, which have no private key.
    #[arg(long, value_name = "DIR")]
    public_keys: Option<PathBuf>,
    /// The seed of all random choices.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The duration of a request.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// The time that a payment stays in one status of its life.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    life_step: Duration,
    /// The time without a response when the profile leaves a request unanswered.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    hang: Duration,
    /// The lives that payments get, with weights: `1:80,9-1:15,9-0:5`. Without it, the profile's own mixture.
    #[arg(long, value_name = "LIVES", value_parser = lives)]
    lives: Option<Lives>,
    /// Execute every send that arrives, even under a key that was executed, as a gateway that does not honour keys.
    #[arg(long)]
    ignore_keys: bool,
    /// Answer queries that name a payment by `platform_no`, which no page promises.
    #[arg(long)]
    query_by_key: bool,
    /// Answer `/api/division/query`, which BeingFi's page does not have and other vendors of its family do.
    #[arg(long)]
    division_query: bool,
}

type Lives = Vec<(Life, u32)>;

fn lives(text: &str) -> Result<Lives, String> {
    let one = |entry: &str| {
        let (life, weight) = entry.split_once(':').unwrap_or((entry, "1"));
        let weight = weight.parse().map_err(|_| format!("{weight:?} is no weight"))?;
        Ok((life.parse().map_err(|error| format!("{error}"))?, weight))
    };
    text.split(',').map(one).collect()
}

pub(crate) async fn run(arguments: &Arguments, _: &Global) -> Result<Exit, Failure> {
    let stop = signals::drain_on_signal(Hangup::Ends)?;
    let simulator = Simulator::start(Options {
        listen: arguments.listen,
        dir: arguments.keys.clone(),
        profile: arguments.faults,
        seed: arguments.seed,
        latency: arguments.latency,
        life_step: arguments.life_step,
        hang: arguments.hang,
        lives: arguments.lives.clone(),
        honours_keys: !arguments.ignore_keys,
        query_by_key: arguments.query_by_key,
        division_query: arguments.division_query,
        ..Options::default()
    })
    .await?;
    if let Some(folder) = &arguments.public_keys {
        let key = &simulator.ready().platform_public_key_file;
        let name = key.file_name().unwrap_or_default();
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::copy(key, folder.join(name)))
            .context(format_args!("--public-keys {}", folder.display()))?;
    }
    line(serde_json::to_string(simulator.ready())?)?;
    stop.cancelled().await;
    simulator.stop().await;
    Ok(Exit::Done)
}
