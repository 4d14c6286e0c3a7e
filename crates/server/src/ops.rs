//! Operations of the API and the dashboard, without HTTP and HTML. Nothing here decides anything about a job: the producer's validator and the
//! store's scripts do.

pub(crate) mod action_batch;
pub(crate) mod audit;
pub(crate) mod jobs;
pub(crate) mod notifications;
pub(crate) mod operate;
pub(crate) mod proposals;
pub(crate) mod quarantine;
pub(crate) mod queues;
pub(crate) mod report;
pub(crate) mod submit;
pub(crate) mod webhooks;
