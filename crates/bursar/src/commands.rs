//! The commands, one file each.

pub(crate) mod adopt;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod balance;
pub(crate) mod bind;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod confirm_gateway;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod healthcheck;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod notifications;
pub(crate) mod operate;
mod operate_many;
pub(crate) mod pause;
pub(crate) mod quarantine;
pub(crate) mod queues;
pub(crate) mod reconcile;
pub(crate) mod redis_acl;
pub(crate) mod report;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod submit;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod webhooks;
pub(crate) mod worker;
pub(crate) mod workers;

/// Parses `--limit`.
fn limit(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a whole number from 1")
}
