//! `bursar confirm-gateway QUEUE --reason …` confirms that a queue's jobs are for the gateway that is configured now.

use bursar_domain::{AuditAction, AuditTarget, Queue};
use bursar_store::QueueStatus;
use clap::Args;
use serde_json::json;

use crate::attribution::{Acting, Did};
use crate::commands::operate::ReasonArg;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar confirm-gateway main/transfer --reason 'the gateway has moved'\n\nRefused while open jobs may have been sent to the previous gateway: the new one does not know them."
)]
pub(crate) struct Arguments {
    /// Account and kind: main/transfer.
    #[arg(value_name = "QUEUE")]
    queue: Queue,
    /// Confirm although open jobs may have been sent. Only for the same gateway under another address.
    #[arg(long)]
    with_open_jobs: bool,
    #[command(flatten)]
    reason_arg: ReasonArg,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let acting = arguments.reason_arg.acting(&context).await?;
    let act = confirm(&context, &acting, arguments, global);
    acting.record(AuditAction::ConfirmGateway, AuditTarget::queue(&arguments.queue), act).await
}

async fn confirm(
    context: &CommandContext,
    acting: &Acting<'_>,
    arguments: &Arguments,
    global: &Global,
) -> Result<Did, Failure> {
    let CommandContext { config, store } = context;
    let queue = &arguments.queue;
    let Some(account) = config.accounts.get(&queue.account).filter(|_| config.queues().contains(queue)) else {
        return Ok(Did::no(format_args!("no account of the configuration has the queue {queue}")));
    };
    let (ours, before) = (account.identity(), store.gateway(queue).await?);
    if before.as_ref() == Some(&ours) {
        return report(queue, "is its gateway already", before.as_deref(), &ours, global);
    }
    let sent = may_have_been_sent(&store.status(queue).await?, store.in_doubt(queue).await?);
    if before.is_some() && sent > 0 && !arguments.with_open_jobs {
        return Ok(Did::no(format_args!(
            "{queue} has {sent} jobs that may have been sent to {}, and {ours} does not know them. Restore the previous configuration until they have ended; or add --with-open-jobs if it is the same gateway under another address",
            before.unwrap_or_default()
        )));
    }
    if !store.set_gateway(queue, before.as_deref(), &ours, acting.operator()).await? {
        return Ok(Did::no(format_args!("the gateway of {queue} has changed meanwhile: check it and try again")));
    }
    report(queue, "is its gateway now", before.as_deref(), &ours, global)
}

/// Jobs that a gateway may know: those that wait for a query or a resend, and those that need review.
fn may_have_been_sent(status: &QueueStatus, in_doubt: usize) -> u64 {
    (status.counts.to_query + status.counts.review).max(u64::try_from(in_doubt).unwrap_or(u64::MAX))
}

fn report(queue: &Queue, what: &str, before: Option<&str>, ours: &str, global: &Global) -> Result<Did, Failure> {
    if global.json {
        line(json!({"queue": queue.to_string(), "gateway": ours, "before": before}))?;
    } else {
        line(format_args!("{queue}: {ours} {what}"))?;
    }
    Ok(Did::new(Exit::Done, format!("{ours} {what}")))
}
