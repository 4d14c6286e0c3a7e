//! Operators' actions on jobs and queues: each is recorded with the operator and the reason.

use bursar_domain::{
    ActionKind, DeadlinePassed, HistoryEvent, Key, Millis, Operation, OperationRefused, OperatorAction, Queue, Reason,
    State, Transition,
};
use serde_json::Map;

use super::proposals::{BySecond, NeedsSecond};
use super::record::Unreadable;
use super::{Action, ActionOutcome, JobRecord, StoredAs};
use crate::{Store, StoreError};

/// The number of tries for an operation whose job changes meanwhile.
const TRIES: usize = 5;

/// The operator, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// A name: a login, a token's name.
    pub who: &'a str,
    /// The reason in the operator's words.
    pub why: &'a str,
    /// The digest of the token, or of the person at a provider, that vouches for the name; `None` if nothing does. It distinguishes two operators.
    pub identity: Option<&'a str>,
}

impl Operator<'_> {
    /// The reason that is recorded of an action.
    #[must_use]
    pub fn reason(&self, action: ActionKind) -> Reason {
        Reason::operator_action(action, self.who, self.why)
    }
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operated {
    /// Done; the job as it is now.
    Done(Box<JobRecord>),
    /// There is no such job.
    Unknown,
    /// This build cannot read the job: nothing was done.
    Unreadable(Unreadable),
    /// A worker is calling the gateway about it at this moment; try again later.
    Claimed(Box<JobRecord>),
    /// The job has changed since the operator saw it: nothing was done.
    Changed,
    /// Its state does not allow it.
    Refused(OperationRefused),
    /// A second operator must approve it: nothing was done yet.
    NeedsSecond(NeedsSecond),
}

impl Store {
    /// Applies `operation` to one job, if its state allows it; returns once that is as durable as configured.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job before repeating.
    pub async fn operate(
        &self,
        queue: &Queue,
        key: &Key,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        let since = self.since();
        let mut operated = Operated::Changed;
        for _ in 0..TRIES {
            operated = match self.operable(queue, key).await? {
                Ok(record) => self.operate_on(&record, operation, operator).await?,
                Err(outcome) => outcome,
            };
            if operated != Operated::Changed {
                break;
            }
        }
        if operated == Operated::Changed {
            // It changes during each try, because workers process it.
            operated = self.operable(queue, key).await?.map_or_else(|outcome| outcome, Operated::Claimed);
        }
        // A refusal confirms the state that it names, as an action confirms its own, so it must be durable too.
        self.kept(since).await?;
        Ok(operated)
    }

    /// The job with this key; `Err` with the outcome if there is none that this build can read.
    async fn operable(&self, queue: &Queue, key: &Key) -> Result<Result<Box<JobRecord>, Operated>, StoreError> {
        Ok(match self.job(queue, key).await? {
            None => Err(Operated::Unknown),
            Some(StoredAs::Unreadable { why, .. }) => Err(Operated::Unreadable(why)),
            Some(StoredAs::Job(record)) => Ok(record),
        })
    }

    /// Applies `operation` to a job that is still as the operator `saw` it: if two operators decide at the same time,
    /// the second one has not seen the first one's result.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job before repeating.
    pub async fn operate_as_seen(
        &self,
        saw: &JobRecord,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        let since = self.since();
        let operated = self.operate_on(saw, operation, operator).await?;
        self.kept(since).await?;
        Ok(operated)
    }

    /// Applies `operation` to a job that is still as an earlier preview named it by its [`JobRecord::version`].
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job before repeating.
    pub async fn operate_on_version(
        &self,
        (queue, key): (&Queue, &Key),
        version: &str,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        let since = self.since();
        let operated = match self.operable(queue, key).await? {
            Ok(record) if record.version() != version => Operated::Changed,
            Ok(record) => self.operate_on(&record, operation, operator).await?,
            Err(outcome) => outcome,
        };
        self.kept(since).await?;
        Ok(operated)
    }

    async fn operate_on(
        &self,
        record: &JobRecord,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        self.operate_approved(record, operation, operator, None).await
    }

