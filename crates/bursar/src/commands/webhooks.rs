//! `bursar callbacks` lists webhooks that wait or have failed, and has them delivered again.

use bursar_domain::{
    AuditAction, AuditTarget, HistoryEvent, Key, MAX_ACTIONS, Millis, ResendResult, Resent, WebhookState, WebhookView,
};
use bursar_store::{Origin, ResendOutcome, StoredAs, WebhookFilter};
use clap::{Args, Subcommand};

use crate::attribution::{Acting, Did};
use crate::commands::limit;
use crate::commands::operate::ReasonArg;
use crate::commands::show::words;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar callbacks list --receiver shop.example\n  bursar callbacks show 1001XP2025010110000001 --queue main/transfer\n  bursar callbacks resend --receiver shop.example --reason 'it is back'\n\nA webhook keeps its webhook-id at each attempt and each resend. Webhooks that cannot be delivered at all are in `bursar quarantine list`."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List webhooks that have failed, or that wait, with their receivers.
    #[command(
        after_help = "Example:\n  bursar callbacks list\n  bursar callbacks list --state waiting --account main --json"
    )]
    List {
        /// Those that failed, or those that wait: failed, waiting.
        #[arg(long, value_name = "STATE", default_value = "failed")]
        state: WebhookState,
        /// Only those of this receiver: a host, or a host and a port.
        #[arg(long, value_name = "HOST")]
        receiver: Option<String>,
        /// Only this account's.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
        limit: usize,
    },
    /// Show the undelivered webhooks of one job, and every attempt to deliver one.
    #[command(after_help = "Example:\n  bursar callbacks show 1001XP2025010110000001 --queue main/transfer")]
    Show {
        #[command(flatten)]
        name: Name,
    },
    /// Deliver the webhooks of one job again, or all failed ones of a receiver.
    #[command(
        after_help = "Example:\n  bursar callbacks resend ORDER-1 --queue main/transfer --reason 'it is back'\n  bursar callbacks resend --receiver shop.example --reason 'it is back'\n\nA waiting webhook is tried now. Exit 1 if one was not resent."
    )]
    Resend {
        /// The job's key, or the notification's number.
        #[arg(requires = "queue", required_unless_present = "receiver")]
        key: Option<String>,
        /// Account and kind: main/transfer. For a notification: main/notify.
        #[arg(long, value_name = "QUEUE", requires = "key")]
        queue: Option<Origin>,
        /// All failed webhooks of this receiver: a host, or a host and a port.
        #[arg(long, value_name = "HOST", conflicts_with = "key")]
        receiver: Option<String>,
        #[command(flatten)]
        reason_arg: ReasonArg,
    },
}

/// A job or a notification.
#[derive(Debug, Args)]
struct Name {
    /// The job's key, or the notification's number.
    key: String,
    /// Account and kind: main/transfer. For a notification: main/notify.
    #[arg(long, value_name = "QUEUE")]
    queue: Origin,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    match &arguments.act {
        Act::List { state, receiver, account, limit } => {
            let filter = WebhookFilter { state: *state, receiver: receiver.as_deref() };
            let found = undelivered(&context, account.as_deref(), filter, *limit).await?;
            for view in &found {
                print(view, global)?;
            }
            if found.len() >= *limit && !global.json {
                eprintln!("bursar: {limit} shown; there may be more (--limit)");
            }
            Ok(Exit::Done)
        }
        Act::Show { name } => show(&context, name, global).await,
        Act::Resend { key: Some(key), queue: Some(queue), reason_arg, .. } => {
            let acting = reason_arg.acting(&context).await?;
            resend_all(&context, &acting, &[(queue.clone(), key.clone())], global).await
        }
        Act::Resend { receiver: Some(receiver), reason_arg, .. } => {
            let acting = reason_arg.acting(&context).await?;
            let filter = WebhookFilter { state: WebhookState::Failed, receiver: Some(receiver) };
            let failed = undelivered(&context, None, filter, MAX_ACTIONS).await?;
            let names = failed.iter().filter_map(|view| Some((view.queue.parse().ok()?, view.key.clone())));
            let names: Vec<(Origin, String)> = names.collect();
            if names.is_empty() {
                return Err(Failure::no(format_args!("no webhook to {} has failed", one_line(receiver))));
            }
            resend_all(&context, &acting, &names, global).await
        }
        Act::Resend { .. } => Err(UsageError("name a job by KEY and --queue, or give --receiver".to_owned()).into()),
    }
}

