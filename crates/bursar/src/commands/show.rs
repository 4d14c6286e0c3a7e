//! `bursar show KEY` shows a job's state and history.

use bursar_domain::{
    AuditAction, AuditTarget, EndedBy, Fen, HistoryEvent, Key, Kind, Millis, Queue, Reason, Receiver, Shown,
    whole_fields,
};
use bursar_store::{JobRecord, StoredAs, Unreadable};
use clap::Args;
use serde_json::{Value, json};

use crate::attribution::{Did, Identification};
use crate::commands::operate::reason;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar show 1001XP2025010110000001\n  bursar show 1001XP2025010110000001 --json\n  bursar show ORDER-1 --reveal --reason 'the payee asks for the account'\n\nAccount numbers and names are masked. --reveal shows the whole content to an operator, and is an event of the audit trail."
)]
pub(crate) struct Arguments {
    /// The job's `platform_no`.
    key: Key,
    #[command(flatten)]
    place: Place,
    /// Show the whole content, unmasked. It is recorded with your name and the reason.
    #[arg(long, requires = "reason")]
    reveal: bool,
    /// The reason, in your words.
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "reveal")]
    reason: Option<String>,
    #[command(flatten)]
    identification: Identification,
}

/// The form in which a job is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Masked,
    Revealed,
}

/// Narrows a command to some queues; a key is unique within one queue only.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Only this account.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Only this kind.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
}

impl Place {
    /// The same in the audit trail.
    pub(crate) fn target(&self) -> AuditTarget {
        let queue = self.account.as_ref().zip(self.kind).map(|(account, kind)| format!("{account}/{kind}"));
        AuditTarget { account: self.account.clone(), queue, ..AuditTarget::default() }
    }
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    if !arguments.reveal {
        return print(&context, &arguments.key, &queues, global, Form::Masked).await;
    }
    let acting = arguments.identification.acting(&context, arguments.reason.as_deref()).await?;
    let found = context.find(&arguments.key, &queues).await?;
    let target = match found.as_slice() {
        [(queue, _)] => AuditTarget::job(queue, &arguments.key),
        [] | [_, ..] => AuditTarget { key: Some(arguments.key.to_string()), ..arguments.place.target() },
    };
    let act = async {
        let exit = print(&context, &arguments.key, &queues, global, Form::Revealed).await?;
        Ok(Did::quietly(exit))
    };
    acting.record(AuditAction::Reveal, target, act).await
}

/// Prints the jobs of this key.
async fn print(
    context: &CommandContext,
    key: &Key,
    queues: &[Queue],
    global: &Global,
    form: Form,
) -> Result<Exit, Failure> {
    let found = context.find(key, queues).await?;
    let mut exit = Exit::Done;
    for (queue, job) in &found {
        match job {
            StoredAs::Job(record) => {
                let history = context.store.history(record).await?;
                match (global.json, form) {
                    (true, Form::Masked) => line(object(record, &history)?)?,
                    (true, Form::Revealed) => line(revealed_object(record, &history)?)?,
                    (false, Form::Masked) => show(record, &history)?,
                    (false, Form::Revealed) => {
                        show(record, &history)?;
                        show_content(record)?;
                    }
                }
            }
            StoredAs::Unreadable { key, why } => {
                if global.json {
                    line(unreadable_object(queue, key, why))?;
                }
                eprintln!("bursar: {}", unreadable(queue, key, why));
                exit = Exit::No;
            }
        }
    }
    if found.is_empty() {
        eprintln!("bursar: there is no job {key} in {} queues", queues.len());
        return Ok(Exit::No);
    }
    Ok(exit)
}

/// Names a job that this build cannot read, and what to do.
pub(crate) fn unreadable(queue: &Queue, key: &Key, why: &Unreadable) -> String {
    let then = match why {
        Unreadable::Newer { .. } => "use that build",
        Unreadable::Damaged(_) => "`bursar quarantine list` names it once it is due",
    };
    format!(
        "job {} in {queue} cannot be read by this build: {}; {then}",
        one_line(key.as_str()),
        one_line(&why.to_string())
    )
}

