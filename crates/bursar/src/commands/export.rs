//! `bursar export` prints jobs with their history, one JSON object a line, to keep them before their details expire.

use bursar_domain::{AuditFilter, Millis, State};
use bursar_store::{JobRecord, ScanCursor, Store, StoredAs};
use clap::Args;
use futures_util::future::try_join_all;

use crate::commands::audit;
use crate::commands::show::{Place, object, unreadable, unreadable_object};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::line;

/// Jobs in memory at a time, each with its history.
const STEP: usize = 200;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar export --before 2026-01-01T00:00:00+08:00 > jobs-2025.jsonl\n  bursar export --account main --kind transfer --state succeeded --content\n\nWhile workers run, a job that changes its state may be printed twice: the later line is the newer. No finished job is missed; an open job that moves back meanwhile (from a query to a send) may be. Jobs older than redis.retention are gone. A job that this build cannot read is printed as `unreadable`, whatever state and time you ask for."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Only jobs in this state.
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Only jobs that last changed at this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    after: Option<Millis>,
    /// Only jobs that last changed before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<Millis>,
    /// Add the exact bytes that are sent, as text.
    #[arg(long)]
    content: bool,
    /// Export the audit trail instead, newest events first.
    #[arg(long, conflicts_with_all = ["account", "kind", "state", "content"])]
    audit: bool,
}

/// A time as the interface shows them.
pub(crate) fn time(text: &str) -> Result<Millis, String> {
    Millis::parse_bound(text).ok_or_else(|| "must be an RFC 3339 time with an offset: 2026-01-01T08:00:00+08:00".into())
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    if arguments.audit {
        let filter = AuditFilter { since: arguments.after, until: arguments.before, ..AuditFilter::default() };
        let printed =
            audit::print(&context.store, &filter, usize::MAX, &Global { json: true, ..global.clone() }).await?;
        eprintln!("bursar: {printed} events exported");
        return Ok(Exit::Done);
    }
    let mut printed = 0_u64;
    for queue in context.queues(arguments.place.account.as_deref(), arguments.place.kind)? {
        let mut next = Some(ScanCursor::default());
        while let Some(from) = next {
            let step = context.store.scan(&queue, arguments.state, &from, STEP).await?;
            let mut wanted: Vec<&JobRecord> = Vec::with_capacity(step.jobs.len());
            for job in &step.jobs {
                match job {
                    StoredAs::Job(record) if arguments.wants(record) => wanted.push(record),
                    StoredAs::Job(_) => {}
                    StoredAs::Unreadable { key, why } => {
                        line(unreadable_object(&queue, key, why))?;
                        eprintln!("bursar: {}", unreadable(&queue, key, why));
                    }
                }
            }
            let objects = wanted.iter().map(|record| exported(&context.store, record, arguments.content));
            for object in try_join_all(objects).await? {
                line(object)?;
                printed += 1;
            }
            next = step.next;
        }
    }
    eprintln!("bursar: {printed} jobs exported");
    Ok(Exit::Done)
}

impl Arguments {
    fn wants(&self, record: &JobRecord) -> bool {
        let changed = record.updated.unwrap_or_default();
        self.after.is_none_or(|after| changed >= after) && self.before.is_none_or(|before| changed < before)
    }
}

async fn exported(store: &Store, record: &JobRecord, with_content: bool) -> Result<serde_json::Value, Failure> {
    let mut job = object(record, &store.history(record).await?)?;
    if with_content {
        job["content"] = record.content.clone().into();
    }
    Ok(job)
}
