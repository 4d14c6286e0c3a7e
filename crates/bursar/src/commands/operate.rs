//! `bursar query|send|resolve|cancel KEY --reason …`: an operator's action on one job, recorded with operator and reason. Several keys,
//! `--keys` and `--in-state` choose many jobs: see `operate_many`.

use bursar_domain::{AuditTarget, Key, MAX_REASON_CHARS, Operation, Queue, State, is_reason, last_action};
use bursar_store::{JobRecord, Operated, StoredAs};
use clap::Args;

use crate::attribution::{Acting, Did, Identification};
use crate::commands::approvals;
use crate::commands::operate_many::{Many, operate_many};
use crate::commands::show::{Place, show, unreadable};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};

/// The job, the operator and the reason.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The `platform_no` of one job or of several.
    #[arg(value_name = "KEY")]
    keys: Vec<Key>,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    reason_arg: ReasonArg,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    /// The only job that is meant; `None` where the options choose many.
    ///
    /// # Errors
    /// [`UsageError`] where none is meant.
    fn only_key(&self) -> Result<Option<&Key>, UsageError> {
        match self.keys.as_slice() {
            _ if self.many.is_given() => Ok(None),
            [] => Err(UsageError("name a job by its KEY, or choose jobs with --keys or --in-state".to_owned())),
            [key] => Ok(Some(key)),
            _ => Ok(None),
        }
    }
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

/// Parses a reason.
pub(crate) fn reason(text: &str) -> Result<String, String> {
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
    after_help = "Example:\n  bursar resolve ORDER-1 --as succeeded --reason 'seen on the statement'\n  bursar resolve --keys paid.txt --as succeeded --reason 'paid' --preview"
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
    after_help = "Example:\n  bursar send ORDER-1 --reason 'the gateway says that it never arrived'\n  bursar send --in-state needs_review --reason 'it is back' --preview\n\nWhere server.approvals = 2, this proposes it, and another operator approves it with --approve. Both need their tokens (--token-file, BURSAR_TOKEN)."
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
    /// Approve what another operator has proposed. It needs your operator's token (--token-file, BURSAR_TOKEN).
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

/// Approves the proposal of this operation on the job.
async fn approve(arguments: &Arguments, operation: Operation, global: &Global) -> Result<Exit, Failure> {
    let Some(key) = arguments.only_key()? else {
        return Err(UsageError("--approve is for one job at a time".to_owned()).into());
    };
    let context = CommandContext::open(global.config.as_deref()).await?;
    let acting = arguments.reason_arg.acting(&context).await?;
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    let found = context.find(key, &queues).await?;
    let target = target(key, &found);
    let record = match only(key, &found) {
        Ok(record) => record,
        Err(why) => return approvals::nothing_to_approve(&acting, target, why).await,
    };
    let open = context.store.proposal_about(&record.queue, Some(record.key.as_str())).await?;
    let Some(open) = open.filter(|open| open.proposal.is_of(operation)) else {
        let what = operation.as_str();
        let why = format_args!("no open proposal says so: {what} {key} (`bursar approvals`)");
        return approvals::nothing_to_approve(&acting, target, why).await;
    };
    approvals::approve(&context, &acting, &open, global).await
}

async fn operate(arguments: &Arguments, operation: Operation, global: &Global) -> Result<Exit, Failure> {
    let key = arguments.only_key()?;
    let context = CommandContext::open(global.config.as_deref()).await?;
    let acting = arguments.reason_arg.acting(&context).await?;
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    let Some(key) = key else {
        return operate_many(&context, &acting, (&arguments.keys, &arguments.many, &queues), operation, global).await;
    };
    let found = context.find(key, &queues).await?;
    let act = operate_on(&context, &acting, key, &found, operation, global);
    acting.record(operation.into(), target(key, &found), act).await
}

fn target(key: &Key, found: &[(&Queue, StoredAs)]) -> AuditTarget {
    match found {
        [(queue, _)] => AuditTarget::job(queue, key),
        _ => AuditTarget { key: Some(key.to_string()), ..AuditTarget::default() },
    }
}

/// The only job that was found.
///
/// # Errors
/// Why there is none.
fn only<'a>(key: &Key, found: &'a [(&Queue, StoredAs)]) -> Result<&'a JobRecord, String> {
    match found {
        [(_, StoredAs::Job(record))] => Ok(record),
        [(queue, StoredAs::Unreadable { key, why })] => Err(unreadable(queue, key, why).to_string()),
        [] => Err(format!("there is no job {key}")),
        several => {
            let queues: Vec<String> = several.iter().map(|(queue, _)| queue.to_string()).collect();
            Err(format!("{key} is the key of several jobs ({}): name one with --account and --kind", queues.join(", ")))
        }
    }
}

/// Operates on the only job that was found, or proposes it.
async fn operate_on(
    context: &CommandContext,
    acting: &Acting<'_>,
    key: &Key,
    found: &[(&Queue, StoredAs)],
    operation: Operation,
    global: &Global,
) -> Result<Did, Failure> {
    let record = match only(key, found) {
        Ok(record) => record,
        Err(why) => return Ok(Did::no(why)),
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
        Operated::NeedsSecond(needed) => approvals::proposed(&needed, global)?,
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
