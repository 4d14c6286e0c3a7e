//! `bursar quarantine` lists keys whose records no build could read, jobs at which several workers died, and webhooks without a
//! receiver. An operator retries or drops them.

use bursar_domain::{ApprovalAction, AuditAction, AuditTarget, JobView, Millis, Queue};
use bursar_store::{Dropped, Origin, Quarantined, Retried};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::attribution::{Acting, Did};
use crate::commands::operate::{AsSecond, ReasonArg};
use crate::commands::{approvals, limit};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};
use crate::table::Listing;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar quarantine list\n  bursar quarantine retry ORDER-1 --queue main/transfer --reason 'repaired'\n  bursar quarantine drop ghost --queue main/transfer --reason 'left by a test'\n\nNothing in quarantine is sent, queried or delivered. Exit 1 if nothing was done."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the quarantined keys with their reasons.
    #[command(after_help = "Example:\n  bursar quarantine list --account main --json")]
    List {
        /// Only this account's.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
        limit: usize,
    },
    /// Put a job back into the set of its state, or retry a webhook.
    #[command(
        after_help = "Example:\n  bursar quarantine retry ORDER-1 --queue main/transfer --reason 'repaired'\n  bursar quarantine retry 17 --queue main/notify --webhook --reason 'set now'\n\nA send that a lost worker may have made becomes in_doubt and is followed. Exit 1 if the job still cannot be read, or is not in quarantine."
    )]
    Retry {
        #[command(flatten)]
        name: Name,
        /// Retry the webhook of that job or notification, not the job.
        #[arg(long)]
        webhook: bool,
        #[command(flatten)]
        reason_arg: ReasonArg,
    },
    /// Drop a key whose record no build can read from quarantine. The record stays and is never sent.
    #[command(
        after_help = "Example:\n  bursar quarantine drop ghost --queue main/transfer --reason 'left by a test'\n\nA submission with that key is still refused. Exit 1 if the job can be read by this build or a newer one."
    )]
    Drop {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        reason_arg: ReasonArg,
        #[command(flatten)]
        as_second: AsSecond,
    },
}

/// The name of an entry, as `bursar quarantine list` prints it.
#[derive(Debug, Args)]
struct Name {
    /// The key in the list.
    key: String,
    /// Account and kind: main/transfer. For a notification: main/notify.
    #[arg(long, value_name = "QUEUE")]
    queue: Origin,
}

impl Name {
    fn target(&self) -> AuditTarget {
        AuditTarget::entry(&self.queue, &self.key).of(self.queue.account())
    }
}

/// The two types of entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Job,
    Webhook,
}

impl Of {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Webhook => "webhook",
        }
    }
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    match &arguments.act {
        Act::List { account, limit } => list(&context, account.as_deref(), *limit, global).await,
        Act::Retry { name, webhook: false, reason_arg } => {
            let acting = reason_arg.acting(&context).await?;
            let act = retry(&context, name, &acting, global);
            acting.record(AuditAction::QuarantineRetry, name.target(), act).await
        }
        Act::Retry { name, webhook: true, reason_arg } => {
            let acting = reason_arg.acting(&context).await?;
            let act = retry_webhook(&context, name, &acting, global);
            acting.record(AuditAction::QuarantineDeliver, name.target(), act).await
        }
        Act::Drop { name, reason_arg, as_second: AsSecond { approve: false } } => {
            let acting = reason_arg.acting(&context).await?;
            let act = drop(&context, name, &acting, global);
            acting.record(AuditAction::QuarantineDrop, name.target(), act).await
        }
        Act::Drop { name, reason_arg, as_second: AsSecond { approve: true } } => {
            let acting = reason_arg.acting(&context).await?;
            match context.store.proposal_about(of_jobs(name)?, Some(&name.key)).await? {
                Some(open) if open.proposal.action == ApprovalAction::QuarantineDrop => {
                    approvals::approve(&context, &acting, &open, global).await
                }
                Some(_) | None => {
                    let (key, queue) = (one_line(&name.key), &name.queue);
                    let why = format_args!("{key} of {queue} is in no open proposal to drop it (`bursar approvals`)");
                    approvals::nothing_to_approve(&acting, name.target(), why).await
                }
            }
        }
    }
}

