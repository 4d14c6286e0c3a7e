//! `bursar workers` shows the workers.

use bursar_domain::WorkerView;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

/// Queues that a line names.
const QUEUES_SHOWN: usize = 5;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar workers\n\nA worker writes a heartbeat every 5 s. It is gone when there was none for 20 s, and is shown for ten more minutes. Exit 1 if no worker is alive."
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let workers = context.store.workers().await?;
    let views = workers.views();
    if global.json {
        for view in &views {
            line(serde_json::to_string(view)?)?;
        }
    } else if !views.is_empty() {
        line(table(&views))?;
        for view in &views {
            if let Some(error) = &view.last_error {
                let text = one_line(&error.error);
                line(format_args!("{}: {} {} at {}: {text}", view.name, error.at, error.queue, error.host))?;
            }
        }
    }
    let is_alive = workers.count(bursar_domain::WorkerStatus::Alive) > 0;
    if !is_alive && !global.json {
        eprintln!("bursar: no worker is alive: start `bursar worker` (or `bursar up`) on this Redis");
    }
    Ok(if is_alive { Exit::Done } else { Exit::No })
}

fn table(views: &[WorkerView]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["worker", "host", "pid", "version", "status", "since", "seen", "calls", "last claim", "queues"]);
    for view in views {
        let sends = if view.sends_allowed { "" } else { ", sends nothing" };
        table.add_row([
            view.name.clone(),
            one_line(&view.host),
            view.pid.to_string(),
            view.version.clone(),
            format!("{}{sends}", view.status.as_str()),
            view.started_at.clone(),
            view.seen_at.clone(),
            format!("{}/{}", view.calls_in_flight, view.concurrency),
            view.last_claim_at.clone().unwrap_or_else(|| "-".to_owned()),
            queues(view),
        ]);
    }
    for column in [2, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Some of its queues.
fn queues(view: &WorkerView) -> String {
    let named: Vec<&str> = view.queues.iter().take(QUEUES_SHOWN).map(String::as_str).collect();
    match view.queue_count.saturating_sub(named.len()) {
        0 => named.join(" "),
        more => format!("{} and {more} more", named.join(" ")),
    }
}
