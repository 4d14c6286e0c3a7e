//! The quarantine, and the actions of operators on a key in it.

use bursar_domain::{AuditAction, AuditResult, AuditTarget, Queue};
use bursar_store::{Dropped, OpenProposal, Operator, Origin, Quarantined, Retried, StoreError, Unreadable};

use crate::ops::audit::{self, Acting};
use crate::ops::proposals::{NotProposed, proposed};
use crate::state::ServerState;
use crate::state::notification_accounts::notification_accounts;
use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;

/// The meaning of an action that Redis did not answer.
const UNKNOWN: &str = "the action may have been done; read the quarantine before you repeat it";

/// An operator's action on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuarantineAction {
    /// The job goes where its state belongs.
    Retry,
    /// The webhook is tried again.
    Deliver,
    /// The key is left alone.
    Drop,
}

impl QuarantineAction {
    pub(crate) const ALL: [Self; 3] = [Self::Retry, Self::Deliver, Self::Drop];

    /// The word for it in addresses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Deliver => "deliver",
            Self::Drop => "drop",
        }
    }
}

/// The keys of one queue that are in quarantine.
pub(crate) struct Found {
    pub(crate) origin: Origin,
    pub(crate) jobs: Vec<Quarantined>,
    pub(crate) webhooks: Vec<Quarantined>,
}

/// Why an action on a key was not done.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// The key is not in quarantine.
    NotThere,
    /// This build cannot read the job yet.
    Unreadable(Unreadable),
    /// The job can be read: the operator retries it instead.
    Readable,
    /// The job changed at each attempt to read it.
    Changed,
    /// A second operator must approve it: it is proposed.
    Proposed(Box<OpenProposal>),
    /// A second operator must approve it, and it could not be proposed.
    NotProposed(NotProposed),
    /// Anything else.
    Refused(Refusal),
}

/// The keys in quarantine that this bearer may see: of each queue, at most `limit` jobs and `limit` webhooks.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn found(app: &ServerState, bearer: &Bearer, limit: usize) -> Result<Vec<Found>, Refusal> {
    let queues: Vec<Queue> = app.known_queues(bearer);
    let mut found = Vec::new();
    for (queue, status) in queues.iter().zip(app.store.statuses(&queues).await?) {
        if status.all_quarantined() == 0 {
            continue;
        }
        let origin = Origin::Jobs(queue.clone());
        let jobs = app.store.quarantined(queue, limit).await?;
        let webhooks = app.store.quarantined_deliveries(&origin, limit).await?;
        found.push(Found { origin, jobs, webhooks });
    }
    for account in notification_accounts(app, bearer) {
        let origin = Origin::Notifications(account.name.clone());
        let webhooks = app.store.quarantined_deliveries(&origin, limit).await?;
        if !webhooks.is_empty() {
            found.push(Found { origin, jobs: Vec::new(), webhooks });
        }
    }
    Ok(found)
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl audit::NotDone for NotDone {
    fn result(&self) -> (AuditResult, String) {
        let refused = |why: &str| (AuditResult::Refused, why.to_owned());
        match self {
            Self::NotThere => refused("it is not in quarantine"),
            Self::Unreadable(why) => (AuditResult::Refused, why.to_string()),
            Self::Readable => refused("its record can be read"),
            Self::Changed => refused("it changed while it was read"),
            Self::Proposed(open) => (AuditResult::Proposed, open.proposal.named()),
            Self::NotProposed(why) => refused(&why.detail),
            Self::Refused(refusal) => audit::result_of(refusal),
        }
    }
}

impl From<QuarantineAction> for AuditAction {
    fn from(action: QuarantineAction) -> Self {
        match action {
            QuarantineAction::Retry => Self::QuarantineRetry,
            QuarantineAction::Deliver => Self::QuarantineDeliver,
            QuarantineAction::Drop => Self::QuarantineDrop,
        }
    }
}

/// Does it and records it in the audit trail.
///
/// # Errors
/// [`NotDone`]: nothing was done, or Redis did not answer.
pub(crate) async fn perform(
    app: &ServerState,
    (origin, key): (&Origin, &str),
    act: QuarantineAction,
    acting: Acting<'_>,
) -> Result<(), NotDone> {
    let perform = perform_unrecorded(app, (origin, key), act, acting.operator());
    let what = (act.into(), AuditTarget::entry(origin, key).of(origin.account()));
    audit::recorded(app, acting, what, perform, |()| String::new()).await
}

async fn perform_unrecorded(
    app: &ServerState,
    (origin, key): (&Origin, &str),
    act: QuarantineAction,
    operator: Operator<'_>,
) -> Result<(), NotDone> {
    let unclear = |error: StoreError| NotDone::Refused(Refusal::of_store(error, UNKNOWN));
    match (act, origin) {
        (QuarantineAction::Retry, Origin::Jobs(queue)) => {
            match app.store.retry_quarantined(queue, key, operator).await.map_err(unclear)? {
                Retried::Back(_) | Retried::WasBack(_) => Ok(()),
                Retried::NotThere => Err(NotDone::NotThere),
                Retried::Unreadable(why) => Err(NotDone::Unreadable(why)),
                Retried::Changed => Err(NotDone::Changed),
            }
        }
        (QuarantineAction::Drop, Origin::Jobs(queue)) => {
            match app.store.drop_quarantined(queue, key, operator).await.map_err(unclear)? {
                Dropped::Done => Ok(()),
                Dropped::NotThere => Err(NotDone::NotThere),
                Dropped::Readable => Err(NotDone::Readable),
                Dropped::Changed => Err(NotDone::Changed),
                Dropped::NeedsSecond(needed) => {
                    Err(proposed(needed).map_or_else(NotDone::NotProposed, NotDone::Proposed))
                }
            }
        }
        (QuarantineAction::Deliver, _) => {
            let is_there = app.store.retry_delivery(origin, key, operator).await.map_err(unclear)?;
            if is_there { Ok(()) } else { Err(NotDone::NotThere) }
        }
        (QuarantineAction::Retry | QuarantineAction::Drop, Origin::Notifications(_)) => Err(NotDone::NotThere),
    }
}
