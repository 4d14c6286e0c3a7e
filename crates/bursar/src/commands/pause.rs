//! `bursar pause|resume QUEUE --reason …` stops or resumes a queue's sends. Jobs that were sent are followed either way.

use bursar_domain::{ActionKind, Queue, Reason};
use bursar_store::Resumed;
use clap::Args;
use serde_json::json;

use crate::approvals::token_name;
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
    let reason = arguments.reason_arg.operator().reason(ActionKind::Pause);
    let changed = context.store.pause(&arguments.queue, &reason).await?;
    if changed {
        return report(&arguments.queue, "paused", None, global);
    }
    let first = context.store.status(&arguments.queue).await?.paused;
    report(&arguments.queue, "was paused already", first.as_ref(), global)
}

pub(crate) async fn resume(arguments: &Resume, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let Arguments { queue, reason_arg } = &arguments.on;
    if !known(&context, queue) {
        return Ok(Exit::No);
    }
    if arguments.as_second.approve {
        let Some(open) = context.store.proposal_about(queue, None).await? else {
            eprintln!("bursar: no proposal to resume {queue} is open (`bursar approvals`)");
            return Ok(Exit::No);
        };
        return approvals::approve(&context, &open, reason_arg, global).await;
    }
    let name = token_name(&context.config, &queue.account)?;
    match context.store.resume_by(queue, reason_arg.operator_named(name.as_deref())).await? {
        Resumed::Done => report(queue, "resumed", None, global),
        Resumed::NotPaused => report(queue, "was not paused", None, global),
        Resumed::Changed => {
            eprintln!("bursar: {queue} changes at this moment: check it and try again");
            Ok(Exit::No)
        }
        Resumed::NeedsSecond(needed) => approvals::proposed(&needed, global),
    }
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
fn report(queue: &Queue, what: &str, first: Option<&Reason>, global: &Global) -> Result<Exit, Failure> {
    if global.json {
        line(json!({"queue": queue.to_string(), "outcome": what, "first": first.map(Reason::view)}))?;
    } else {
        let why = first.map(|first| format!(": {}", one_line(&first.to_string()))).unwrap_or_default();
        line(format_args!("{queue} {what}{why}"))?;
    }
    Ok(Exit::Done)
}