/// The undelivered webhooks of an account, or of all.
async fn undelivered(
    context: &CommandContext,
    account: Option<&str>,
    filter: WebhookFilter<'_>,
    limit: usize,
) -> Result<Vec<WebhookView>, Failure> {
    let queues = context.queues(account, None)?;
    let mut accounts: Vec<_> = queues.iter().map(|queue| queue.account.clone()).collect();
    accounts.dedup(); // an account's queues follow each other
    let origins = queues.into_iter().map(Origin::Jobs).chain(accounts.into_iter().map(Origin::Notifications));
    let mut found = Vec::new();
    for origin in origins {
        if found.len() < limit {
            found.extend(context.store.undelivered(&origin, filter, limit - found.len()).await?);
        }
    }
    Ok(found)
}

fn print(view: &WebhookView, global: &Global) -> Result<(), Failure> {
    if global.json {
        return Ok(line(serde_json::to_string(view)?)?);
    }
    let at = view.failed_at.as_deref().or(view.due_at.as_deref()).unwrap_or("-");
    let receiver = one_line(view.receiver.as_deref().unwrap_or("-"));
    let event_type = view.event_type.as_deref().unwrap_or("-");
    let more = if view.events > 1 { format!(" and {} more", view.events - 1) } else { String::new() };
    let attempts =
        if view.failed_attempts > 0 { format!(", {} failed attempts", view.failed_attempts) } else { String::new() };
    Ok(line(format_args!(
        "{:<24} {:<24} {:<8} {at} {event_type}{more} {receiver}{attempts}",
        view.queue,
        one_line(&view.key),
        view.state.as_str(),
    ))?)
}

async fn show(context: &CommandContext, name: &Name, global: &Global) -> Result<Exit, Failure> {
    let undelivered = context.store.undelivered_of(&name.queue, &name.key).await?;
    for view in &undelivered {
        print(view, global)?;
        if !global.json {
            line(format_args!("  webhook-id {}", view.webhook_id.as_deref().unwrap_or("-")))?;
        }
    }
    let history = history(context, name).await?;
    let attempts =
        history.iter().filter(|event| matches!(event, HistoryEvent::Delivery(_) | HistoryEvent::WebhookResent(_)));
    let mut is_empty = undelivered.is_empty();
    for event in attempts {
        is_empty = false;
        if global.json {
            line(event.view())?;
        } else {
            let at = event.at().map(Millis::rfc3339).unwrap_or_default();
            line(format_args!("  {at} {:<15} {}", event.name(), words(event)))?;
        }
    }
    if is_empty {
        eprintln!("bursar: {} of {} has no webhook", one_line(&name.key), name.queue);
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

async fn history(context: &CommandContext, name: &Name) -> Result<Vec<HistoryEvent>, Failure> {
    match &name.queue {
        Origin::Jobs(queue) => {
            let key: Key =
                name.key.parse().map_err(|error| UsageError(format!("{}: a key {error}", one_line(&name.key))))?;
            match context.store.job(queue, &key).await? {
                Some(StoredAs::Job(record)) => Ok(context.store.history(&record).await?),
                Some(StoredAs::Unreadable { .. }) | None => Ok(Vec::new()),
            }
        }
        Origin::Notifications(account) => {
            let number = name.key.parse().map_err(|_| UsageError("a notification has a number".to_owned()))?;
            Ok(context.store.notification_history(account, number).await?)
        }
    }
}

async fn resend_all(
    context: &CommandContext,
    acting: &Acting<'_>,
    names: &[(Origin, String)],
    global: &Global,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for (origin, key) in names {
        let mut result =
            ResendResult { queue: origin.to_string(), key: key.clone(), outcome: Resent::Failed, events: 0 };
        let act = async {
            let resent = context.store.resend_webhooks(origin, key, acting.operator()).await?;
            (result.outcome, result.events) = match resent {
                ResendOutcome::Due(events) => (Resent::Resent, events),
                ResendOutcome::NothingToResend => (Resent::NothingToResend, 0),
                ResendOutcome::UnderWay => (Resent::UnderWay, 0),
                ResendOutcome::TooMany => (Resent::TooMany, 0),
            };
            Ok(match result.outcome {
                Resent::Resent => Did::new(Exit::Done, format!("{} events", result.events)),
                Resent::NothingToResend | Resent::UnderWay | Resent::TooMany | Resent::Failed => {
                    Did::refused(result.outcome.text())
                }
            })
        };
        let target = AuditTarget::entry(origin, key).of(origin.account());
        let did = acting.recorded(AuditAction::WebhookResend, target, act).await?;
        if did.exit() != Exit::Done {
            exit = Exit::No;
        }
        if global.json {
            line(serde_json::to_string(&result)?)?;
        } else {
            let what = match result.outcome {
                Resent::Resent => format!("{} webhooks are due now", result.events),
                Resent::NothingToResend | Resent::UnderWay | Resent::TooMany | Resent::Failed => {
                    result.outcome.text().to_owned()
                }
            };
            line(format_args!("{:<24} {:<24} {what}", result.queue, one_line(&result.key)))?;
        }
    }
    Ok(exit)
}
