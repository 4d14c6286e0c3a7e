//! `bursar show KEY` shows a job's state and history.

use bursar_domain::{AuditTarget, HistoryEvent, Key, Kind, Millis, Queue};
use bursar_store::{JobRecord, StoredAs, Unreadable};
use clap::Args;
use serde_json::{Value, json};

use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar show 1001XP2025010110000001\n  bursar show 1001XP2025010110000001 --json")]
pub(crate) struct Arguments {
    /// The job's `platform_no`.
    key: Key,
    #[command(flatten)]
    place: Place,
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
    let found = context.find(&arguments.key, &queues).await?;
    let mut exit = Exit::Done;
    for (queue, job) in &found {
        match job {
            StoredAs::Job(record) => {
                let history = context.store.history(record).await?;
                if global.json {
                    line(object(record, &history)?)?;
                } else {
                    show(record, &history)?;
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
        eprintln!("bursar: there is no job {} in {} queues", arguments.key, queues.len());
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

/// A job as text.
pub(crate) fn show(record: &JobRecord, history: &[HistoryEvent]) -> std::io::Result<()> {
    let view = record.view();
    line(format_args!("{} {}", record.queue, record.key))?;
    let facts = [
        ("state", Some(view.state.to_string())),
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
