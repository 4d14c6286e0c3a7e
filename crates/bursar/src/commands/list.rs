//! `bursar list`: jobs by what is known of them, newest first.

use bursar_domain::{ContentDetails, Fen, JobFilter, Millis, Queue, State};
use bursar_store::StoredAs;
use clap::Args;
use serde_json::Value;

use crate::commands::export::time;
use crate::commands::limit;
use crate::commands::show::{Place, unreadable_object};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};
use crate::table::Listing;

/// Jobs that one round reads.
const PAGE: usize = 500;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar list --state needs_review\n  bursar list --payer amy99a --since 2026-01-01T00:00:00Z\n  bursar list --trade-no 2025062413293980461 --json\n\nJobs of all queues, newest first: by the time at which they ended or came to need review, other jobs by the time at which they were accepted. They fit everything that is given. A job that this build cannot read is printed as `unreadable`, whatever you ask for."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: FilterArguments,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
    limit: usize,
}

/// The filter: the API's parameters by the same names.
#[derive(Debug, Args)]
struct FilterArguments {
    /// Only jobs in this state.
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Only jobs that ended, or need review, since this time (RFC 3339) or later; of others, those that were accepted since.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Millis>,
    /// The same before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Millis>,
    /// Only jobs of this amount in fen.
    #[arg(long, value_name = "FEN", value_parser = fen)]
    amount: Option<Fen>,
    /// Only jobs of this amount in fen or more.
    #[arg(long, value_name = "FEN", value_parser = fen)]
    min_amount: Option<Fen>,
    /// Only jobs of this amount in fen or less.
    #[arg(long, value_name = "FEN", value_parser = fen)]
    max_amount: Option<Fen>,
    /// Only jobs that this account pays: its whole number.
    #[arg(long, value_name = "ACCOUNT_NO")]
    payer: Option<String>,
    /// Only jobs that pay this account or receiver: its whole number.
    #[arg(long, value_name = "ACCOUNT_NO")]
    payee: Option<String>,
    /// Only jobs of this transaction of the gateway.
    #[arg(long, value_name = "NUMBER")]
    trade_no: Option<String>,
    /// Only jobs about this order.
    #[arg(long, value_name = "ORDER")]
    order_id: Option<String>,
    /// Only jobs whose reason has this code.
    #[arg(long, value_name = "CODE")]
    reason_code: Option<String>,
    /// Only jobs whose key begins like this.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
}

fn fen(text: &str) -> Result<Fen, &'static str> {
    Fen::read(&Value::from(text)).ok_or("must be a whole number of fen, 1 or more")
}

impl FilterArguments {
    fn filter(&self) -> JobFilter {
        JobFilter {
            state: self.state,
            since: self.since,
            until: self.until,
            amount: self.amount,
            min_amount: self.min_amount,
            max_amount: self.max_amount,
            payer: self.payer.clone(),
            payee: self.payee.clone(),
            trade_no: self.trade_no.clone(),
            order_id: self.order_id.clone(),
            reason_code: self.reason_code.clone(),
            prefix: self.prefix.clone(),
        }
    }
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    let (filter, mut left, mut next) = (arguments.filter.filter(), arguments.limit, None);
    let mut listing = Listing::new(["queue", "key", "state", "amount", "parties", "updated", "reason"]);
    loop {
        let page = context.store.find(&queues, &filter, next.as_ref(), left.min(PAGE)).await?;
        for (queue, job) in page.jobs.iter().take(left) {
            print(queue, job, &mut listing, global)?;
        }
        left = left.saturating_sub(page.jobs.len());
        next = page.next;
        if next.is_none() || left == 0 {
            break;
        }
    }
    if !global.json && !listing.is_empty() {
        listing.print()?;
    }
    if next.is_some() && !global.json {
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
            let none = || "-".to_owned();
            listing.row([queue.to_string(), key, "unreadable".to_owned(), none(), none(), none(), why]);
            return Ok(());
        }
    };
    let view = record.view();
    if global.json {
        return Ok(line(serde_json::to_string(&view)?)?);
    }
    let reason = one_line(&view.reason.map(|reason| reason.to_string()).unwrap_or_default());
    let updated = view.updated_at.unwrap_or_default();
    let amount = view.details.amount_fen.map(Fen::yuan).unwrap_or_default();
    let parties = one_line(&parties(&view.details));
    listing.row([record.queue.to_string(), view.platform_no, view.state.to_string(), amount, parties, updated, reason]);
    Ok(())
}

/// The payer and the payee, or the order, in a few words.
fn parties(details: &ContentDetails) -> String {
    let ContentDetails { payer, payee, order_id, receivers, .. } = details;
    let receivers = (!receivers.is_empty()).then(|| format!("{} receivers", receivers.len()));
    let to = payee.clone().or(receivers).map(|to| format!("-> {to}"));
    let order = order_id.as_ref().map(|order| format!("order {order}"));
    [payer.clone(), order, to].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
