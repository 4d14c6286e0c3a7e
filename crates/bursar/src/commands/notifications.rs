//! `bursar notifications` lists the gateways' notifications, and those that need an operator.

use bursar_domain::{AccountName, HistoryEvent, Millis, NotificationView};
use bursar_gateways::masked;
use bursar_store::{NotificationFilter, Store};
use clap::Args;

use crate::commands::limit;
use crate::commands::show::words;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar notifications --account main\n  bursar notifications --held\n  bursar notifications 17 --account main --full"
)]
pub(crate) struct Arguments {
    /// Only the notification with this number, with its deliveries.
    number: Option<u64>,
    /// Only this account's.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Show those that were signed and could not be read, instead of the others.
    #[arg(long)]
    held: bool,
    /// Show personal names and account numbers unmasked.
    #[arg(long)]
    full: bool,
    /// At most this many, newest first.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = limit)]
    limit: usize,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let queues = context.queues(arguments.account.as_deref(), None)?;
    let mut accounts: Vec<AccountName> = queues.into_iter().map(|queue| queue.account).collect();
    accounts.dedup(); // an account's queues stand together
    match arguments.number {
        Some(number) => one(arguments, global, &context.store, &accounts, number).await,
        None => list(arguments, global, &context.store, &accounts).await,
    }
}

async fn list(
    arguments: &Arguments,
    global: &Global,
    store: &Store,
    accounts: &[AccountName],
) -> Result<Exit, Failure> {
    let filter = if arguments.held { NotificationFilter::Held } else { NotificationFilter::Read };
    let mut left = arguments.limit;
    for account in accounts {
        let mut before = None;
        while left > 0 {
            let page = store.notifications(account, filter, before, left).await?;
            let Some(last) = page.last().map(|view| view.id) else { break };
            before = Some(last);
            left = left.saturating_sub(page.len());
            for view in page {
                print(&shown(view, arguments), &[], global)?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn one(
    arguments: &Arguments,
    global: &Global,
    store: &Store,
    accounts: &[AccountName],
    number: u64,
) -> Result<Exit, Failure> {
    let [account] = accounts else {
        return Err(UsageError("notifications are numbered per account: name one with --account".into()).into());
    };
    let Some(view) = store.notification(account, number).await? else {
        eprintln!("bursar: {account} has no notification {number}");
        return Ok(Exit::No);
    };
    let webhooks = store.notification_history(account, number).await?;
    print(&shown(view, arguments), &webhooks, global)?;
    Ok(Exit::Done)
}

fn shown(view: NotificationView, arguments: &Arguments) -> NotificationView {
    if arguments.full { view } else { NotificationView { content: masked(&view.content), ..view } }
}

fn print(view: &NotificationView, webhooks: &[HistoryEvent], global: &Global) -> Result<(), Failure> {
    if global.json {
        let mut object = serde_json::to_value(view)?;
        if !webhooks.is_empty() {
            object["webhooks"] = webhooks.iter().map(HistoryEvent::view).collect();
        }
        return Ok(line(object)?);
    }
    let late = if view.late { " late" } else { "" };
    let why = view.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    line(format_args!(
        "{} {:<6} {} {} {} v{} {}{late}{}",
        view.account,
        view.id,
        view.received_at,
        one_line(&view.method),
        one_line(view.record_id.as_deref().unwrap_or("-")),
        view.version,
        view.outcome.as_str(),
        one_line(&why)
    ))?;
    line(format_args!("    {}", one_line(&view.content.to_string())))?;
    for event in webhooks {
        let at = event.at().map(Millis::rfc3339).unwrap_or_default();
        line(format_args!("    {at} {} {}", event.name(), words(event)))?;
    }
    Ok(())
}
