//! `bursar approvals` lists the actions that wait for a second operator. An operator approves or rejects them by their ids; `--approve` of an
//! action's own command approves by its names.

use bursar_domain::{ApprovalAction, Fen, Proposal, VouchedBy};
use bursar_store::{Approved, Dismissed, Executed, NeedsSecond, OpenProposal, Operator};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::approvals::{second_name, token_name};
use crate::commands::operate::ReasonArg;
use crate::commands::show::show;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar approvals\n  bursar approvals approve 0f3c… --reason 'checked with the bank'\n  bursar approvals reject 0f3c… --reason 'it was paid by hand'\n\nThe variable BURSAR_TOKEN must hold the token of an operator who did not make the proposal. Exit 1 if nothing was done."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the open proposals, the oldest first.
    #[command(after_help = "Example:\n  bursar approvals list --json")]
    List,
    /// Approve a proposal: what it proposes is done, once.
    #[command(after_help = "Example:\n  bursar approvals approve 0f3c… --reason 'checked with the bank'")]
    Approve(Named),
    /// Reject a proposal, or withdraw your own.
    #[command(after_help = "Example:\n  bursar approvals reject 0f3c… --reason 'it was paid by hand'")]
    Reject(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// The proposal's id, as `bursar approvals` prints it.
    id: String,
    #[command(flatten)]
    reason_arg: ReasonArg,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let open = context.store.proposals(&context.config.queues()).await?;
    let (named, is_approval) = match &arguments.act {
        None | Some(Act::List) => {
            for open in &open {
                print(&open.proposal, global)?;
            }
            return Ok(Exit::Done);
        }
        Some(Act::Approve(named)) => (named, true),
        Some(Act::Reject(named)) => (named, false),
    };
    let Some(open) = open.iter().find(|open| open.proposal.id == named.id) else {
        return Ok(no(format_args!("no open proposal has the id {}", one_line(&named.id))));
    };
    if is_approval {
        return approve(&context, open, &named.reason_arg, global).await;
    }
    let name = token_name(&context.config, &open.proposal.queue.account)?;
    match context.store.dismiss(open, named.reason_arg.operator_named(name.as_deref())).await? {
        Dismissed::Withdrawn => report(open, "withdrawn", global),
        Dismissed::Rejected => report(open, "rejected", global),
        Dismissed::Gone => Ok(no("the proposal is no longer open")),
    }
}

/// Approves a proposal for the operator whose token is in the environment.
pub(crate) async fn approve(
    context: &CommandContext,
    open: &OpenProposal,
    reason_arg: &ReasonArg,
    global: &Global,
) -> Result<Exit, Failure> {
    let name = second_name(&context.config, &open.proposal.queue.account)?;
    let second = Operator { who: &name, why: reason_arg.operator().why };
    match context.store.approve(open, second, VouchedBy::Token).await? {
        Approved::Done(Executed::Job(record)) if global.json => {
            line(serde_json::to_string(&record.view())?)?;
            Ok(Exit::Done)
        }
        Approved::Done(Executed::Job(record)) => {
            show(&record, &[])?;
            Ok(Exit::Done)
        }
        Approved::Done(Executed::Queue(_) | Executed::Dropped) => report(open, "approved", global),
        Approved::Gone => {
            Ok(no("the proposal is no longer open: it was approved, withdrawn or rejected, or it has expired"))
        }
        Approved::Void(change) => Ok(no(format_args!("nothing was done, and the proposal is removed: {change}"))),
        Approved::Refused(refused) => Ok(no(refused)),
        Approved::NotNow(rule) => Ok(no(rule)),
    }
}

/// Reports an action that a second operator must approve.
pub(crate) fn proposed(needed: &NeedsSecond, global: &Global) -> Result<Exit, Failure> {
    match needed {
        NeedsSecond::Proposed(open) => {
            print(&open.proposal, global)?;
            if !global.json {
                line(format_args!(
                    "nothing is done yet: another operator approves it with `{}`",
                    how_to_approve(&open.proposal)
                ))?;
            }
            Ok(Exit::Done)
        }
        NeedsSecond::OpenBefore(open) => {
            let Proposal { proposed_by, action, id, .. } = &open.proposal;
            let (who, what) = (one_line(proposed_by), action.as_str());
            Ok(no(format_args!("{who} has proposed {what} already: approve or reject proposal {id} first")))
        }
        NeedsSecond::TooMany => Ok(no("too many proposals are open: approve or reject some first")),
    }
}

/// The command of the second operator.
fn how_to_approve(proposal: &Proposal) -> String {
    let Proposal { queue, key, end, action, .. } = proposal;
    let key = one_line(key.as_deref().unwrap_or_default());
    let what = match (action, end) {
        (ApprovalAction::Resolve, Some(end)) => format!("resolve {key} --as {end}"),
        (ApprovalAction::Send | ApprovalAction::Resolve, _) => format!("send {key}"),
        (ApprovalAction::ResumeLostWrites, _) => format!("resume {queue}"),
        (ApprovalAction::QuarantineDrop, _) => format!("quarantine drop {key} --queue {queue}"),
    };
    format!("BURSAR_TOKEN=… bursar {what} --reason … --approve")
}

fn print(proposal: &Proposal, global: &Global) -> Result<(), Failure> {
    if global.json {
        return Ok(line(serde_json::to_string(&proposal.view())?)?);
    }
    let Proposal { id, action, queue, key, end, amount_fen, proposed_by, comment, expires_at, .. } = proposal;
    let key = key.as_deref().map(|key| format!(" {}", one_line(key))).unwrap_or_default();
    let end = end.map(|end| format!(" as {end}")).unwrap_or_default();
    let amount = amount_fen.map(|amount| format!(" {}", Fen::yuan(amount))).unwrap_or_default();
    let (who, why) = (one_line(proposed_by), one_line(comment));
    Ok(line(format_args!(
        "{id}  {}{end} {queue}{key}{amount}  until {}  {who}: {why}",
        action.as_str(),
        expires_at.rfc3339()
    ))?)
}

fn report(open: &OpenProposal, what: &str, global: &Global) -> Result<Exit, Failure> {
    let Proposal { id, action, queue, key, .. } = &open.proposal;
    if global.json {
        line(
            json!({"proposal": id, "action": action.as_str(), "queue": queue.to_string(), "key": key, "outcome": what}),
        )?;
    } else {
        line(format_args!("{} of {queue} is {what}", action.as_str()))?;
    }
    Ok(Exit::Done)
}

fn no(why: impl std::fmt::Display) -> Exit {
    eprintln!("bursar: {why}");
    Exit::No
}
