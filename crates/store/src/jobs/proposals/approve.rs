//! The second operator's approval: it executes the proposal and removes it in one write.

use bursar_domain::{ActionKind, ApprovalAction, Key, ProposalOutcome, QuarantineOutcome};

use super::super::StoredAs;
use super::super::operate::{Operated, Operator};
use super::super::quarantine::TAKEN_OUT;
use super::super::record::Unreadable;
use super::{Approved, BySecond, Executed, OpenProposal, RESUME_CHANGED, RESUME_UNAPPROVED, TRIES};
use super::{seen_in_quarantine, seen_of};
use crate::{Store, StoreError};

impl Store {
    /// Approves a proposal as the second operator: does exactly what is proposed, once, if the job or queue is still as the first operator saw
    /// it; returns once that is as durable as configured.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the job or queue before repeating.
    pub async fn approve(&self, open: &OpenProposal, second: Operator<'_>) -> Result<Approved, StoreError> {
        if let Err(refused) = open.proposal.check_second(second.who, second.identity) {
            return Ok(Approved::Refused(refused));
        }
        let since = self.since();
        let second = BySecond { operator: second, open };
        let mut approved = None;
        for _ in 0..TRIES {
            let now_open = self.proposal_about(&open.proposal.queue, open.proposal.key.as_deref()).await?;
            approved = match now_open {
                Some(now_open) if now_open == *open => self.approve_once(second).await?,
                Some(_) | None => Some(Approved::Gone),
            };
            if approved.is_some() {
                break;
            }
        }
        self.kept(since).await?;
        Ok(approved.unwrap_or_else(|| Approved::NotNow("it changes at this moment: try again".to_owned())))
    }

    /// `None` if something has changed between reading and writing.
    async fn approve_once(&self, second: BySecond<'_>) -> Result<Option<Approved>, StoreError> {
        match second.open.proposal.action {
            ApprovalAction::Send | ApprovalAction::Resolve => self.approve_operation(second).await,
            ApprovalAction::ResumeLostWrites => self.approve_resume(second).await,
            ApprovalAction::QuarantineDrop => self.approve_drop(second).await,
        }
    }

    async fn approve_operation(&self, second: BySecond<'_>) -> Result<Option<Approved>, StoreError> {
        let proposal = &second.open.proposal;
        let (Some(operation), Ok(key)) = (proposal.operation(), second.open.key().parse::<Key>()) else {
            return self.void(second, "this build cannot do what it proposes".to_owned()).await;
        };
        let era = self.blocks(&proposal.queue).await?.era;
        let record = match self.job(&proposal.queue, &key).await? {
            Some(StoredAs::Job(record)) => record,
            Some(StoredAs::Unreadable { why, .. }) => return self.void(second, why.to_string()).await,
            None => return self.void(second, "there is no such job any more".to_owned()).await,
        };
        if record.worker.is_some() {
            return self.void(second, "a worker has claimed the job since".to_owned()).await;
        }
        if let Some(change) = proposal.seen.change(&seen_of(&record, era)) {
            return self.void(second, change).await;
        }
        match self.operate_approved(&record, operation, second.open.first(), Some(second)).await? {
            Operated::Done(record) => Ok(Some(Approved::Done(Executed::Job(record)))),
            Operated::Refused(refused) => Ok(Some(Approved::NotNow(refused.to_string()))),
            Operated::Changed | Operated::Claimed(_) => Ok(None),
            // The action is done, and the job was read after it.
            Operated::Unknown | Operated::Unreadable(_) => Ok(Some(Approved::Done(Executed::Job(record)))),
            Operated::NeedsSecond(_) => Ok(None),
        }
    }

    async fn approve_resume(&self, second: BySecond<'_>) -> Result<Option<Approved>, StoreError> {
        let proposal = &second.open.proposal;
        let blocks = self.blocks(&proposal.queue).await?;
        if let Some(change) = proposal.seen.change(&blocks.seen()) {
            return self.void(second, change).await;
        }
        let reason = second.open.first().reason(ActionKind::Resume).approved_by(second.operator.who);
        match self.resume_as_seen(&proposal.queue, &blocks, &reason, second.open.text()).await? {
            RESUME_CHANGED => Ok(None),
            RESUME_UNAPPROVED => Ok(Some(Approved::Gone)),
            // Where the queue was not paused, the losses are answered for.
            _ => Ok(Some(Approved::Done(Executed::Queue(proposal.queue.clone())))),
        }
    }

    async fn approve_drop(&self, second: BySecond<'_>) -> Result<Option<Approved>, StoreError> {
        let proposal = &second.open.proposal;
        let Some(look) = self.look_at_quarantined(&proposal.queue, second.open.key()).await? else {
            return self.void(second, "it is no longer in quarantine".to_owned()).await;
        };
        if let Some(change) = proposal.seen.change(&seen_in_quarantine(&look)) {
            return self.void(second, change).await;
        }
        if !matches!(look.stored, Err(Unreadable::Damaged(_))) {
            return self.void(second, "its record can be read".to_owned()).await;
        }
        let event = look.event(QuarantineOutcome::Dropped, second.open.first(), Some(second.operator)).recorded();
        let seen = (look.entry.as_str(), look.record.as_slice());
        let reply = self.take_out(&proposal.queue, second.open.key(), seen, &event, second.open.text()).await?;
        Ok((reply == TAKEN_OUT).then_some(Approved::Done(Executed::Dropped)))
    }

    /// Removes a proposal whose job or queue has changed.
    async fn void(&self, second: BySecond<'_>, change: String) -> Result<Option<Approved>, StoreError> {
        let voided = Operator { why: &change, ..second.operator };
        let is_removed = self.remove(second.open, ProposalOutcome::Void, voided, "").await?;
        Ok(Some(if is_removed { Approved::Void(change) } else { Approved::Gone }))
    }
}
