//! The API: a part of it is a module with its operations.

pub(crate) mod actions;
pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod metrics;
pub(crate) mod notify;
pub(crate) mod openapi;
mod operator_request;
pub(crate) mod proposals;
pub(crate) mod quarantine;
pub(crate) mod queues;
pub(crate) mod report;
pub(crate) mod webhooks;
