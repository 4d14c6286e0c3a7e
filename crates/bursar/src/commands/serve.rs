//! `bursar serve` answers the HTTP API. Any number of replicas can run.

use bursar_server::NoTokens;
use bursar_store::StoreError;
use bursar_webhooks::Telemetry;
use clap::Args;

use crate::config::Expect;
use crate::context::CommandContext;
use crate::exit::{Context, Exit, Failure, Global};
use crate::journals::BeginError;
use crate::open_files::{Calls, OpenFiles};
use crate::preflight::Preflight;
use crate::reload::{Reads, Reload};
use crate::serve::Process;
use crate::service_manager::ServiceManager;
use crate::signals::Hangup;
use crate::{journals, logging, process_audit, role_webhooks, serve, signals, traces};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar token shop --role producer >> tokens.toml\n  bursar serve --config bursar.toml\n\nSIGHUP reads the configuration's accounts, the tokens file and the webhooks' secrets again. SIGTERM drains: no new connection is taken, requests in flight are answered, exit 0."
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let drain = signals::drain_on_signal(Hangup::ReadAgain)?;
    let CommandContext { config, store } = CommandContext::open(global.config.as_deref()).await?;
    logging::start(&config.log);
    match journals::begin(&config, &store).await {
        Ok(_) => {}
        // The server listens and names the missing right at `/readyz`. A worker gives a new Redis its id later.
        Err(BeginError::Store(error @ StoreError::Refused { .. })) if config.redis.expect == Expect::Any => {
            tracing::error!("this Redis refuses: {}", error.chain());
        }
        Err(error) => return Err(error.into()),
    }
    let telemetry = Telemetry { traces: traces::start(&config)?, ..Telemetry::default() };
    let reload = Reload::of(global.config.clone(), Reads::NotificationKeys, config.clone(), &config, &store);
    let mut preflight = Preflight::of_server(reload.config(), store.clone());
    if let Err(error) = preflight.look().await {
        tracing::warn!(error = %error.chain(), "the preflight could not check Redis");
    }
    let files = OpenFiles::divided(&config, Calls::Webhooks);
    let process = Process { worker: None, unfit: preflight.unfit(), files };
    let server =
        serve::listen(&config, &reload, NoTokens::Refuse, store.clone(), &telemetry, process, drain.clone()).await?;
    process_audit::configuration(&config, global.config.as_deref(), &store, "serve");
    let delivering = role_webhooks::start(&config, &reload, store, telemetry.clone(), drain.clone()).await?;
    reload.start(drain.clone())?;
    let manager = ServiceManager::of_environment();
    manager.follow(None, drain);
    manager.ready();
    tokio::select! {
        () = server.serve() => {}
        () = preflight.look_again_and_again(|_| {}) => {}
    }
    delivering.await.context("telling producers")?;
    telemetry.traces.close().await;
    tracing::info!("drained");
    Ok(Exit::Done)
}
