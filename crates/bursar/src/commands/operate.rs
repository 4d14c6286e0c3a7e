//! `bursar query|send|resolve|cancel KEY --reason …`: an operator's action on one job, recorded with operator and reason.

use bursar_domain::{AuditTarget, Key, MAX_REASON_CHARS, Operation, Queue, State, is_reason, last_action};
use bursar_store::{JobRecord, Operated, StoredAs};
use clap::Args;

use crate::attribution::{Acting, Did, Identification};
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
    #[command(flatten)]
    identification: Identification,
}

fn reason(text: &str) -> Result<String, String> {
    let rule = || format!("must be a text of 1 to {MAX_REASON_CHARS} characters, without control characters");
    is_reason(text).then(|| text.to_owned()).ok_or_else(rule)
}

impl ReasonArg {
    /// The operator who acts for this reason.
    pub(crate) async fn acting<'a>(&'a self, context: &'a CommandContext) -> Result<Acting<'a>, Failure> {
        self.identification.acting(context, Some(&self.reason)).await
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
}

fn end(text: &str) -> Result<State, &'static str> {
    let ends = [State::Succeeded, State::Failed, State::Refunded];
    ends.into_iter().find(|end| end.as_str() == text).ok_or("must be succeeded, failed or refunded")
}

pub(crate) async fn query(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    operate(arguments, Operation::Query, global).await
}

pub(crate) async fn send(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    operate(arguments, Operation::Send, global).await
}

pub(crate) async fn resolve(arguments: &Resolve, global: &Global) -> Result<Exit, Failure> {
    operate(&arguments.on, Operation::Resolve(arguments.end), global).await
}

pub(crate) async fn cancel(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    operate(arguments, Operation::Cancel, global).await
}

async fn operate(arguments: &Arguments, operation: Operation, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let acting = arguments.reason_arg.acting(&context).await?;
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    let found = context.find(&arguments.key, &queues).await?;
    let target = match found.as_slice() {
        [(queue, _)] => AuditTarget::job(queue, &arguments.key),
        _ => AuditTarget { key: Some(arguments.key.to_string()), ..AuditTarget::default() },
    };
    let act = operate_on(&context, &acting, &arguments.key, &found, operation, global);
    acting.record(operation.into(), target, act).await
}

/// Operates on the only job that was found.
async fn operate_on(
    context: &CommandContext,
    acting: &Acting<'_>,
    key: &Key,
    found: &[(&Queue, StoredAs)],
    operation: Operation,
    global: &Global,
) -> Result<Did, Failure> {
    let record = match found {
        [(_, StoredAs::Job(record))] => record,
        [(queue, StoredAs::Unreadable { key, why })] => return Ok(Did::no(unreadable(queue, key, why))),
        [] => return Ok(Did::no(format_args!("there is no job {key}"))),
        several => {
            let queues: Vec<String> = several.iter().map(|(queue, _)| queue.to_string()).collect();
            return Ok(Did::no(format_args!(
                "{key} is the key of several jobs ({}): name one with --account and --kind",
                queues.join(", ")
            )));
        }
    };
    Ok(match context.store.operate(&record.queue, &record.key, operation, acting.operator()).await? {
        Operated::Done(record) => {
            if global.json {
                line(serde_json::to_string(&record.view())?)?
            } else {
                show(&record, &[])?
            }
            Did::new(Exit::Done, record.state.as_str())
        }
        Operated::Unknown => Did::no(format_args!("there is no job {key}")),
        Operated::Unreadable(why) => Did::no(unreadable(&record.queue, &record.key, &why)),
        Operated::Claimed(_) => Did::no(format_args!(
            "a worker is calling the gateway for {key} at this moment: try again when it has finished"
        )),
        Operated::Changed => Did::no(format_args!("{key} has changed meanwhile: check it and try again")),
        Operated::Refused(refused) => not_allowed(context, record, &refused.to_string()).await?,
    })
}

/// The rule that refuses the operation, with the last action.
async fn not_allowed(context: &CommandContext, record: &JobRecord, rule: &str) -> Result<Did, Failure> {
    let log = context.store.history(record).await?;
    Ok(match last_action(&log) {
        Some(last) => Did::no(format_args!("{rule}. The last action was {}", one_line(&last.to_string()))),
        None => Did::no(rule),
    })
}
