//! The bodies of actions on many jobs: the action, the jobs, and the reason.

use std::collections::HashSet;

use bursar_domain::{
    AccountName, Key, Kind, MAX_ACTIONS, MAX_REASON_CHARS, Operation as Action, Queue, REASON_PATTERN,
};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::too_many;
use crate::api::operator_request::{End, Fields};
use crate::http::problem::Problem;

/// An action on many jobs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "ActionsRequest")]
#[allow(dead_code, reason = "a schema alone")]
pub(super) struct ActionsBody {
    /// The operator's reason. It is recorded with the action on each job.
    #[schemars(length(min = 1, max = MAX_REASON_CHARS), regex(pattern = REASON_PATTERN))]
    reason: String,
    /// The action.
    action: ActionWord,
    /// The jobs' final state, as the operator knows it: for `resolve` alone.
    #[schemars(rename = "as")]
    end: Option<End>,
    /// The jobs. None is named twice.
    #[schemars(length(min = 1, max = MAX_ACTIONS), extend("uniqueItems" = true))]
    jobs: Vec<JobToActOn>,
}

/// A preview of an action on many jobs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "ActionPreviewRequest")]
#[allow(dead_code, reason = "a schema alone")]
pub(super) struct PreviewBody {
    /// The action.
    action: ActionWord,
    /// The jobs' final state, as the operator knows it: for `resolve` alone.
    #[schemars(rename = "as")]
    end: Option<End>,
    /// The jobs. None is named twice.
    #[schemars(length(min = 1, max = MAX_ACTIONS), extend("uniqueItems" = true))]
    jobs: Vec<JobToActOn>,
}

/// An action on a job.
#[derive(JsonSchema)]
#[schemars(rename = "ActionName", rename_all = "snake_case")]
#[allow(dead_code, reason = "a schema alone")]
enum ActionWord {
    /// Query the gateway about the job now.
    Query,
    /// Send the stored bytes on the operator's word.
    Send,
    /// Close the job in its final state, as the operator knows it.
    Resolve,
    /// Cancel a job that no send has executed.
    Cancel,
}

/// A job of a batch.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "a schema alone")]
struct JobToActOn {
    /// The account's name.
    account: AccountName,
    /// The job's kind.
    kind: Kind,
    /// The job's key.
    platform_no: Key,
    /// The job's version in a preview: the job is refused once it has changed.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    version: Option<String>,
}

/// A job by its name.
pub(super) struct Named {
    pub(super) queue: Queue,
    pub(super) key: Key,
    pub(super) version: Option<String>,
}

/// An action on many jobs.
pub(super) struct ActionsRequest {
    pub(super) action: Action,
    pub(super) jobs: Vec<Named>,
    pub(super) reason: String,
}

/// A preview of one.
pub(super) struct PreviewRequest {
    pub(super) action: Action,
    pub(super) jobs: Vec<Named>,
}

impl ActionsRequest {
    /// # Errors
    /// A problem that names every wrong field.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::of(body)?;
        let reason = fields.reason();
        let (action, jobs) = action_and_jobs(&mut fields)?;
        fields.finish()?;
        let read = action.zip(jobs).zip(reason);
        read.map(|((action, jobs), reason)| Self { action, jobs, reason }).ok_or_else(Fields::no_object)
    }
}

impl PreviewRequest {
    /// # Errors
    /// A problem that names every wrong field.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::of(body)?;
        let (action, jobs) = action_and_jobs(&mut fields)?;
        fields.finish()?;
        action.zip(jobs).map(|(action, jobs)| Self { action, jobs }).ok_or_else(Fields::no_object)
    }
}

/// The action and the jobs; `None` where an error names the field.
///
/// # Errors
/// A problem if there are too many jobs.
fn action_and_jobs(fields: &mut Fields) -> Result<(Option<Action>, Option<Vec<Named>>), Problem> {
    let word = fields.take("action");
    let word = word.as_ref().and_then(Value::as_str).unwrap_or_default();
    let action = match word {
        "query" => Some(Action::Query),
        "send" => Some(Action::Send),
        "cancel" => Some(Action::Cancel),
        "resolve" => fields.end().map(|end| Action::Resolve(end.state())),
        _ => {
            fields.wrong("action", "must be query, send, resolve or cancel");
            None
        }
    };
    match action {
        Some(Action::Query | Action::Send | Action::Cancel) if fields.has_end() => {
            fields.take("as");
            fields.take("state");
            fields.wrong("as", "is for resolve alone");
        }
        None if word != "resolve" && fields.has_end() => {
            fields.end(); // one that is wrong is named, too
        }
        Some(_) | None => {}
    }
    Ok((action, jobs(fields)?))
}

fn jobs(fields: &mut Fields) -> Result<Option<Vec<Named>>, Problem> {
    let Some(Value::Array(given)) = fields.take("jobs") else {
        fields.wrong("jobs", "must be a list of jobs, each an object with account, kind and platform_no");
        return Ok(None);
    };
    if given.len() > MAX_ACTIONS {
        return Err(too_many());
    }
    if given.is_empty() {
        fields.wrong("jobs", "must have at least one job");
    }
    let mut jobs: Vec<Named> = Vec::with_capacity(given.len());
    let mut names = HashSet::new();
    for (index, job) in given.into_iter().enumerate() {
        let at = format!("jobs.{index}");
        let Value::Object(job) = job else {
            fields.wrong(&at, "must be an object with account, kind and platform_no");
            continue;
        };
        let Some(named) = named(fields, &at, job) else { continue };
        if !names.insert((named.queue.clone(), named.key.clone())) {
            fields.wrong(&at, "is named twice");
        }
        jobs.push(named);
    }
    Ok(Some(jobs))
}

/// One job; `None` if an error names a field of it.
fn named(fields: &mut Fields, at: &str, mut job: Map<String, Value>) -> Option<Named> {
    let mut text = |name: &str| job.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let account: Option<AccountName> = text("account").and_then(|text| text.parse().ok());
    let kind: Option<Kind> = text("kind").and_then(|text| text.parse().ok());
    let key: Option<Key> = text("platform_no").and_then(|text| text.parse().ok());
    let version = job.remove("version").filter(|version| !version.is_null());
    for name in job.keys() {
        let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
        fields.wrong(&format!("{at}.{shown}"), "is not a field of this request");
    }
    for (name, is_there) in [("account", account.is_some()), ("kind", kind.is_some()), ("platform_no", key.is_some())] {
        if !is_there {
            fields.wrong(&format!("{at}.{name}"), "must be one that a job can have");
        }
    }
    let version = match version {
        None => None,
        Some(Value::String(version)) if is_version(&version) => Some(version),
        Some(_) => {
            fields.wrong(&format!("{at}.version"), "must be the version of a preview");
            return None;
        }
    };
    Some(Named { queue: Queue { account: account?, kind: kind? }, key: key?, version })
}

fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
