//! Pausing and resuming a queue.

use bursar_domain::{ActionKind, AuditAction, AuditResult, AuditTarget, Queue};
use bursar_store::{OpenProposal, Operator, QueueStatus, Resumed, StoreError};

use crate::ops::audit::{self, Acting, NotDone};
use crate::ops::proposals::{NotProposed, proposed};
use crate::state::ServerState;
use crate::state::refusal::Refusal;

/// The meaning of an action that Redis did not answer.
const UNKNOWN: &str = "the action may have been done; read the queue before you repeat it";

/// An operator's action on a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueAction {
    /// Nothing is sent from now on.
    Pause,
    /// Sends continue.
    Resume,
}

impl QueueAction {
    /// The word for it in paths.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// Why a queue was not paused or resumed.
#[derive(Debug)]
pub(crate) enum QueueActionError {
    /// Another operator was faster; the queue as it is.
    Already(Box<QueueStatus>),
    /// The queue changes at this moment: nothing was done.
    Changed,
    /// A second operator must approve it: it is proposed.
    Proposed(Box<OpenProposal>),
    /// A second operator must approve it, and it could not be proposed; the queue as it is.
    NotProposed(Box<QueueStatus>, NotProposed),
    /// Anything else.
    Refused(Refusal),
}

impl From<StoreError> for QueueActionError {
    fn from(error: StoreError) -> Self {
        Self::Refused(Refusal::from(error))
    }
}

impl NotDone for QueueActionError {
    fn result(&self) -> (AuditResult, String) {
        match self {
            Self::Already(_) => (AuditResult::Refused, "it was so already".to_owned()),
            Self::Changed => (AuditResult::Refused, "it changes at this moment".to_owned()),
            Self::Proposed(open) => (AuditResult::Proposed, open.proposal.named()),
            Self::NotProposed(_, refused) => (AuditResult::Refused, refused.detail.clone()),
            Self::Refused(refusal) => audit::result_of(refusal),
        }
    }
}

impl From<Refusal> for QueueActionError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<QueueAction> for AuditAction {
    fn from(action: QueueAction) -> Self {
        match action {
            QueueAction::Pause => Self::Pause,
            QueueAction::Resume => Self::Resume,
        }
    }
}

/// Pauses or resumes a queue and records it in the audit trail; returns the queue as it is then.
///
/// # Errors
/// [`QueueActionError`]: nothing was done, or Redis did not answer.
pub(crate) async fn pause_or_resume(
    app: &ServerState,
    queue: &Queue,
    wanted: QueueAction,
    acting: Acting<'_>,
) -> Result<Box<QueueStatus>, QueueActionError> {
    let turn = turn(app, queue, wanted, acting.operator());
    let what = (wanted.into(), AuditTarget::queue(queue));
    audit::recorded(app, acting, what, turn, |_| String::new()).await
}

async fn turn(
    app: &ServerState,
    queue: &Queue,
    wanted: QueueAction,
    operator: Operator<'_>,
) -> Result<Box<QueueStatus>, QueueActionError> {
    // A pause ends in the same ways as a resume without a second operator.
    let resumed = match wanted {
        QueueAction::Pause => {
            let paused = app.store.pause(queue, &operator.reason(ActionKind::Pause)).await;
            paused.map(|is_new| if is_new { Resumed::Done } else { Resumed::NotPaused })
        }
        QueueAction::Resume => app.store.resume_by(queue, operator).await,
    };
    let resumed = resumed.map_err(|error| QueueActionError::Refused(Refusal::of_store(error, UNKNOWN)))?;
    let status = Box::new(app.store.status(queue).await?);
    match resumed {
        Resumed::Done => Ok(status),
        Resumed::NotPaused => Err(QueueActionError::Already(status)),
        Resumed::Changed => Err(QueueActionError::Changed),
        Resumed::NeedsSecond(needed) => Err(match proposed(needed) {
            Ok(open) => QueueActionError::Proposed(open),
            Err(refused) => QueueActionError::NotProposed(status, refused),
        }),
    }
}
