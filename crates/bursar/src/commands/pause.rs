//! `bursar pause|resume LANE --reason …`: stops a lane's sends, or lets them go on. What was sent is followed either way.

use bursar_domain::{ActionKind, Lane, Reason};
use clap::Args;
use serde_json::json;

use crate::cli::{Exit, Global};
use crate::commands::operate::Because;
use crate::output::{line, one_line};
use crate::session::Session;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar pause main/transfer --reason 'the gateway announced maintenance'\n  bursar resume main/transfer --reason 'maintenance is over'"
)]
pub(crate) struct Arguments {
    /// Account and kind: main/transfer.
    #[arg(value_name = "LANE")]
    lane: Lane,
    #[command(flatten)]
    because: Because,
}

pub(crate) async fn pause(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let session = Session::open(global.config.as_deref()).await?;
    if !known(&session, &arguments.lane) {
        return Ok(Exit::No);
    }
    let reason = arguments.because.operator().reason(ActionKind::Pause);
    let changed = session.store.pause(&arguments.lane, &reason).await?;
    if changed {
        return told(&arguments.lane, "paused", None, global);
    }
    let first = session.store.status(&arguments.lane).await?.paused;
    told(&arguments.lane, "was paused already", first.as_ref(), global)
}

pub(crate) async fn resume(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let session = Session::open(global.config.as_deref()).await?;
    if !known(&session, &arguments.lane) {
        return Ok(Exit::No);
    }
    let reason = arguments.because.operator().reason(ActionKind::Resume);
    let changed = session.store.resume(&arguments.lane, &reason).await?;
    told(&arguments.lane, if changed { "resumed" } else { "was not paused" }, None, global)
}

fn known(session: &Session, lane: &Lane) -> bool {
    let lanes = session.config.lanes();
    if lanes.contains(lane) {
        return true;
    }
    let lanes: Vec<String> = lanes.iter().map(ToString::to_string).collect();
    eprintln!("bursar: no account of the configuration has the lane {lane}; there are {}", lanes.join(", "));
    false
}

/// Says what became of it, and where somebody was `first`, why.
fn told(lane: &Lane, what: &str, first: Option<&Reason>, global: &Global) -> anyhow::Result<Exit> {
    if global.json {
        line(json!({"lane": lane.to_string(), "outcome": what, "first": first.map(Reason::view)}))?;
    } else {
        let why = first.map(|first| format!(": {}", one_line(&first.to_string()))).unwrap_or_default();
        line(format_args!("{lane} {what}{why}"))?;
    }
    Ok(Exit::Done)
}
