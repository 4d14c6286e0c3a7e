//! `bursar queues` shows every queue in one line.

use clap::Args;

use bursar_domain::{Millis, QueueCounts};

use crate::commands::import::print_queue;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar queues")]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    if !global.json {
        line(format_args!(
            "{:<28} {:>9} {:>9} {:>9} {:>9}  next due",
            "queue", "to send", "to query", "review", "ended"
        ))?;
    }
    let queues = context.config.queues();
    for (queue, status) in queues.iter().zip(context.store.statuses(&queues).await?) {
        if global.json {
            line(serde_json::to_string(&status.view(queue))?)?;
            continue;
        }
        let next_due = status.next_due.map(Millis::rfc3339);
        let circuits = match status.circuits_open.len() {
            0 => String::new(),
            1 => "  circuit open in 1 worker".to_owned(),
            workers => format!("  circuit open in {workers} workers"),
        };
        let paused = status
            .paused
            .as_ref()
            .map(|reason| format!("  PAUSED: {}", one_line(&reason.to_string())))
            .unwrap_or_default();
        let quarantined = match status.all_quarantined() {
            0 => String::new(),
            count => format!("  {count} in quarantine (`bursar quarantine list`)"),
        };
        let unserved = match (status.is_served(), status.served_at) {
            (true, _) => String::new(),
            (false, Some(at)) => format!("  NO WORKER since {} (`bursar workers`)", at.rfc3339()),
            (false, None) => "  NO WORKER yet (`bursar workers`)".to_owned(),
        };
        let overdue = status.overdue_since().map(|at| format!("  OVERDUE since {}", at.rfc3339())).unwrap_or_default();
        let QueueCounts { to_send, to_query, review, done, undelivered } = status.counts;
        let deliveries = if undelivered > 0 { format!("  {undelivered} deliveries open") } else { String::new() };
        let next_due = next_due.unwrap_or_else(|| "-".into());
        line(format_args!(
            "{:<28} {to_send:>9} {to_query:>9} {review:>9} {done:>9}  {next_due}{unserved}{overdue}{paused}{circuits}{deliveries}{quarantined}",
            queue.to_string()
        ))?;
    }
    for (queue, status) in context.store.unserved_queues(&queues).await? {
        if global.json {
            let mut view = serde_json::to_value(status.view(&queue))?;
            view["unserved"] = true.into();
            line(view)?;
            continue;
        }
        let QueueCounts { to_send, to_query, review, done, undelivered: _ } = status.counts;
        line(format_args!(
            "{:<28} {to_send:>9} {to_query:>9} {review:>9} {done:>9}  NOT SERVED: the configuration has no account {} (`bursar adopt`)",
            queue.to_string(),
            queue.account
        ))?;
    }
    let queues = &context.config.import.queues;
    for (queue, status) in queues.iter().zip(context.store.import_statuses(queues).await?) {
        print_queue(queue, status, global)?;
    }
    Ok(Exit::Done)
}