    /// The same for two operators: the first one, and the second one with the proposal. Without one, an action that needs it is proposed.
    pub(super) async fn operate_approved(
        &self,
        record: &JobRecord,
        operation: Operation,
        operator: Operator<'_>,
        second: Option<BySecond<'_>>,
    ) -> Result<Operated, StoreError> {
        let now = self.now().await?;
        let next = match allowed(record, operation, now) {
            Ok(next) => next,
            Err(refused) => return Ok(Operated::Refused(refused)),
        };
        if second.is_none() && self.operation_needs_second(record, operation) {
            return match record.worker {
                Some(_) => Ok(Operated::Claimed(Box::new(record.clone()))),
                None => self.propose_operation(record, operation, operator).await.map(Operated::NeedsSecond),
            };
        }
        let event = HistoryEvent::OperatorAction(OperatorAction {
            at: now,
            action: operation.into(),
            from: record.state,
            to: next.state,
            operator: operator.who.to_owned(),
            comment: operator.why.to_owned(),
            proposed_by: second.map(|_| operator.who.to_owned()),
            approved_by: second.map(|second| second.operator.who.to_owned()),
            approval_comment: second.map(|second| second.operator.why.to_owned()),
            more: Map::new(),
        });
        let reason = operator.reason(operation.into());
        let certain = needs_certainty(operation);
        let action = Action {
            next: &next,
            reason: Some(second.map_or(reason.clone(), |second| reason.approved_by(second.operator.who))),
            event,
            orders_call: matches!(operation, Operation::Send | Operation::Query),
            unless_paused: certain.map(|_| &Reason::JournalAhead),
        };
        let approved = second.map(|second| (second.open.proposal.seen.era, second.open.text().to_owned()));
        match self.act_approved(record, action, approved).await? {
            ActionOutcome::Done => {
                let there = self.operable(&record.queue, &record.key).await?;
                Ok(there.map_or_else(|outcome| outcome, Operated::Done))
            }
            ActionOutcome::Claimed => Ok(Operated::Claimed(Box::new(record.clone()))),
            ActionOutcome::Changed | ActionOutcome::Unapproved => Ok(Operated::Changed),
            ActionOutcome::Paused => Ok(Operated::Refused(journal_ahead(record, certain.unwrap_or_default()))),
        }
    }

    /// Applies the transition of a passed deadline to a job that waits to be sent, if it is still as `seen` and
    /// has no claim. `false` if it is not.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job before repeating.
    pub async fn end_overdue(&self, seen: &JobRecord, next: &Transition) -> Result<bool, StoreError> {
        let at = self.now().await?;
        let (from, to, reason) = (seen.state, next.state, next.reason.clone());
        let event = HistoryEvent::DeadlinePassed(DeadlinePassed { at, from, to, reason, more: Map::new() });
        let unless_paused = Some(&Reason::JournalAhead);
        let action = Action { next, reason: next.reason.clone(), event, orders_call: false, unless_paused };
        Ok(self.act(seen, action).await? == ActionOutcome::Done)
    }

    /// Pauses a queue for every worker, because a journal has sends that Redis lacks. `false` if it was paused already.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn pause_for_a_journal(&self, queue: &Queue) -> Result<bool, StoreError> {
        self.pause(queue, &Reason::JournalAhead).await
    }

    /// Confirms that the journals' sends of this queue are recorded again, up to this fence: the queue's fence rises to
    /// it, and a pause that waited for this ends. It is no operator's order to send what may have been sent.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn settle_queue(&self, queue: &Queue, fence: u64) -> Result<(), StoreError> {
        self.raise_fence(queue, fence).await?;
        self.resume_from(queue, &Reason::JournalAhead, &Reason::JournalsReconciled).await.map(drop)
    }

    /// The gateway of a queue's jobs, as its first worker named it; `None` before that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn gateway(&self, queue: &Queue) -> Result<Option<String>, StoreError> {
        crate::reply::only(self.gateways(std::slice::from_ref(queue)).await?)
    }

    /// Sets the gateway of a queue's jobs, if it is still the one that was `seen`: workers with another one claim none
    /// of them. `false` if it has changed.
    ///
    /// # Errors
    /// [`StoreError`]: look before repeating.
    pub async fn set_gateway(
        &self,
        queue: &Queue,
        seen: Option<&str>,
        gateway: &str,
        operator: Operator<'_>,
    ) -> Result<bool, StoreError> {
        let reason = operator.reason(ActionKind::ConfirmGateway).recorded();
        self.change(queue, &["gateway", seen.unwrap_or_default(), gateway, &reason]).await
    }
}

/// The transition of an operation on a job as it is.
pub(super) fn allowed(record: &JobRecord, operation: Operation, now: Millis) -> Result<Transition, OperationRefused> {
    let next = operation.on_job(record.queue.kind, record.state, record.reason.as_ref(), now)?;
    if record.created.is_some() { Ok(next) } else { Err(expired(record.state)) }
}

/// The refusal of an operation while a journal is ahead of Redis.
pub(super) const fn journal_ahead(record: &JobRecord, what: &'static str) -> OperationRefused {
    let rule = "a journal has sends that Redis has lost: run `bursar reconcile --journal` first";
    OperationRefused { state: record.state, what, rule }
}

/// The operations that rely on Redis for the fact that a job was not executed, in the words of [`OperationRefused`].
pub(super) const fn needs_certainty(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Cancel => Some("cancelled"),
        Operation::Send => Some("sent"),
        Operation::Query | Operation::Resolve(_) => None,
    }
}

/// Only a query of an ended job reaches this: the state refuses every other operation before.
fn expired(state: State) -> OperationRefused {
    OperationRefused { state, what: "queried", rule: "its details have expired; only its end is still known" }
}
