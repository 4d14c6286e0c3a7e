//! Jobs: submitted, read, waited for, and operated on.

mod list;
pub(crate) mod operate;
mod read;
mod submit;

use axum::routing::{get, post};

use crate::routes::Part;

pub(crate) fn part() -> Part {
    Part::new(include_str!("jobs/openapi.json"))
        .route("/v1/jobs", get(list::list).post(submit::submit))
        .route("/v1/jobs/{account}/{kind}/{platform_no}", get(read::job))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/history", get(read::history))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/ask", post(operate::ask))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/send", post(operate::send))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/resolve", post(operate::resolve))
        .route("/v1/jobs/{account}/{kind}/{platform_no}/cancel", post(operate::cancel))
}
