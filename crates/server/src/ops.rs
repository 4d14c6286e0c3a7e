//! What the API and the dashboard both do, free of how it is asked for and shown: no HTTP, no HTML. Nothing here decides anything
//! about a job: the producer's validator and the store's scripts do.

pub(crate) mod jobs;
pub(crate) mod notifications;
pub(crate) mod operate;
pub(crate) mod quarantine;
pub(crate) mod queues;
pub(crate) mod submit;
