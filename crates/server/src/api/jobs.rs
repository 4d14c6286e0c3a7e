//! Jobs: submitted, read, waited for, and operated on.

mod list;
mod new_job;
mod operate;
mod read;
mod reveal;
mod submit;

use bursar_domain::{AccountName, JobView, Key, Kind, Operation as Action, Queue};
use bursar_store::StoredAs;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::part::Part;

pub(crate) fn part() -> Part {
    Part::described("jobs", "Submitting, following and operating jobs.")
        .route("/v1/jobs", [list::operation(), submit::operation()])
        .route("/v1/jobs/{account}/{kind}/{platform_no}", [read::job_operation()])
        .route("/v1/jobs/{account}/{kind}/{platform_no}/history", [read::history_operation()])
        .route("/v1/jobs/{account}/{kind}/{platform_no}/reveal", [reveal::operation()])
        .route(
            "/v1/jobs/{account}/{kind}/{platform_no}/query",
            [operate::action(Action::Query).summary("Query the gateway about the job now")],
        )
        .route(
            "/v1/jobs/{account}/{kind}/{platform_no}/send",
            [operate::action(Action::Send).summary("Send the stored bytes on the operator's word, now or once more")],
        )
        .route(
            "/v1/jobs/{account}/{kind}/{platform_no}/resolve",
            [operate::resolve().summary("Close a job that needs review in its final state, as the operator knows it")],
        )
        .route(
            "/v1/jobs/{account}/{kind}/{platform_no}/cancel",
            [operate::action(Action::Cancel).summary("Cancel a job that no send has executed")],
        )
}

/// A job as lists have it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum JobEntry {
    /// A job.
    Job(Box<JobView>),
    /// A job whose record this build cannot read.
    Unreadable(UnreadableJob),
}

/// A job whose record this build cannot read. It is in every list, whichever state is asked for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct UnreadableJob {
    /// The account's name.
    account: AccountName,
    /// The job's kind.
    kind: Kind,
    /// The job's key.
    platform_no: Key,
    /// No state of a job: `unreadable`.
    state: NoState,
    /// Why it cannot be read.
    unreadable: String,
}

/// The state of a job that cannot be read.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum NoState {
    Unreadable,
}

impl JobEntry {
    pub(crate) fn of(queue: &Queue, stored: &StoredAs) -> Self {
        match stored {
            StoredAs::Job(job) => Self::Job(Box::new(job.view())),
            StoredAs::Unreadable { key, why } => Self::Unreadable(UnreadableJob {
                account: queue.account.clone(),
                kind: queue.kind,
                platform_no: key.clone(),
                state: NoState::Unreadable,
                unreadable: why.to_string(),
            }),
        }
    }
}
