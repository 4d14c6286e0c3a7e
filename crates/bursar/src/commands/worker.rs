//! `bursar worker` claims due jobs and calls the gateways. Any number of replicas can run.

use std::sync::Arc;

use clap::Args;

use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::open_files::{Calls, OpenFiles};
use crate::reload::{Reads, Reload};
use crate::service_manager::ServiceManager;
use crate::signals::Hangup;
use crate::{logging, process_audit, role_worker, signals, traces};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar worker --config bursar.toml\n\nSIGTERM drains: nothing new is claimed, calls in flight finish or are left in_doubt, exit 0. A second SIGTERM within 5 s counts as the same one; a later one, or a second Ctrl-C, ends the process at once. SIGHUP reads the configuration's accounts and their keys again; calls in flight are not touched."
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let drain = signals::drain_on_signal(Hangup::ReadAgain)?;
    let CommandContext { config, store } = CommandContext::open(global.config.as_deref()).await?;
    logging::start(&config.log);
    process_audit::configuration(&config, global.config.as_deref(), &store, "worker");
    let (metrics, traces) = (role_worker::counted(&config), traces::start(&config)?);
    let files = OpenFiles::divided(&config, Calls::Gateways);
    let reload = Reload::of(global.config.clone(), Reads::EveryFile, config.clone(), &config, &store);
    Arc::clone(&reload).start(drain.clone())?;
    let manager = ServiceManager::of_environment();
    manager.follow(Some(Arc::clone(&metrics)), drain.clone());
    let worked = role_worker::run(&reload, store, metrics, traces.clone(), files, &manager, drain).await;
    traces.close().await;
    worked
}
