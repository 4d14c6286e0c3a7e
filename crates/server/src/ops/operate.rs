//! An operator's action on one job, recorded with a name and a reason. Of two operators, the second one gets the first one's action.

use bursar_domain::{AuditResult, AuditTarget, Key, Operation, OperatorAction, Queue, last_action};
use bursar_store::{JobRecord, OpenProposal, Operated, Operator, StoreError, StoredAs};

use crate::ops::audit::{self, Acting, NotDone};
use crate::ops::proposals::{NotProposed, proposed};
use crate::state::ServerState;
use crate::state::refusal::Refusal;

/// The meaning of an action that Redis did not answer.
const UNKNOWN: &str = "the action may have been done; read the job before you repeat it";

/// Why an action on a job was not done.
#[derive(Debug)]
pub(crate) enum NotOperated {
    /// The job's state does not allow the action, or no longer.
    NotNow(Box<NotNow>),
    /// A second operator must approve it: it is proposed.
    Proposed(Box<OpenProposal>),
    /// A second operator must approve it, and it could not be proposed.
    NotProposed(NotProposed),
    /// Anything else.
    Refused(Refusal),
}

/// The job as the operator saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    /// As it is when the action is done.
    Anything,
    /// As it was read.
    Job(&'a JobRecord),
    /// As a preview named it.
    Version(&'a str),
}

/// A job whose state does not allow an action.
#[derive(Debug)]
pub(crate) struct NotNow {
    /// The rule, with the last action.
    pub(crate) detail: String,
    /// The job as it is, unless it has gone.
    pub(crate) job: Option<StoredAs>,
    /// The last action of an operator on it.
    pub(crate) last_action: Option<OperatorAction>,
}

impl From<Refusal> for NotOperated {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for NotOperated {
    fn from(error: StoreError) -> Self {
        Self::Refused(Refusal::from(error))
    }
}

impl NotDone for NotOperated {
    fn result(&self) -> (AuditResult, String) {
        match self {
            Self::NotNow(refused) => (AuditResult::Refused, refused.detail.clone()),
            Self::Proposed(open) => (AuditResult::Proposed, open.proposal.named()),
            Self::NotProposed(refused) => (AuditResult::Refused, refused.detail.clone()),
            Self::Refused(refusal) => audit::result_of(refusal),
        }
    }
}

/// Does it or proposes it, if the state allows it and the job is still as the operator `saw` it. Records it in the audit
/// trail; returns the job as it is then.
///
/// # Errors
/// [`NotOperated`]: nothing was done, or Redis did not answer.
pub(crate) async fn operate(
    app: &ServerState,
    (queue, key): (&Queue, &Key),
    operation: Operation,
    acting: Acting<'_>,
    saw: Seen<'_>,
) -> Result<Box<JobRecord>, NotOperated> {
    let act = act(app, (queue, key), operation, acting.operator(), saw);
    let what = (operation.into(), AuditTarget::job(queue, key));
    audit::recorded(app, acting, what, act, |record| record.state.to_string()).await
}

async fn act(
    app: &ServerState,
    (queue, key): (&Queue, &Key),
    operation: Operation,
    operator: Operator<'_>,
    saw: Seen<'_>,
) -> Result<Box<JobRecord>, NotOperated> {
    let operated = match saw {
        Seen::Job(saw) => app.store.operate_as_seen(saw, operation, operator).await,
        Seen::Version(version) => app.store.operate_on_version((queue, key), version, operation, operator).await,
        Seen::Anything => app.store.operate(queue, key, operation, operator).await,
    };
    match operated.map_err(|error| Refusal::of_store(error, UNKNOWN))? {
        Operated::Done(record) => Ok(record),
        Operated::Unknown => Err(Refusal::unknown_job(queue, key).into()),
        Operated::Unreadable(why) => Err(Refusal::unreadable_job(queue, key, &why).into()),
        Operated::Claimed(record) => {
            let detail = "a worker has claimed the job and calls the gateway; try again when it has finished";
            Err(not_now(app, detail.to_owned(), Some(StoredAs::Job(record))).await)
        }
        Operated::Changed => {
            let record = app.store.job(queue, key).await?;
            Err(not_now(app, "the job has changed since you read it: nothing was done".to_owned(), record).await)
        }
        Operated::NeedsSecond(needed) => Err(match proposed(needed) {
            Ok(open) => NotOperated::Proposed(open),
            Err(refused) => NotOperated::NotProposed(refused),
        }),
        Operated::Refused(refused) => {
            let record = app.store.job(queue, key).await?;
            Err(not_now(app, refused.to_string(), record).await)
        }
    }
}

/// The job as it is, and the last action on it.
async fn not_now(app: &ServerState, mut detail: String, job: Option<StoredAs>) -> NotOperated {
    let history = match &job {
        Some(StoredAs::Job(record)) => app.store.history(record).await.unwrap_or_default(),
        Some(StoredAs::Unreadable { .. }) | None => Vec::new(),
    };
    let last_action = last_action(&history).cloned();
    if let Some(last) = &last_action {
        detail.push_str(&format!(". The last action was {last}"));
    }
    NotOperated::NotNow(Box::new(NotNow { detail, job, last_action }))
}
