//! The ports, each with its own client and worker.

pub(crate) mod asynq;
pub(crate) mod bullmq;
pub(crate) mod bullmq_official;
