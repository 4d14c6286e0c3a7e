//! Reading one job.

use bursar_domain::{Key, Queue};
use bursar_store::{JobRecord, StoredAs};

use crate::state::ServerState;
use crate::state::refusal::Refusal;

/// The job of that key.
///
/// # Errors
/// A [`Refusal`] for a job that is not there, and for one that cannot be read.
pub(crate) async fn job(app: &ServerState, queue: &Queue, key: &Key) -> Result<JobRecord, Refusal> {
    match app.store.job(queue, key).await? {
        Some(StoredAs::Job(job)) => Ok(*job),
        Some(StoredAs::Unreadable { why, .. }) => Err(Refusal::unreadable_job(queue, key, &why)),
        None => Err(Refusal::unknown_job(queue, key)),
    }
}
