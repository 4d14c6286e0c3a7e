//! `bursar import` shows the queues of apalis-redis that workers drain, and shows, retries or drops their dead letters.

use std::io::Write;
use std::sync::Arc;

use bursar_domain::{AuditAction, AuditTarget, Millis};
use bursar_store::{DeadLetter, DeadLetterAction, ImportStatus, Settled, Store, StoreError, Verdict};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::attribution::{Acting, Did};
use crate::commands::limit;
use crate::commands::operate::ReasonArg;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};
use crate::role_worker;

/// Entries read in one round trip.
const PAGE: usize = 500;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar import list\n  bursar import show payments/17\n  bursar import retry --all --reason 'account is configured now'\n  bursar import drop payments/17 --reason 'a test of the shop'"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Subcommands,
}

#[derive(Debug, Args)]
struct Listing {
    /// Only this queue of apalis-redis.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// At most this many dead letters.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Show the number of waiting tasks of each queue, and its dead letters.
    List(Listing),
    /// Print the bytes that were pushed, unchanged.
    Show {
        /// The name in `bursar import list`: QUEUE/NUMBER.
        name: Name,
    },
    /// Submit dead letters again. Those that are refused again stay.
    Retry {
        /// The name in `bursar import list`: QUEUE/NUMBER.
        #[arg(required_unless_present = "all")]
        name: Option<Name>,
        /// Every dead letter.
        #[arg(long, conflicts_with = "name")]
        all: bool,
        #[command(flatten)]
        reason_arg: ReasonArg,
    },
    /// Show retries and drops, newest first: time, operator and reason.
    Actions,
    /// Drop a dead letter. Its bytes are removed; the operator and the reason stay on record.
    Drop {
        /// The name in `bursar import list`: QUEUE/NUMBER.
        name: Name,
        #[command(flatten)]
        reason_arg: ReasonArg,
    },
}

/// A dead letter, by its queue and its number there.
#[derive(Clone, Debug)]
struct Name {
    queue: String,
    number: u64,
}

impl Name {
    fn target(&self) -> AuditTarget {
        AuditTarget::entry(&self.queue, &self.number.to_string())
    }
}

impl std::str::FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be QUEUE/NUMBER, for example payments/17";
        let (queue, number) = text.rsplit_once('/').ok_or(wrong)?;
        Ok(Self { queue: queue.to_owned(), number: number.parse().map_err(|_| wrong)? })
    }
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    match &arguments.action {
        Subcommands::List(listing) => list(&context, listing, global).await,
        Subcommands::Show { name } => show(&context, name).await,
        Subcommands::Retry { name, reason_arg, .. } => {
            let acting = reason_arg.acting(&context).await?;
            retry(&context, name.as_ref(), &acting, global).await
        }
        Subcommands::Actions => actions(&context, global).await,
        Subcommands::Drop { name, reason_arg } => {
            let acting = reason_arg.acting(&context).await?;
            acting.record(AuditAction::ImportDrop, name.target(), drop(&context, name, &acting, global)).await
        }
    }
}

/// The configured queues, or the one that was named.
fn queues(context: &CommandContext, only: Option<&str>) -> Result<Vec<String>, UsageError> {
    let mut queues = context.config.import.queues.clone();
    if let Some(name) = only.filter(|name| !queues.iter().any(|queue| queue == name)) {
        return Err(UsageError(format!("import.queues of the configuration does not name {name}")));
    }
    queues.retain(|queue| only.is_none_or(|name| name == queue));
    Ok(queues)
}

async fn list(context: &CommandContext, arguments: &Listing, global: &Global) -> Result<Exit, Failure> {
    let queues = queues(context, arguments.queue.as_deref())?;
    if queues.is_empty() {
        eprintln!("bursar: import.queues of the configuration names no queue");
    }
    let mut left = arguments.limit;
    for queue in &queues {
        if !global.json {
            print_queue(queue, context.store.import_status(queue).await?, global)?;
        }
        let entries = read(&context.store, queue, left).await?;
        left -= entries.len();
        for entry in &entries {
            print(queue, entry, global)?;
        }
    }
    if left == 0 && !global.json {
        eprintln!("bursar: {} shown; there may be more (--limit)", arguments.limit);
    }
    Ok(Exit::Done)
}

/// A queue's dead letters, `limit` at most.
async fn read(store: &Store, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
    let (mut entries, mut from) = (Vec::new(), 0);
    loop {
        let page = store.dead_letters(queue, from, PAGE.min(limit - entries.len())).await?;
        let Some(last) = page.last() else { return Ok(entries) };
        from = last.number + 1;
        entries.extend(page);
    }
}

