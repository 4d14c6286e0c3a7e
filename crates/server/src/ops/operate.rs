//! An operator's hand on one job, recorded with a name and a reason. Whoever comes second is told what the first did.

use bursar_domain::{Key, Operation, OperatorAction, Queue, last_action};
use bursar_store::{JobRecord, Operated, Operator, StoreError, StoredAs};

use crate::state::ServerState;
use crate::state::refusal::Refusal;

/// What an act that got no answer from Redis means.
const UNKNOWN: &str = "it may have been done; look at the job before you repeat it";

/// Why an act on a job was not done.
#[derive(Debug)]
pub(crate) enum NotOperated {
    /// The job is not, or no longer, as the act needs it.
    NotNow(Box<NotNow>),
    /// Anything else.
    Refused(Refusal),
}

/// How a job stands that does not allow an act.
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

/// Does it, if the state allows it and the job still is what the operator `saw`, where that is known; the job as it is then.
///
/// # Errors
/// [`NotOperated`]: nothing was done, or nobody knows whether it was.
pub(crate) async fn operate(
    app: &ServerState,
    (queue, key): (&Queue, &Key),
    operation: Operation,
    operator: Operator<'_>,
    saw: Option<&JobRecord>,
) -> Result<Box<JobRecord>, NotOperated> {
    let operated = match saw {
        Some(saw) => app.store.operate_as_seen(saw, operation, operator).await,
        None => app.store.operate(queue, key, operation, operator).await,
    };
    match operated.map_err(|error| Refusal::of_store(error, UNKNOWN))? {
        Operated::Done(record) => Ok(record),
        Operated::Unknown => Err(Refusal::unknown_job(queue, key).into()),
        Operated::Unreadable(why) => Err(Refusal::unreadable_job(queue, key, &why).into()),
        Operated::Claimed(record) => {
            let detail = "a worker is calling the gateway about it at this moment; try again when it has finished";
            Err(not_now(app, detail.to_owned(), Some(StoredAs::Job(record))).await)
        }
        Operated::Changed => {
            let record = app.store.job(queue, key).await?;
            Err(not_now(app, "it has changed since it was looked at: nothing was done".to_owned(), record).await)
        }
        Operated::Refused(refused) => {
            let record = app.store.job(queue, key).await?;
            Err(not_now(app, refused.to_string(), record).await)
        }
    }
}

/// Why not now: how the job stands, and the last action on it.
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
