//! `bursar list`: jobs by queue and state.

use bursar_domain::{Queue, State};
use bursar_store::{Cursor, StoredAs};
use clap::Args;

use crate::commands::limit;
use crate::commands::show::{Place, unreadable_object};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};
use crate::table::Listing;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar list --state needs_review\n  bursar list --account main --kind transfer --limit 1000 --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Only jobs in this state.
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
    limit: usize,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let mut left = arguments.limit;
    let mut listing = Listing::new(["queue", "key", "state", "updated", "reason"]);
    for queue in context.queues(arguments.place.account.as_deref(), arguments.place.kind)? {
        let mut next = Some(Cursor::default());
        while let Some(from) = next.filter(|_| left > 0) {
            let page = context.store.list(&queue, arguments.state, &from, left).await?;
            for job in &page.jobs {
                print(&queue, job, &mut listing, global)?;
            }
            left = left.saturating_sub(page.jobs.len());
            next = page.next;
        }
    }
    if !global.json && !listing.is_empty() {
        listing.print()?;
    }
    if left == 0 && !global.json {
        eprintln!("bursar: {} jobs shown; there may be more (--limit)", arguments.limit);
    }
    Ok(Exit::Done)
}

fn print(queue: &Queue, job: &StoredAs, listing: &mut Listing, global: &Global) -> Result<(), Failure> {
    let record = match job {
        StoredAs::Job(record) => record,
        StoredAs::Unreadable { key, why } if global.json => return Ok(line(unreadable_object(queue, key, why))?),
        StoredAs::Unreadable { key, why } => {
            let (why, key) = (one_line(&why.to_string()), one_line(key.as_str()));
            listing.row([queue.to_string(), key, "unreadable".to_owned(), "-".to_owned(), why]);
            return Ok(());
        }
    };
    let view = record.view();
    if global.json {
        return Ok(line(serde_json::to_string(&view)?)?);
    }
    let reason = one_line(&view.reason.map(|reason| reason.to_string()).unwrap_or_default());
    let updated = view.updated_at.unwrap_or_default();
    listing.row([record.queue.to_string(), view.platform_no, view.state.to_string(), updated, reason]);
    Ok(())
}