/// One queue at a glance; `bursar queues` shows it, too.
pub(crate) fn print_queue(queue: &str, status: ImportStatus, global: &Global) -> std::io::Result<()> {
    let ImportStatus { waiting, dead_letters } = status;
    if global.json {
        return line(json!({"import_queue": queue, "waiting": waiting, "dead_letters": dead_letters}));
    }
    let look = if dead_letters > 0 { ": bursar import list" } else { "" };
    line(format_args!("queue {}: {waiting} wait, {dead_letters} dead letters{look}", one_line(queue)))
}

fn print(queue: &str, entry: &DeadLetter, global: &Global) -> std::io::Result<()> {
    let name = format!("{queue}/{}", entry.number);
    let (id, at, run_at) = (String::from_utf8_lossy(&entry.id), entry.at.rfc3339(), entry.run_at.map(Millis::rfc3339));
    if global.json {
        return line(json!({
            "name": name, "import_queue": queue, "number": entry.number, "task_id": id, "dead_letter_since": at, "run_at": run_at,
            "bytes": entry.bytes, "why": entry.why,
        }));
    }
    line(format_args!(
        "  {} {at} task {} ({} bytes): {}",
        one_line(&name),
        one_line(&id),
        entry.bytes,
        one_line(&entry.why)
    ))
}

async fn find(context: &CommandContext, name: &Name) -> Result<Option<DeadLetter>, Failure> {
    let queues = queues(context, Some(&name.queue))?;
    let Some(queue) = queues.first() else { return Ok(None) };
    let found = context.store.dead_letters(queue, name.number, 1).await?.pop();
    Ok(found.filter(|entry| entry.number == name.number))
}

fn unknown(name: &Name) -> Exit {
    eprintln!("bursar: there is no dead letter {}/{}", name.queue, name.number);
    Exit::No
}

async fn show(context: &CommandContext, name: &Name) -> Result<Exit, Failure> {
    if find(context, name).await?.is_none() {
        return Ok(unknown(name));
    }
    let bytes = context.store.dead_letter_payload(&name.queue, name.number).await?.unwrap_or_default();
    std::io::stdout().lock().write_all(&bytes)?;
    Ok(Exit::Done)
}

async fn retry(
    context: &CommandContext,
    name: Option<&Name>,
    acting: &Acting<'_>,
    global: &Global,
) -> Result<Exit, Failure> {
    let mut entries = Vec::new();
    match name {
        Some(name) => match find(context, name).await? {
            Some(entry) => entries.push((name.queue.clone(), entry)),
            None => return Ok(unknown(name)),
        },
        None => {
            for queue in queues(context, None)? {
                let all = read(&context.store, &queue, usize::MAX).await?;
                entries.extend(all.into_iter().map(|entry| (queue.clone(), entry)));
            }
        }
    }
    let import = role_worker::import(&context.config, "", Arc::default());
    let mut exit = Exit::Done;
    for (queue, entry) in &entries {
        let name = Name { queue: queue.clone(), number: entry.number };
        let act = async {
            match import.retry(&context.store, queue, entry, acting.operator()).await? {
                Verdict::Accepted => report(&name, "submitted", None, global).map(|()| Did::quietly(Exit::Done)),
                Verdict::Refused(why) => report(&name, "refused", Some(&why), global).map(|()| Did::new(Exit::No, why)),
            }
            .map_err(Failure::from)
        };
        if acting.record(AuditAction::ImportRetry, name.target(), act).await? != Exit::Done {
            exit = Exit::No;
        }
    }
    Ok(exit)
}

async fn drop(context: &CommandContext, name: &Name, acting: &Acting<'_>, global: &Global) -> Result<Did, Failure> {
    let is_there = find(context, name).await?.is_some();
    let (queue, number, operator) = (&name.queue, name.number, acting.operator());
    if !is_there || !context.store.settle_dead_letter(queue, number, DeadLetterAction::Dropped, operator).await? {
        return Ok(Did::new(unknown(name), "there is no such dead letter"));
    }
    report(name, "dropped", None, global)?;
    Ok(Did::quietly(Exit::Done))
}

async fn actions(context: &CommandContext, global: &Global) -> Result<Exit, Failure> {
    for queue in queues(context, None)? {
        for Settled { at, number, id, did, why } in context.store.settled_dead_letters(&queue, PAGE).await? {
            let (name, at) = (format!("{queue}/{number}"), at.rfc3339());
            if global.json {
                line(json!({"name": name, "task_id": id, "at": at, "did": did, "why": why}))?;
            } else {
                line(format_args!("{at} {did} {} task {} by {}", one_line(&name), one_line(&id), one_line(&why)))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn report(name: &Name, outcome: &str, why: Option<&str>, global: &Global) -> std::io::Result<()> {
    let name = format!("{}/{}", name.queue, name.number);
    if global.json {
        return line(json!({"name": name, "outcome": outcome, "why": why}));
    }
    let why = why.map(|why| format!(": {}", one_line(why))).unwrap_or_default();
    line(format_args!("{outcome} {}{why}", one_line(&name)))
}