/// The same for machines: no state has this word.
pub(crate) fn unreadable_object(queue: &Queue, key: &Key, why: &Unreadable) -> Value {
    json!({
        "account": queue.account, "kind": queue.kind, "platform_no": key, "state": "unreadable",
        "unreadable": why.to_string(),
    })
}

/// A job as JSON, with its history.
pub(crate) fn object(record: &JobRecord, history: &[HistoryEvent]) -> serde_json::Result<Value> {
    let mut job = serde_json::to_value(record.view())?;
    job["history"] = history.iter().map(HistoryEvent::view).collect();
    Ok(job)
}

/// The same with the whole content and the whole parties.
fn revealed_object(record: &JobRecord, history: &[HistoryEvent]) -> serde_json::Result<Value> {
    let mut job = object(record, history)?;
    if let (Value::Object(job), Value::Object(whole)) = (&mut job, serde_json::to_value(record.details(Shown::Whole))?)
    {
        job.extend(whole);
    }
    job["content"] =
        record.content.as_deref().and_then(|content| serde_json::from_str(content).ok()).unwrap_or_default();
    Ok(job)
}

/// The whole content as text.
fn show_content(record: &JobRecord) -> std::io::Result<()> {
    line("  content, as it is sent; this was recorded in the audit trail:")?;
    for (name, text) in record.content.as_deref().map(whole_fields).unwrap_or_default() {
        line(format_args!("    {name:<24} {}", one_line(&text)))?;
    }
    Ok(())
}

/// The operator who ended a job, by the reason for its state.
fn ended_by(record: &JobRecord, by: EndedBy) -> String {
    match (by, &record.reason) {
        (EndedBy::Operator, Some(Reason::OperatorAction { operator, action, .. })) => {
            format!("operator {operator} ({}), not the gateway", action.as_str())
        }
        (EndedBy::Operator, Some(_) | None) => "an operator, not the gateway".to_owned(),
        (EndedBy::Gateway | EndedBy::Bursar, _) => by.as_str().to_owned(),
    }
}

/// An amount in yuan, with the fen that programs read.
fn amount(fen: Fen) -> String {
    format!("{} ({} fen)", fen.yuan(), fen.get())
}

/// A job as text.
pub(crate) fn show(record: &JobRecord, history: &[HistoryEvent]) -> std::io::Result<()> {
    let view = record.view();
    line(format_args!("{} {}", record.queue, record.key))?;
    let details = view.details;
    let receiver = |to: &Receiver| format!("{} {}", to.receiver, to.share.as_deref().unwrap_or_default());
    let receivers: Vec<String> = details.receivers.iter().map(|to| receiver(to).trim_end().to_owned()).collect();
    let facts = [
        ("state", Some(view.state.to_string())),
        ("amount", details.amount_fen.map(amount)),
        ("payer", details.payer),
        ("payee", details.payee),
        ("order_id", details.order_id),
        ("receivers", (!receivers.is_empty()).then(|| receivers.join(", "))),
        ("ended_by", view.ended_by.map(|by| ended_by(record, by))),
        ("reason", view.reason.map(|reason| reason.to_string())),
        ("trade_no", view.trade_no),
        ("gateway_status", view.gateway_status),
        ("attempts", Some(format!("{} sent, {} queried", view.attempts, view.queries))),
        ("environment", view.environment),
        ("created_at", view.created_at),
        ("updated_at", view.updated_at),
        ("due_at", view.due_at),
        ("held by", record.worker.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            line(format_args!("  {name:<15} {}", one_line(&value)))?;
        }
    }
    for event in history {
        let at = event.at().map(Millis::rfc3339).unwrap_or_default();
        line(format_args!("  {at} {:<15} {}", event.name(), words(event)))?;
    }
    Ok(())
}

/// An event's further fields as `name=value`.
pub(crate) fn words(event: &HistoryEvent) -> String {
    let view = event.view();
    let fields = view.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| !["event", "at"].contains(&name.as_str()));
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={}", one_line(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{name}={value}")
        }
    };
    fields.map(one).collect::<Vec<_>>().join(" ")
}