async fn list(context: &CommandContext, account: Option<&str>, limit: usize, global: &Global) -> Result<Exit, Failure> {
    let queues = context.queues(account, None)?;
    let mut left = limit;
    let mut listing = Listing::new(["queue", "key", "of", "since", "why"]);
    for (queue, status) in queues.iter().zip(context.store.statuses(&queues).await?) {
        let origin = Origin::Jobs(queue.clone());
        if status.quarantined > 0 {
            left -= print_all(&origin, Of::Job, context.store.quarantined(queue, left).await?, &mut listing, global)?;
        }
        if status.deliveries_quarantined > 0 {
            let found = context.store.quarantined_deliveries(&origin, left).await?;
            left -= print_all(&origin, Of::Webhook, found, &mut listing, global)?;
        }
    }
    let mut accounts: Vec<_> = queues.into_iter().map(|queue| queue.account).collect();
    accounts.dedup(); // an account's queues follow each other
    for origin in accounts.into_iter().map(Origin::Notifications) {
        let found = context.store.quarantined_deliveries(&origin, left).await?;
        left -= print_all(&origin, Of::Webhook, found, &mut listing, global)?;
    }
    if !global.json && !listing.is_empty() {
        listing.print()?;
    }
    if left == 0 && !global.json {
        eprintln!("bursar: {limit} shown; there may be more (--limit)");
    }
    Ok(Exit::Done)
}

/// Prints the entries as JSON, or adds them to the table; returns their number.
fn print_all(
    origin: &Origin,
    of: Of,
    found: Vec<Quarantined>,
    listing: &mut Listing,
    global: &Global,
) -> Result<usize, Failure> {
    let count = found.len();
    for Quarantined { key, since, code, detail } in found {
        let since = Some(since).filter(|since| *since > Millis(0));
        if global.json {
            line(json!({
                "queue": origin.to_string(), "key": key, "of": of.as_str(), "since": JobView::time(since), "code": code,
                "detail": detail,
            }))?;
            continue;
        }
        let since = since.map_or_else(|| "-".to_owned(), Millis::rfc3339);
        let (key, why) = (one_line(&key), one_line(&detail));
        listing.row([origin.to_string(), key, of.as_str().to_owned(), since, format!("{}: {why}", one_line(&code))]);
    }
    Ok(count)
}

/// The queue that was named, if jobs can be in it.
fn of_jobs(name: &Name) -> Result<&Queue, UsageError> {
    match &name.queue {
        Origin::Jobs(queue) => Ok(queue),
        Origin::Notifications(_) => Err(UsageError(format!(
            "{} has notifications and no jobs: retry their webhooks with --webhook",
            name.queue
        ))),
    }
}

async fn retry(context: &CommandContext, name: &Name, acting: &Acting<'_>, global: &Global) -> Result<Did, Failure> {
    let queue = of_jobs(name)?;
    Ok(match context.store.retry_quarantined(queue, &name.key, acting.operator()).await? {
        Retried::Back(state) => done(name, &format!("is {state} again"), global)?,
        Retried::WasBack(state) => done(name, &format!("was back already, and is {state}"), global)?,
        Retried::NotThere => no(name, "is not in quarantine"),
        Retried::Unreadable(why) => no(name, &format!("still cannot be read: {}", one_line(&why.to_string()))),
        Retried::Changed => no(name, "changed while it was read: try again"),
    })
}

async fn retry_webhook(
    context: &CommandContext,
    name: &Name,
    acting: &Acting<'_>,
    global: &Global,
) -> Result<Did, Failure> {
    if context.store.retry_delivery(&name.queue, &name.key, acting.operator()).await? {
        return done(name, "has its webhook retried", global);
    }
    Ok(no(name, "has no webhook in quarantine"))
}

async fn drop(context: &CommandContext, name: &Name, acting: &Acting<'_>, global: &Global) -> Result<Did, Failure> {
    let queue = of_jobs(name)?;
    Ok(match context.store.drop_quarantined(queue, &name.key, acting.operator()).await? {
        Dropped::Done => done(name, "is left alone from now on", global)?,
        Dropped::NotThere => no(name, "is not in quarantine"),
        Dropped::Readable => no(name, "has a job that this build or a newer one can read: `bursar quarantine retry`"),
        Dropped::Changed => no(name, "changed while it was read: try again"),
        Dropped::NeedsSecond(needed) => approvals::proposed(&needed, global)?,
    })
}

fn done(name: &Name, what: &str, global: &Global) -> Result<Did, Failure> {
    if global.json {
        line(json!({"queue": name.queue.to_string(), "key": name.key, "outcome": what}))?;
    } else {
        line(format_args!("{} {} {what}", name.queue, one_line(&name.key)))?;
    }
    Ok(Did::new(Exit::Done, what))
}

fn no(name: &Name, why: &str) -> Did {
    Did::no(format_args!("{} of {} {why}", one_line(&name.key), name.queue))
}
