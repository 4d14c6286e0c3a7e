//! What a worker does with a job: what the workload asks, counted.

use anyhow::Result;

use crate::driver::{done, finish, ready};
use crate::job::Job;
use crate::role::{Work, Workload};
use crate::stub::Stub;
use crate::tally::Tally;

/// The handler of one run.
pub(crate) struct Handler {
    pub(crate) tally: Tally,
    /// `None` for the workload that does nothing.
    stub: Option<Stub>,
}

impl Handler {
    pub(crate) fn new(work: &Work) -> Result<Self> {
        let stub = match work.w {
            Workload::W1 => None,
            Workload::W2 | Workload::W3 => Some(Stub::new(work.w, work.conc)?),
        };
        Ok(Self { tally: Tally::new(work.n, work.latency()), stub })
    }

    pub(crate) async fn handle(&self, job: &Job) -> Result<()> {
        self.tally.begin();
        let outcome = match &self.stub {
            None => Ok(()),
            Some(stub) => stub.pay(&job.key, &serde_json::to_string(job)?).await.map(drop),
        };
        if let Err(error) = &outcome {
            self.tally.fail(&error.to_string());
        }
        self.tally.end(|| Some(job.submitted_us));
        outcome
    }

    /// Starts a worker once the driver says so, and reports when it has handled the last job.
    pub(crate) async fn serve(&self, worker: impl Future<Output = Result<()>>) -> Result<()> {
        ready()?;
        worker.await?;
        self.tally.finished().await;
        done(&self.tally.report())?;
        finish()
    }
}
