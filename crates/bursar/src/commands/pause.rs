//! `bursar pause|resume QUEUE --reason …` stops or resumes a queue's sends. Jobs that were sent are followed either way.

use bursar_domain::{ActionKind, AuditAction, AuditTarget, Queue, Reason};
use bursar_store::Resumed;
use clap::Args;
use serde_json::json;

use crate::attribution::Did;
use crate::commands::approvals;
use crate::commands::operate::{AsSecond, ReasonArg};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar pause main/transfer --reason 'the gateway announced maintenance'\n  bursar resume main/transfer --reason 'maintenance is over'"
)]
pub(crate) struct Arguments {
    /// Account and kind: main/transfer.
    #[arg(value_name = "QUEUE")]
    queue: Queue,
    #[command(flatten)]
    reason_arg: ReasonArg,
}

/// Resuming, as the first operator or the second one.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    on: Arguments,
    #[command(flatten)]
    as_second: AsSecond,
}

pub(crate) async fn pause(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    if !known(&context, &arguments.queue) {
        return Ok(Exit::No);
    }
    let acting = arguments.reason_arg.acting(&context).await?;
    let act = async {
        if context.store.pause(&arguments.queue, &acting.operator().reason(ActionKind::Pause)).await? {
            return report(&arguments.queue, "paused", None, global);
        }
        let first = context.store.status(&arguments.queue).await?.paused;
        report(&arguments.queue, "was paused already", first.as_ref(), global)
    };
    acting.record(AuditAction::Pause, AuditTarget::queue(&arguments.queue), act).await
}

pub(crate) async fn resume(arguments: &Resume, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let Arguments { queue, reason_arg } = &arguments.on;
    if !known(&context, queue) {
        return Ok(Exit::No);
    }
    let acting = reason_arg.acting(&context).await?;
    if arguments.as_second.approve {
        let Some(open) = context.store.proposal_about(queue, None).await? else {
            let why = format_args!("no proposal to resume {queue} is open (`bursar approvals`)");
            return approvals::nothing_to_approve(&acting, AuditTarget::queue(queue), why).await;
        };
        return approvals::approve(&context, &acting, &open, global).await;
    }
    let act = async {
        Ok(match context.store.resume_by(queue, acting.operator()).await? {
            Resumed::Done => report(queue, "resumed", None, global)?,
            Resumed::NotPaused => report(queue, "was not paused", None, global)?,
            Resumed::Changed => Did::no(format_args!("{queue} changes at this moment: check it and try again")),
            Resumed::NeedsSecond(needed) => approvals::proposed(&needed, global)?,
        })
    };
    acting.record(AuditAction::Resume, AuditTarget::queue(queue), act).await
}

fn known(context: &CommandContext, queue: &Queue) -> bool {
    let queues = context.config.queues();
    if queues.contains(queue) {
        return true;
    }
    let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
    eprintln!("bursar: no account of the configuration has the queue {queue}; there are {}", queues.join(", "));
    false
}

/// Prints the result, and the reason of an operator who was `first`.
fn report(queue: &Queue, what: &str, first: Option<&Reason>, global: &Global) -> Result<Did, Failure> {
    if global.json {
        line(json!({"queue": queue.to_string(), "outcome": what, "first": first.map(Reason::view)}))?;
    } else {
        let why = first.map(|first| format!(": {}", one_line(&first.to_string()))).unwrap_or_default();
        line(format_args!("{queue} {what}{why}"))?;
    }
    Ok(Did::new(Exit::Done, what))
}
