//! Jobs: submitted, read, waited for, and operated on.

mod list;
mod operate;
mod read;
mod submit;

use axum::routing::{get, post};
use bursar_domain::{JobView, Kind, Queue};
use bursar_store::StoredAs;
use serde::Serialize;

use crate::http::part::Part;

pub(crate) fn part() -> Part {
    Part::new(include_str!("jobs/openapi.json"))
        .route("/v1/jobs", get(list::list).post(submit::submit))
        .route("/v1/jobs/{account}/{kind}/{platform_no}", get(read::job))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/history", get(read::history))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/query", post(operate::query))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/send", post(operate::send))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/resolve", post(operate::resolve))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/cancel", post(operate::cancel))
}

/// A job as it is listed.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum JobEntry {
    /// It can be read.
    Job(Box<JobView>),
    /// It cannot, by this build.
    Unreadable(UnreadableJob),
}

/// A job whose record cannot be read.
#[derive(Serialize)]
pub(crate) struct UnreadableJob {
    account: String,
    kind: Kind,
    platform_no: String,
    /// `unreadable`, which is no state.
    state: &'static str,
    /// Why.
    unreadable: String,
}

impl JobEntry {
    pub(crate) fn of(queue: &Queue, stored: &StoredAs) -> Self {
        match stored {
            StoredAs::Job(job) => Self::Job(Box::new(job.view())),
            StoredAs::Unreadable { key, why } => Self::Unreadable(UnreadableJob {
                account: queue.account.to_string(),
                kind: queue.kind,
                platform_no: key.to_string(),
                state: "unreadable",
                unreadable: why.to_string(),
            }),
        }
    }
}
