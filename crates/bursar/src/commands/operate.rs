//! `bursar query|send|resolve|cancel KEY --reason …`: an operator's action on one job, recorded with operator and reason.

use bursar_domain::{Key, MAX_REASON_CHARS, Operation, State, is_reason, last_action};
use bursar_store::{JobRecord, Operated, Operator, StoredAs};
use clap::Args;

use crate::approvals::token_name;
use crate::commands::approvals;
use crate::commands::show::{Place, show, unreadable};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

/// The job, the operator and the reason.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The job's `platform_no`.
    key: Key,
    #[command(flatten)]
    reason_arg: ReasonArg,
    #[command(flatten)]
    place: Place,
}

/// The operator and the reason.
#[derive(Debug, Args)]
pub(crate) struct ReasonArg {
    /// The reason, in your words. It is recorded with the action.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// The operator. Your login if left out.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
    who: String,
}

fn reason(text: &str) -> Result<String, String> {
    let rule = || format!("must be a text of 1 to {MAX_REASON_CHARS} characters, without control characters");
    is_reason(text).then(|| text.to_owned()).ok_or_else(rule)
}

impl ReasonArg {
    pub(crate) fn operator(&self) -> Operator<'_> {
        Operator { who: &self.who, why: &self.reason }
    }

    /// The same with the name of the operator's token, where a token is given.
    pub(crate) fn operator_named<'a>(&'a self, token_name: Option<&'a str>) -> Operator<'a> {
        Operator { who: token_name.unwrap_or(&self.who), why: &self.reason }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar resolve 1001XP2025010110000001 --as succeeded --reason 'seen on the bank statement of 3 March'"
)]
pub(crate) struct Resolve {
    #[command(flatten)]
    on: Arguments,
    /// The known outcome: succeeded, failed or refunded.
    #[arg(long = "as", alias = "state", value_name = "STATE", value_parser = end)]
    end: State,
    #[command(flatten)]
    as_second: AsSecond,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar send 1001XP2025010110000001 --reason 'the gateway confirmed that it never arrived'\n\nWhere server.approvals = 2, this proposes it, and another operator approves it with --approve."
)]
pub(crate) struct Send {
    #[command(flatten)]
    on: Arguments,
    #[command(flatten)]
    as_second: AsSecond,
}

/// The second operator's flag.
#[derive(Debug, Args)]
pub(crate) struct AsSecond {
    /// Approve what another operator has proposed. The variable BURSAR_TOKEN must hold your operator's token.
    #[arg(long)]
    pub(crate) approve: bool,
}

fn end(text: &str) -> Result<State, &'static str> {
    let ends = [State::Succeeded, State::Failed, State::Refunded];
    ends.into_iter().find(|end| end.as_str() == text).ok_or("must be succeeded, failed or refunded")
}

pub(crate) async fn query(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    operate(arguments, Operation::Query, global).await
}

pub(crate) async fn send(arguments: &Send, global: &Global) -> Result<Exit, Failure> {
    match arguments.as_second.approve {
        true => approve(&arguments.on, Operation::Send, global).await,
        false => operate(&arguments.on, Operation::Send, global).await,
    }
}

pub(crate) async fn resolve(arguments: &Resolve, global: &Global) -> Result<Exit, Failure> {
    let operation = Operation::Resolve(arguments.end);
    match arguments.as_second.approve {
        true => approve(&arguments.on, operation, global).await,
        false => operate(&arguments.on, operation, global).await,
    }
}

pub(crate) async fn cancel(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    operate(arguments, Operation::Cancel, global).await
}

/// The one job that the arguments name; `Err` with the end of the command if there is none.
async fn named(context: &CommandContext, arguments: &Arguments) -> Result<Result<Box<JobRecord>, Exit>, Failure> {
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    let mut found = context.find(&arguments.key, &queues).await?;
    if found.len() > 1 {
        let queues: Vec<String> = found.iter().map(|(queue, _)| queue.to_string()).collect();
        return Ok(Err(no(format_args!(
            "{} is the key of several jobs ({}): name one with --account and --kind",
            arguments.key,
            queues.join(", ")
        ))));
    }
    Ok(match found.pop() {
        Some((_, StoredAs::Job(record))) => Ok(record),
        Some((queue, StoredAs::Unreadable { key, why })) => Err(no(unreadable(queue, &key, &why))),
        None => Err(no(format_args!("there is no job {}", arguments.key))),
    })
}

/// Approves the proposal of this operation on the job.
async fn approve(arguments: &Arguments, operation: Operation, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let record = match named(&context, arguments).await? {
        Ok(record) => record,
        Err(exit) => return Ok(exit),
    };
    let open = context.store.proposal_about(&record.queue, Some(record.key.as_str())).await?;
    let Some(open) = open.filter(|open| open.proposal.is_of(operation)) else {
        let what = operation.as_str();
        return Ok(no(format_args!("no open proposal says so: {what} {} (`bursar approvals`)", arguments.key)));
    };
    approvals::approve(&context, &open, &arguments.reason_arg, global).await
}

async fn operate(arguments: &Arguments, operation: Operation, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let record = &match named(&context, arguments).await? {
        Ok(record) => record,
        Err(exit) => return Ok(exit),
    };
    let name = token_name(&context.config, &record.queue.account)?;
    let operator = arguments.reason_arg.operator_named(name.as_deref());
    Ok(match context.store.operate(&record.queue, &record.key, operation, operator).await? {
        Operated::Done(record) => {
            if global.json {
                line(serde_json::to_string(&record.view())?)?
            } else {
                show(&record, &[])?
            }
            Exit::Done
        }
        Operated::Unknown => no(format_args!("there is no job {}", arguments.key)),
        Operated::Unreadable(why) => no(unreadable(&record.queue, &record.key, &why)),
        Operated::Claimed(_) => no(format_args!(
            "a worker is calling the gateway for {} at this moment: try again when it has finished",
            arguments.key
        )),
        Operated::Changed => no(format_args!("{} has changed meanwhile: check it and try again", arguments.key)),
        Operated::NeedsSecond(needed) => approvals::proposed(&needed, global)?,
        Operated::Refused(refused) => {
            let log = context.store.history(record).await?;
            match last_action(&log) {
                Some(last) => no(format_args!("{refused}. The last action was {}", one_line(&last.to_string()))),
                None => no(refused),
            }
        }
    })
}

fn no(why: impl std::fmt::Display) -> Exit {
    eprintln!("bursar: {why}");
    Exit::No
}
