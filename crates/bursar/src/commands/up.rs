//! `bursar up` runs server and worker in one process, on the configured Redis or on a private one.

mod trial;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bursar_private_redis::{Options, PrivateRedis};
use bursar_server::NoTokens;
use bursar_webhooks::Telemetry;
use clap::Args;

use crate::config::{Config, RedisUrl};
use crate::exit::{Context, Exit, Failure, Global, UsageError};
use crate::open_files::{Calls, OpenFiles};
use crate::reload::{Reads, Reload};
use crate::serve::Process;
use crate::service_manager::ServiceManager;
use crate::signals::Hangup;
use crate::{context, journals, logging, process_audit, role_webhooks, role_worker, serve, signals, traces};
use trial::Trial;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar up --simulate\n  bursar up --embedded --data ./data --config bursar.toml\n\nWith --simulate nothing else is needed: it makes a folder with a configuration, keys, tokens and a private Redis, and prints a first job to try."
)]
pub(crate) struct Arguments {
    /// Start a private Redis instead of using the configured one. Its data stay in the folder of --data.
    #[arg(long)]
    embedded: bool,
    /// Run the gateway simulator, too, with an account at it; and a private Redis unless BURSAR_REDIS__URL names one.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = SIMULATOR)]
    simulate: Option<SocketAddr>,
    /// The folder of the private Redis's data, and of all files of --simulate.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// The simulator's usual address. It stays the same from run to run: the jobs in Redis are for the gateway at this address.
const SIMULATOR: &str = "127.0.0.1:4711";

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let drain = signals::drain_on_signal(Hangup::ReadAgain)?;
    let trial = match arguments.simulate {
        Some(_) if global.config.is_some() => {
            let text = "--simulate makes its own configuration: leave out --config and BURSAR_CONFIG";
            return Err(UsageError(text.to_owned()).into());
        }
        Some(listen) => Some(Trial::start(&arguments.data, listen).await?),
        None => None,
    };
    let is_private = arguments.embedded || (trial.is_some() && std::env::var_os("BURSAR_REDIS__URL").is_none());
    let redis = if is_private { Some(PrivateRedis::start(Options::new(&arguments.data))?) } else { None };
    let made = trial.as_ref().map(|trial| trial.configuration(redis.as_ref().map(PrivateRedis::url))).transpose()?;
    let file = made.as_deref().or(global.config.as_deref());
    let mut config = Config::load(file)?;
    let started = config.clone();
    logging::start(&config.log);
    if let Some(redis) = &redis {
        config.redis.url = RedisUrl::new(redis.url().to_owned());
        tracing::info!(url = redis.url(), data = %arguments.data.display(), "private Redis is running; other commands reach it with BURSAR_REDIS__URL={}", redis.url());
    }
    let store = context::connect(&config).await?;
    journals::begin(&config, &store).await?;
    process_audit::configuration(&config, file, &store, "up");
    let (metrics, traces) = (role_worker::counted(&config), traces::start(&config)?);
    let files = OpenFiles::divided(&config, Calls::Both);
    let telemetry = Telemetry { traces: traces.clone(), ..Telemetry::default() };
    let reload = Reload::of(file.map(Path::to_path_buf), Reads::EveryFile, started, &config, &store);
    let process = Process { worker: Some(Arc::clone(&metrics)), unfit: Arc::default(), files };
    let server =
        serve::listen(&config, &reload, NoTokens::Warn, store.clone(), &telemetry, process, drain.clone()).await?;
    let delivering = role_webhooks::start(&config, &reload, store.clone(), telemetry, drain.clone()).await?;
    Arc::clone(&reload).start(drain.clone())?;
    let address = server.address();
    let serving = tokio::spawn(server.serve());
    if let Some(trial) = &trial {
        trial.say(address)?;
    }
    let manager = ServiceManager::of_environment();
    manager.follow(Some(Arc::clone(&metrics)), drain.clone());
    let worked = role_worker::run(&reload, store, metrics, traces.clone(), files, &manager, drain.clone()).await;
    drain.cancel(); // if the worker has ended by itself, the server must end, too
    serving.await.context("the server")?;
    delivering.await.context("delivering webhooks")?;
    traces.close().await;
    let exit = worked?;
    if let Some(trial) = trial {
        trial.stop().await;
    }
    if let Some(redis) = redis {
        redis.stop()?;
    }
    Ok(exit)
}
