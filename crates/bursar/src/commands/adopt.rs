//! `bursar adopt OLD NEW --reason …` moves the jobs of a renamed account to its new name.

use bursar_domain::{AccountName, AuditAction, AuditTarget, Queue};
use bursar_store::Adopted;
use clap::Args;
use serde_json::json;

use crate::attribution::{Acting, Did};
use crate::commands::operate::ReasonArg;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar adopt main pay --reason 'the account main is called pay since today'\n\nBefore you run it, replace the old name in the configuration and stop every worker that still has it. Both names must be one account at one gateway. Exit 1 if jobs were left behind: run it again."
)]
pub(crate) struct Arguments {
    /// The account's old name.
    #[arg(value_name = "OLD")]
    old: AccountName,
    /// The account's new name.
    #[arg(value_name = "NEW")]
    new: AccountName,
    #[command(flatten)]
    reason_arg: ReasonArg,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let acting = arguments.reason_arg.acting(&context).await?;
    let target = AuditTarget::account(&arguments.new);
    acting.record(AuditAction::Adopt, target, adopt(&context, &acting, arguments, global)).await
}

async fn adopt(
    context: &CommandContext,
    acting: &Acting<'_>,
    arguments: &Arguments,
    global: &Global,
) -> Result<Did, Failure> {
    let Arguments { old, new, .. } = arguments;
    let mut moved = 0;
    let Some(account) = context.config.accounts.get(new) else {
        return Err(UsageError(format!("the configuration has no account {new}")).into());
    };
    if context.config.accounts.contains_key(old) {
        return Err(UsageError(format!(
            "the configuration still has the account {old}: its workers go on with its jobs"
        ))
        .into());
    }
    let queues = context.config.queues();
    let mut exit = Exit::Done;
    for known in context.store.known_queues().await?.into_iter().filter(|known| known.queue.account == *old) {
        let from = known.queue;
        let to = Queue { account: new.clone(), kind: from.kind };
        let obstacle = if known.is_served {
            Some(
                "a worker has served it within the last minute: stop the workers that still have the old name"
                    .to_owned(),
            )
        } else if !queues.contains(&to) {
            let open = context.store.status(&from).await?.open_jobs();
            (open > 0).then(|| format!("it has {open} open jobs, and {new} takes no jobs of this kind"))
        } else {
            other_gateway(context, &from, &to, &account.identity()).await?
        };
        if let Some(why) = obstacle {
            eprintln!("bursar: {from} stays as it is: {why}");
            exit = Exit::No;
        } else if queues.contains(&to) {
            let adopted = context.store.adopt(&from, &to, acting.operator()).await?;
            moved += adopted.moved;
            report(&from, &to, &adopted, global)?;
            if adopted.is_whole() {
                let operator = acting.operator();
                context.store.set_gateway(&to, None, &account.identity(), operator).await?;
            } else {
                exit = Exit::No;
            }
            if let Some(paused) = context.store.status(&to).await?.paused {
                eprintln!("bursar: {to} is paused ({paused}): resume it with `bursar resume {to}`");
            }
        }
    }
    Ok(Did::new(exit, format!("{moved} jobs of {old} moved")))
}

/// The reason why the two queues are not at one gateway. A queue that was never served fits any gateway; its first worker pauses it until
/// all jobs are moved.
async fn other_gateway(
    context: &CommandContext,
    from: &Queue,
    to: &Queue,
    ours: &str,
) -> Result<Option<String>, Failure> {
    for queue in [from, to] {
        if let Some(theirs) = context.store.gateway(queue).await?.filter(|theirs| theirs != ours) {
            return Ok(Some(format!(
                "the jobs of {queue} are for {theirs}, and {to} is at {ours} by this configuration"
            )));
        }
    }
    Ok(None)
}

fn report(from: &Queue, to: &Queue, adopted: &Adopted, global: &Global) -> Result<(), Failure> {
    let Adopted { moved, in_doubt, claimed, conflicts, unreadable } = adopted;
    if global.json {
        let conflicts: Vec<_> = conflicts.iter().map(|(key, first)| json!({"key": key, "first": first})).collect();
        return Ok(line(json!({
            "from": from.to_string(), "to": to.to_string(), "moved": moved, "in_doubt": in_doubt,
            "claimed": claimed, "conflicts": conflicts, "unreadable": unreadable,
        }))?);
    }
    line(format_args!(
        "{from} -> {to}: {moved} jobs moved to {to}; {in_doubt} of them may have been sent and are followed"
    ))?;
    for key in claimed {
        line(format_args!("  {key}: a worker's lease on it has not ended; try again after that"))?;
    }
    for (key, first) in conflicts {
        line(format_args!("  {key}: {to} has job {first} with the same business key; decide which of them to pay"))?;
    }
    for key in unreadable {
        line(format_args!("  {key}: its record cannot be read"))?;
    }
    Ok(())
}
