//! Reading one job, masked or revealed.

use bursar_domain::{AuditAction, AuditResult, AuditTarget, Key, Queue};
use bursar_store::{JobRecord, StoredAs};

use crate::ops::audit::{self, Acting, NotDone};
use crate::state::ServerState;
use crate::state::refusal::Refusal;

impl NotDone for Refusal {
    fn result(&self) -> (AuditResult, String) {
        audit::result_of(self)
    }
}

/// The same for an operator who is shown the whole content: that is an event of the audit trail before it is shown.
///
/// # Errors
/// As [`job`], and if the audit trail cannot be written.
pub(crate) async fn reveal(
    app: &ServerState,
    queue: &Queue,
    key: &Key,
    acting: Acting<'_>,
) -> Result<JobRecord, Refusal> {
    let what = (AuditAction::Reveal, AuditTarget::job(queue, key));
    audit::recorded(app, acting, what, job(app, queue, key), |record| record.state.to_string()).await
}

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
