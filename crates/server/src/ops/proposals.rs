//! Four eyes: the open proposals that a bearer may see, and the second operator's approval or rejection.

use bursar_domain::{ApprovalAction, AuditAction, AuditResult, AuditTarget, Queue};
use bursar_store::{Approved, Dismissed, Executed, NeedsSecond, OpenProposal};

use crate::ops::audit::{self, Acting, NotDone};
use crate::state::ServerState;
use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;

/// The meaning of an approval that Redis did not answer.
const UNKNOWN: &str = "the action may have been done; read the job or queue before you repeat it";

/// Why an action that needs a second operator was not even proposed.
#[derive(Debug)]
pub(crate) struct NotProposed {
    /// The rule.
    pub(crate) detail: String,
    /// The proposal that is open about the same job or queue.
    pub(crate) open: Option<Box<OpenProposal>>,
}

/// Why a proposal was not approved or rejected.
#[derive(Debug)]
pub(crate) enum NotApproved {
    /// It was approved, withdrawn or rejected before, or it has expired.
    Gone,
    /// The job or queue has changed since: the proposal is removed.
    Void(String),
    /// This operator made it.
    Own,
    /// Something else keeps the action from being done now.
    NotNow(String),
    /// Anything else.
    Refused(Refusal),
}

impl NotApproved {
    /// The rule in English.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Gone => {
                "the proposal is no longer open: it was approved, withdrawn or rejected, or it has expired".into()
            }
            Self::Void(change) => format!("nothing was done, and the proposal is removed: {change}"),
            Self::Own => "you made this proposal: another operator must approve it".into(),
            Self::NotNow(rule) => rule.clone(),
            Self::Refused(refusal) => format!("{refusal:?}"),
        }
    }
}

impl From<Refusal> for NotApproved {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl NotDone for NotApproved {
    fn result(&self) -> (AuditResult, String) {
        match self {
            Self::Gone | Self::Void(_) | Self::Own | Self::NotNow(_) => (AuditResult::Refused, self.detail()),
            Self::Refused(refusal) => audit::result_of(refusal),
        }
    }
}

/// The new proposal, or why there is none.
///
/// # Errors
/// [`NotProposed`]: nothing was done.
pub(crate) fn proposed(needed: NeedsSecond) -> Result<Box<OpenProposal>, NotProposed> {
    match needed {
        NeedsSecond::Proposed(open) => Ok(open),
        NeedsSecond::OpenBefore(open) => {
            let proposal = &open.proposal;
            let (who, what, id) = (&proposal.proposed_by, proposal.action.as_str(), &proposal.id);
            let detail = format!("{who} has proposed {what} already: approve or reject proposal {id} first");
            Err(NotProposed { detail, open: Some(open) })
        }
        NeedsSecond::NoToken => Err(NotProposed { detail: "a proposal needs an operator's token".into(), open: None }),
        NeedsSecond::TooMany => {
            Err(NotProposed { detail: "too many proposals are open: approve or reject some first".into(), open: None })
        }
    }
}

/// The open proposals that this bearer may see, the oldest first.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn open(app: &ServerState, bearer: &Bearer) -> Result<Vec<OpenProposal>, Refusal> {
    let queues: Vec<Queue> = app.known_queues(bearer);
    Ok(app.store.proposals(&queues).await?)
}

/// The open proposal with this id.
///
/// # Errors
/// [`Refusal::NotFound`] if none has it, or it is about an account that the bearer's token is not for.
pub(crate) async fn named(app: &ServerState, bearer: &Bearer, id: &str) -> Result<OpenProposal, Refusal> {
    let found = open(app, bearer).await?.into_iter().find(|open| open.proposal.id == id);
    found.ok_or_else(|| {
        Refusal::NotFound(
            "no open proposal has this id: it was approved, withdrawn or rejected, or it has expired".into(),
        )
    })
}

/// Approves it: does what is proposed, and records that in the audit trail with both operators. The bearer of an operator's token asks for it.
///
/// # Errors
/// [`NotApproved`]: nothing was done, or Redis did not answer.
pub(crate) async fn approve(
    app: &ServerState,
    open: &OpenProposal,
    acting: Acting<'_>,
) -> Result<Executed, NotApproved> {
    let what = (AuditAction::Approve, AuditTarget::proposal(&open.proposal));
    audit::recorded(app, acting, what, approve_unrecorded(app, open, acting), |executed| {
        let now = match executed {
            Executed::Job(record) => record.state.as_str(),
            Executed::Queue(_) => "resumed",
            Executed::Dropped => "dropped",
        };
        format!("{}: {now}", open.proposal.named())
    })
    .await
}

async fn approve_unrecorded(
    app: &ServerState,
    open: &OpenProposal,
    acting: Acting<'_>,
) -> Result<Executed, NotApproved> {
    let approved = app.store.approve(open, acting.operator()).await;
    match approved.map_err(|error| NotApproved::Refused(Refusal::of_store(error, UNKNOWN)))? {
        Approved::Done(executed) => Ok(executed),
        Approved::Gone => Err(NotApproved::Gone),
        Approved::Void(change) => Err(NotApproved::Void(change)),
        Approved::Refused(_) => Err(NotApproved::Own),
        Approved::NotNow(rule) => Err(NotApproved::NotNow(rule)),
    }
}

/// Removes it: withdraws the operator's own proposal, or rejects another one's. Records it in the audit trail.
///
/// # Errors
/// [`NotApproved`]: nothing was done, or Redis did not answer.
pub(crate) async fn reject(
    app: &ServerState,
    open: &OpenProposal,
    acting: Acting<'_>,
) -> Result<Dismissed, NotApproved> {
    let act = async {
        match app.store.dismiss(open, acting.operator()).await.map_err(Refusal::from)? {
            Dismissed::Gone => Err(NotApproved::Gone),
            dismissed @ (Dismissed::Withdrawn | Dismissed::Rejected) => Ok(dismissed),
        }
    };
    let what = (AuditAction::Reject, AuditTarget::proposal(&open.proposal));
    audit::recorded(app, acting, what, act, |dismissed| {
        let what = if *dismissed == Dismissed::Withdrawn { "withdrawn" } else { "rejected" };
        format!("{}: {what}", open.proposal.named())
    })
    .await
}

/// True if the proposal is about a queue, not about a job or a key.
pub(crate) const fn is_of_queue(open: &OpenProposal) -> bool {
    matches!(open.proposal.action, ApprovalAction::ResumeLostWrites)
}
