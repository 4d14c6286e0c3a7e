//! `bursar approvals` lists the actions that wait for a second operator. An operator approves or rejects them by their ids; `--approve` of an
//! action's own command approves by its names.

use std::fmt::Display;

use bursar_domain::{ApprovalAction, ApprovalRefused, AuditAction, AuditTarget, Fen, Proposal};
use bursar_store::{Approved, Dismissed, Executed, NeedsSecond, OpenProposal};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::attribution::{Acting, Did};
use crate::commands::operate::ReasonArg;
use crate::commands::show::show;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar approvals\n  bursar approvals approve 0f3c… --reason 'checked with the bank'\n  bursar approvals reject 0f3c… --reason 'it was paid by hand'\n\nA proposal needs an operator's token, and its approval the token of another operator (--token-file, BURSAR_TOKEN). Exit 1 if nothing was done."
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
    let (named, action) = match &arguments.act {
        None | Some(Act::List) => {
            for open in &open {
                print(&open.proposal, global)?;
            }
            return Ok(Exit::Done);
        }
        Some(Act::Approve(named)) => (named, AuditAction::Approve),
        Some(Act::Reject(named)) => (named, AuditAction::Reject),
    };
    let acting = named.reason_arg.acting(&context).await?;
    match open.iter().find(|open| open.proposal.id == named.id) {
        Some(open) if action == AuditAction::Approve => approve(&context, &acting, open, global).await,
        Some(open) => {
            let act = reject(&context, &acting, open, global);
            acting.record(action, AuditTarget::proposal(&open.proposal), act).await
        }
        None => {
            let why = format!("no open proposal has the id {}", one_line(&named.id));
            acting.record(action, AuditTarget::default(), async { Ok(Did::no(why)) }).await
        }
    }
}

async fn reject(
    context: &CommandContext,
    acting: &Acting<'_>,
    open: &OpenProposal,
    global: &Global,
) -> Result<Did, Failure> {
    match context.store.dismiss(open, acting.operator()).await? {
        Dismissed::Withdrawn => report(open, "withdrawn", global),
        Dismissed::Rejected => report(open, "rejected", global),
        Dismissed::Gone => Ok(Did::no("the proposal is no longer open")),
    }
}

/// Approves a proposal for an operator with a token, and records that in the audit trail with both operators.
pub(crate) async fn approve(
    context: &CommandContext,
    acting: &Acting<'_>,
    open: &OpenProposal,
    global: &Global,
) -> Result<Exit, Failure> {
    let act = approve_unrecorded(context, acting, open, global);
    acting.record(AuditAction::Approve, AuditTarget::proposal(&open.proposal), act).await
}

async fn approve_unrecorded(
    context: &CommandContext,
    acting: &Acting<'_>,
    open: &OpenProposal,
    global: &Global,
) -> Result<Did, Failure> {
    match context.store.approve(open, acting.operator()).await? {
        Approved::Done(Executed::Job(record)) => {
            if global.json {
                line(serde_json::to_string(&record.view())?)?;
            } else {
                show(&record, &[])?;
            }
            Ok(Did::new(Exit::Done, format!("{}: {}", open.proposal.named(), record.state)))
        }
        Approved::Done(Executed::Queue(_) | Executed::Dropped) => report(open, "approved", global),
        Approved::Gone => {
            Ok(Did::no("the proposal is no longer open: it was approved, withdrawn or rejected, or it has expired"))
        }
        Approved::Void(change) => Ok(Did::no(format_args!("nothing was done, and the proposal is removed: {change}"))),
        Approved::Refused(ApprovalRefused::NoToken(_)) => Err(without_token("an approval")),
        Approved::Refused(refused) => Ok(Did::no(refused)),
        Approved::NotNow(rule) => Ok(Did::no(rule)),
    }
}

/// A system user alone would be both operators: two tokens distinguish them.
fn without_token(what: &str) -> Failure {
    UsageError(format!("{what} needs an operator's token: --token-file, or the variable BURSAR_TOKEN")).into()
}

/// Records an approval of which there is no proposal.
pub(crate) async fn nothing_to_approve(
    acting: &Acting<'_>,
    target: AuditTarget,
    why: impl Display,
) -> Result<Exit, Failure> {
    acting.record(AuditAction::Approve, target, async { Ok(Did::no(why)) }).await
}

/// Reports an action that a second operator must approve.
pub(crate) fn proposed(needed: &NeedsSecond, global: &Global) -> Result<Did, Failure> {
    match needed {
        NeedsSecond::Proposed(open) => {
            print(&open.proposal, global)?;
            if !global.json {
                line(format_args!(
                    "nothing is done yet: another operator approves it with `{}`",
                    how_to_approve(&open.proposal)
                ))?;
            }
            Ok(Did::proposed(open.proposal.named()))
        }
        NeedsSecond::OpenBefore(open) => {
            let Proposal { proposed_by, action, id, .. } = &open.proposal;
            let (who, what) = (one_line(proposed_by), action.as_str());
            Ok(Did::no(format_args!("{who} has proposed {what} already: approve or reject proposal {id} first")))
        }
        NeedsSecond::NoToken => Err(without_token("server.approvals is 2: a proposal")),
        NeedsSecond::TooMany => Ok(Did::no("too many proposals are open: approve or reject some first")),
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

fn report(open: &OpenProposal, what: &str, global: &Global) -> Result<Did, Failure> {
    let Proposal { id, action, queue, key, .. } = &open.proposal;
    if global.json {
        line(
            json!({"proposal": id, "action": action.as_str(), "queue": queue.to_string(), "key": key, "outcome": what}),
        )?;
    } else {
        line(format_args!("{} of {queue} is {what}", action.as_str()))?;
    }
    Ok(Did::new(Exit::Done, format!("{}: {what}", open.proposal.named())))
}
