//! `bursar up` runs server and worker in one process, on the configured Redis or on a private one.

use std::path::PathBuf;
use std::sync::Arc;

use bursar_private_redis::{Options, PrivateRedis};
use bursar_server::NoTokens;
use bursar_webhooks::Telemetry;
use clap::Args;

use crate::config::{Config, RedisUrl};
use crate::exit::{Context, Exit, Failure, Global};
use crate::open_files::{Calls, OpenFiles};
use crate::serve::Process;
use crate::service_manager::ServiceManager;
use crate::signals::Hangup;
use crate::{context, journals, logging, process_audit, role_webhooks, role_worker, serve, signals, traces};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar up --embedded --data ./data --config bursar.toml")]
pub(crate) struct Arguments {
    /// Start a private Redis instead of using the configured one. Its data stay in the folder of --data.
    #[arg(long)]
    embedded: bool,
    /// The folder of the private Redis's data.
    #[arg(long, value_name = "DIR", default_value = "data", requires = "embedded")]
    data: PathBuf,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let drain = signals::drain_on_signal(Hangup::ReadAgain)?;
    let mut config = Config::load(global.config.as_deref())?;
    logging::start(&config.log);
    let redis = if arguments.embedded { Some(PrivateRedis::start(Options::new(&arguments.data))?) } else { None };
    if let Some(redis) = &redis {
        config.redis.url = RedisUrl::new(redis.url().to_owned());
        tracing::info!(url = redis.url(), data = %arguments.data.display(), "private Redis is running; other commands reach it with BURSAR_REDIS__URL={}", redis.url());
    }
    let store = context::connect(&config).await?;
    journals::begin(&config, &store).await?;
    process_audit::configuration(&config, global.config.as_deref(), &store, "up");
    let (metrics, traces) = (role_worker::counted(&config), traces::start(&config)?);
    let files = OpenFiles::divided(&config, Calls::Both);
    let telemetry = Telemetry { traces: traces.clone(), ..Telemetry::default() };
    let process = Process { worker: Some(Arc::clone(&metrics)), unfit: Arc::default(), files };
    let server = serve::listen(&config, NoTokens::Warn, store.clone(), &telemetry, process, drain.clone()).await?;
    let delivering = role_webhooks::start(&config, store.clone(), telemetry, drain.clone())?;
    let serving = tokio::spawn(server.serve());
    let manager = ServiceManager::of_environment();
    manager.follow(Some(Arc::clone(&metrics)), drain.clone());
    let worked = role_worker::run(&config, store, metrics, traces.clone(), files, &manager, drain.clone()).await;
    drain.cancel(); // if the worker has ended by itself, the server must end, too
    serving.await.context("the server")?;
    delivering.await.context("delivering webhooks")?;
    traces.close().await;
    let exit = worked?;
    if let Some(redis) = redis {
        redis.stop()?;
    }
    Ok(exit)
}
