//! The apalis `Backend`: hands out claimed jobs, and never ends on a Redis error.
//!
//! apalis gives a job its tracing span, catches its panic and runs jobs in parallel. It claims, retries and commits nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;

use crate::claimed_jobs::{ActiveClaim, ClaimedJobs};

/// All queues of a worker as one apalis backend. It needs no acknowledgement: a job ends by the handler's commit in the
/// store, under the claim's fence.
pub(crate) struct QueueBackend {
    claimed_jobs: Arc<ClaimedJobs>,
}

impl QueueBackend {
    pub(crate) fn new(claimed_jobs: Arc<ClaimedJobs>) -> Self {
        Self { claimed_jobs }
    }
}

impl Backend for QueueBackend {
    type Task = Task<Box<ActiveClaim>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.claimed_jobs.poll_take(context).map(|claim| {
            // apalis' tracing layer adds it to the span of the job's log lines.
            let name = TaskId::from_string(format!("{}#{}", claim.job.key, claim.job.fence));
            Some(Ok(TaskBuilder::new(claim).task_id(name).build()))
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for QueueBackend {
    type Args = Box<ActiveClaim>;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = apalis_core::layers::Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        apalis_core::layers::Identity::new()
    }
}
