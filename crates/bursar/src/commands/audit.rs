//! `bursar audit`: who did what, from where and why, newest first.

use bursar_domain::{AuditAction, AuditEvent, AuditFilter, Millis, without_accounts};
use bursar_store::Store;
use clap::Args;

use crate::commands::export::time;
use crate::commands::limit;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

/// Events in memory at a time.
const PAGE: usize = 500;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar audit --since 2026-01-01T00:00:00+08:00 --who li\n  bursar audit --action send --queue main/transfer --json\n\nNewest first. An event is `intended` if its process ended before the result was written: check the job or the queue. Refused attempts of one address are one event a minute, with their count."
)]
pub(crate) struct Arguments {
    /// Only events of this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Millis>,
    /// Only events before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Millis>,
    /// Only events of the operator of this name.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Only this action.
    #[arg(long, value_name = "ACTION")]
    action: Option<AuditAction>,
    /// Only events of this queue.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Only events of this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
    limit: usize,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let Arguments { since, until, who, action, queue, key, limit } = arguments;
    let filter = AuditFilter {
        since: *since,
        until: *until,
        operator: who.clone(),
        action: *action,
        queue: queue.clone(),
        key: key.clone(),
    };
    let shown = print(&context.store, &filter, *limit, global).await?;
    if shown == *limit && !global.json {
        eprintln!("bursar: {limit} shown; there may be more (--limit)");
    }
    Ok(Exit::Done)
}

/// Prints the events that a filter passes, `limit` at most, and returns their number.
pub(crate) async fn print(
    store: &Store,
    filter: &AuditFilter,
    limit: usize,
    global: &Global,
) -> Result<usize, Failure> {
    let (mut before, mut shown, mut unreadable) = (None, 0, 0);
    loop {
        let page = store.audit_page(filter, before, PAGE.min(limit - shown)).await?;
        for event in &page.events {
            if global.json { line(serde_json::to_string(event)?)? } else { line(as_text(event))? }
        }
        shown += page.events.len();
        unreadable += page.unreadable;
        before = page.next.filter(|_| shown < limit);
        if before.is_none() {
            break;
        }
    }
    if unreadable > 0 {
        eprintln!("bursar: {unreadable} entries of the audit trail cannot be read by this build");
    }
    Ok(shown)
}

fn as_text(event: &AuditEvent) -> String {
    let AuditEvent { time, operator, role, address, action, target, reason, result, detail, count, .. } = event;
    let who = format!("{} ({})", operator.as_deref().unwrap_or("-"), role.as_str());
    let list = target.queue.as_deref().or(target.account.as_deref());
    let object: Vec<&str> = [list, target.key.as_deref(), target.file.as_deref()].into_iter().flatten().collect();
    let times = if *count > 1 { format!(" x{count}") } else { String::new() };
    let tail =
        |text: &Option<String>| text.as_ref().map(|text| format!(": {}", without_accounts(text))).unwrap_or_default();
    one_line(&format!(
        "{time} {who:<24} {address:<15} {} {} {}{times}{}{}",
        action.as_str(),
        if object.is_empty() { "-".to_owned() } else { object.join(" ") },
        result.as_str(),
        tail(detail),
        tail(&reason.as_ref().map(|reason| format!("because {reason}")))
    ))
}
