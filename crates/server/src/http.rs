//! HTTP for the API and the dashboard: bearers, paths, queries, bodies and refusals.

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod job_filter;
pub(crate) mod operation;
pub(crate) mod part;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod request;
