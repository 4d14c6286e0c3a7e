//! Four eyes: actions that one operator proposes and another one approves. At most one proposal is open about a job, a key in quarantine or a
//! queue. Its approval executes it and removes it in one write, which is made only if nothing has changed since it was proposed.

mod approve;

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::{
    ActionKind, ApprovalAction, ApprovalRefused, ContentSummary, Fen, HistoryEvent, Millis, Operation, OtherReason,
    Proposal, ProposalChange, ProposalOutcome, ProposalSeen, Queue, Reason, State, answers_for_lost_writes,
};
use redis::Pipeline;
use serde_json::Map;
use sha2::{Digest, Sha256};

use super::JobRecord;
use super::operate::Operator;
use super::quarantine::{Look, Quarantined};
use super::read::lossy;
use crate::scripts::EVENTS_KEPT;
use crate::{Store, StoreError};

/// Open proposals of a partition at most: all of them are read by each list.
pub const MAX_PROPOSALS: usize = 500;

/// The number of tries for an approval whose job changes meanwhile.
const TRIES: usize = 5;

/// Hexadecimal digits of an id: 128 bits of a digest.
pub(super) const ID_DIGITS: usize = 32;

/// The replies of `queue` to a resume.
const RESUMED: u8 = 1;
const RESUME_CHANGED: u8 = 2;
const RESUME_UNAPPROVED: u8 = 3;

/// A proposal that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenProposal {
    /// The proposal.
    pub proposal: Proposal,
    /// The stored text: a write that is based on the proposal compares it.
    text: String,
}

impl OpenProposal {
    fn read(text: String) -> Result<Self, StoreError> {
        let unreadable =
            || StoreError::Unreadable { what: "a proposal".into(), detail: "this build cannot read it".into() };
        Ok(Self { proposal: Proposal::read(&text).ok_or_else(unreadable)?, text })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The event of a job's history.
    fn change(&self, outcome: ProposalOutcome, operator: Operator<'_>, at: Millis) -> HistoryEvent {
        let Proposal { id, action, end, expires_at, .. } = &self.proposal;
        HistoryEvent::Proposal(ProposalChange {
            at,
            outcome,
            proposal: id.clone(),
            action: *action,
            end: *end,
            operator: operator.who.to_owned(),
            comment: operator.why.to_owned(),
            expires_at: (outcome == ProposalOutcome::Proposed).then_some(*expires_at),
            more: Map::new(),
        })
    }

    fn key(&self) -> &str {
        self.proposal.key.as_deref().unwrap_or_default()
    }

    fn first(&self) -> Operator<'_> {
        let Proposal { proposed_by, comment, proposer, .. } = &self.proposal;
        Operator { who: proposed_by, why: comment, identity: proposer.as_deref() }
    }
}

/// The second operator, with the proposal.
#[derive(Clone, Copy)]
pub(super) struct BySecond<'a> {
    pub(super) operator: Operator<'a>,
    pub(super) open: &'a OpenProposal,
}

/// The result of an action that a second operator must approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeedsSecond {
    /// It is proposed.
    Proposed(Box<OpenProposal>),
    /// A proposal about the same job or queue is open: nothing was done.
    OpenBefore(Box<OpenProposal>),
    /// Too many proposals are open: nothing was done.
    TooMany,
    /// No token vouches for the operator: nothing was done.
    NoToken,
}

/// The result of an approval.
#[derive(Clone, Debug, PartialEq)]
pub enum Approved {
    /// The proposed action is done.
    Done(Executed),
    /// The proposal is no longer open: it was approved, withdrawn or rejected, or it has expired.
    Gone,
    /// The job or queue has changed since it was proposed: nothing was done, and the proposal is removed.
    Void(String),
    /// This operator may not approve it: nothing was done.
    Refused(ApprovalRefused),
    /// Something else keeps it from being done now: nothing was done, and the proposal stays open.
    NotNow(String),
}

/// The action that was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Executed {
    /// An operation on a job; the job as it is now.
    Job(Box<JobRecord>),
    /// The queue is resumed.
    Queue(Queue),
    /// The key has left quarantine.
    Dropped,
}

/// The result of removing a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissed {
    /// The operator who made it has withdrawn it.
    Withdrawn,
    /// Another operator has rejected it.
    Rejected,
    /// It is no longer open.
    Gone,
}

/// The result of resuming a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It is resumed.
    Done,
    /// It was not paused.
    NotPaused,
    /// It changes during each try: nothing was done.
    Changed,
    /// A second operator must approve it: nothing was done yet.
    NeedsSecond(NeedsSecond),
}

/// A proposal that is not yet open.
struct Draft<'a> {
    action: ApprovalAction,
    queue: &'a Queue,
    key: Option<&'a str>,
    end: Option<State>,
    amount: Option<Fen>,
    seen: ProposalSeen,
}

/// The blocks of a queue.
pub(super) struct Blocks {
    paused: String,
    pub(super) era: u64,
    resumed: u64,
}

impl Blocks {
    pub(super) fn reason(&self) -> Option<Reason> {
        (!self.paused.is_empty()).then(|| Reason::read(&self.paused))
    }

    fn seen(&self) -> ProposalSeen {
        ProposalSeen {
            sha256: digest(&[self.paused.as_bytes()]),
            era: self.era,
            reason: self.reason(),
            ..ProposalSeen::default()
        }
    }
}

impl Store {
    /// True if an operation on this job needs a second operator. An amount in a content that is not the accepted one is not believed.
    pub(super) fn operation_needs_second(&self, record: &JobRecord, operation: Operation) -> bool {
        ApprovalAction::of(operation).is_some_and(|action| self.approvals.needs_second(action, amount(record)))
    }

    pub(super) async fn propose_operation(
        &self,
        record: &JobRecord,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<NeedsSecond, StoreError> {
        let (action, end) = match operation {
            Operation::Resolve(end) => (ApprovalAction::Resolve, Some(end)),
            Operation::Send | Operation::Query | Operation::Cancel => (ApprovalAction::Send, None),
        };
        let era = self.blocks(&record.queue).await?.era;
        let draft = Draft {
            action,
            queue: &record.queue,
            key: Some(record.key.as_str()),
            end,
            amount: amount(record),
            seen: seen_of(record, era),
        };
        self.propose(draft, operator).await
    }

    pub(super) async fn propose_drop(
        &self,
        queue: &Queue,
        key: &str,
        look: &Look,
        operator: Operator<'_>,
    ) -> Result<Option<NeedsSecond>, StoreError> {
        let action = ApprovalAction::QuarantineDrop;
        if !self.approvals.needs_second(action, None) {
            return Ok(None);
        }
        let draft = Draft { action, queue, key: Some(key), end: None, amount: None, seen: seen_in_quarantine(look) };
        self.propose(draft, operator).await.map(Some)
    }

    /// Resumes a queue for an operator, who takes responsibility for earlier losses. Where there are some, a second operator may have to
    /// approve it; returns once that is as durable as configured.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; read the queue before repeating.
    pub async fn resume_by(&self, queue: &Queue, operator: Operator<'_>) -> Result<Resumed, StoreError> {
        for _ in 0..TRIES {
            let blocks = self.blocks(queue).await?;
            let action = ApprovalAction::ResumeLostWrites;
            let answers = answers_for_lost_writes(blocks.era, blocks.resumed, blocks.reason().as_ref());
            if answers && self.approvals.needs_second(action, None) {
                let draft = Draft { action, queue, key: None, end: None, amount: None, seen: blocks.seen() };
                return self.propose(draft, operator).await.map(Resumed::NeedsSecond);
            }
            match self.resume_as_seen(queue, &blocks, &operator.reason(ActionKind::Resume), "").await? {
                RESUMED => return Ok(Resumed::Done),
                RESUME_CHANGED => {}
                _ => return Ok(Resumed::NotPaused),
            }
        }
        Ok(Resumed::Changed)
    }

    async fn resume_as_seen(
        &self,
        queue: &Queue,
        blocks: &Blocks,
        reason: &Reason,
        approved: &str,
    ) -> Result<u8, StoreError> {
        let era = blocks.era.to_string();
        self.change_code(queue, &["resume", &reason.recorded(), "", "operator", &era, &blocks.paused, approved]).await
    }

    pub(super) async fn blocks(&self, queue: &Queue) -> Result<Blocks, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HMGET").arg(self.queues.of(queue).queue_hash()).arg("paused").arg("era").arg("resumed");
        type Fields = (Option<Vec<u8>>, Option<u64>, Option<u64>);
        let ((paused, era, resumed),): (Fields,) = self.query("HMGET", &pipeline).await?;
        Ok(Blocks {
            paused: paused.map(lossy).unwrap_or_default(),
            era: era.unwrap_or_default(),
            resumed: resumed.unwrap_or_default(),
        })
    }

    /// Opens a proposal. One that is open about the same thing stays, unless that has changed since.
    async fn propose(&self, draft: Draft<'_>, operator: Operator<'_>) -> Result<NeedsSecond, StoreError> {
        // A name alone does not distinguish the first operator from the second one.
        if operator.identity.is_none() {
            return Ok(NeedsSecond::NoToken);
        }
        let since = self.since();
        let open = self.proposal_about(draft.queue, draft.key).await?;
        let (stale, open) = match open {
            Some(open) if open.proposal.seen.change(&draft.seen).is_some() => (open.text, None),
            open => (String::new(), open),
        };
        let outcome = match open {
            Some(open) => NeedsSecond::OpenBefore(Box::new(open)),
            None => self.open(draft.proposal(self.now().await?, self.approvals.within, operator), &stale).await?,
        };
        self.kept(since).await?; // also if another one was faster: its proposal may have been written a moment ago
        Ok(outcome)
    }

    async fn open(&self, proposal: Proposal, replaced: &str) -> Result<NeedsSecond, StoreError> {
        let text = proposal.recorded();
        let open = OpenProposal { proposal, text };
        let kind = open.proposal.action.kind();
        let reason = kind.map(|kind| open.first().reason(kind).recorded()).unwrap_or_default();
        let change = open.change(ProposalOutcome::Proposed, open.first(), open.proposal.at);
        let mut call = self.proposal_call(&open, "proposed", (&reason, &change));
        let Proposal { at, expires_at, .. } = open.proposal;
        call.push("open").push(&open.text).push(replaced).push(at.0).push(expires_at.0).push(MAX_PROPOSALS);
        let reply: String = call.run(self).await?;
        match reply.as_str() {
            "" => Ok(NeedsSecond::Proposed(Box::new(open))),
            "full" => Ok(NeedsSecond::TooMany),
            _ => OpenProposal::read(reply).map(|open| NeedsSecond::OpenBefore(Box::new(open))),
        }
    }

    fn proposal_call(
        &self,
        open: &OpenProposal,
        event: &str,
        (reason, change): (&str, &HistoryEvent),
    ) -> crate::scripts::Call<'_> {
        let queue_keys = self.queues.of(&open.proposal.queue);
        let mut call = self.scripts.proposal.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(open.key()).push(EVENTS_KEPT).push(event).push(reason).push(change.recorded());
        call
    }

    /// The open proposal about a job or a key in quarantine, or without a key about the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposal_about(&self, queue: &Queue, key: Option<&str>) -> Result<Option<OpenProposal>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("GET").arg(self.queues.of(queue).of_key("proposal", key.unwrap_or_default()));
        let (text,): (Option<Vec<u8>>,) = self.query("GET", &pipeline).await?;
        text.map(|text| OpenProposal::read(lossy(text))).transpose()
    }

    /// The open proposals of these queues that this build can read, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposals(&self, queues: &[Queue]) -> Result<Vec<OpenProposal>, StoreError> {
        let named: BTreeMap<String, &Queue> = queues.iter().map(|queue| (queue.to_string(), queue)).collect();
        let partitions: BTreeSet<u16> = queues.iter().map(|queue| self.queues.partition_of(queue)).collect();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for partition in partitions {
            pipeline.cmd("ZRANGE").arg(self.queues.partition_set(partition, "proposals")).arg(0).arg(MAX_PROPOSALS);
        }
        let rows: Vec<Vec<Vec<u8>>> = self.query("ZRANGE", &pipeline).await?;
        let mut texts = Pipeline::new();
        for member in rows.into_iter().flatten().map(lossy) {
            let Some((queue, key)) = member.split_once(' ') else { continue };
            if let Some(queue) = named.get(queue) {
                texts.cmd("GET").arg(self.queues.of(queue).of_key("proposal", key));
            }
        }
        if texts.cmd_iter().next().is_none() {
            return Ok(Vec::new());
        }
        let texts: Vec<Option<Vec<u8>>> = self.query("GET", &texts).await?;
        let mut open: Vec<OpenProposal> =
            texts.into_iter().flatten().filter_map(|text| OpenProposal::read(lossy(text)).ok()).collect();
        open.sort_by(|left, right| (left.proposal.at, &left.proposal.id).cmp(&(right.proposal.at, &right.proposal.id)));
        Ok(open)
    }

    /// Removes a proposal: the operator who made it withdraws it, another one rejects it; returns once that is as durable as configured.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn dismiss(&self, open: &OpenProposal, operator: Operator<'_>) -> Result<Dismissed, StoreError> {
        let since = self.since();
        let (outcome, dismissed) = match open.proposal.is_by(operator.who, operator.identity) {
            true => (ProposalOutcome::Withdrawn, Dismissed::Withdrawn),
            false => (ProposalOutcome::Rejected, Dismissed::Rejected),
        };
        let reason = open.proposal.action.kind().map(|kind| operator.reason(kind).recorded()).unwrap_or_default();
        let is_removed = self.remove(open, outcome, operator, &reason).await?;
        self.kept(since).await?;
        Ok(if is_removed { dismissed } else { Dismissed::Gone })
    }

    async fn remove(
        &self,
        open: &OpenProposal,
        outcome: ProposalOutcome,
        operator: Operator<'_>,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let change = open.change(outcome, operator, self.now().await?);
        let mut call = self.proposal_call(open, &format!("proposal_{}", outcome.as_str()), (reason, &change));
        call.push("remove").push(&open.text);
        let reply: String = call.run(self).await?;
        Ok(reply.is_empty())
    }
}

impl Draft<'_> {
    fn proposal(self, now: Millis, within: std::time::Duration, operator: Operator<'_>) -> Proposal {
        let mut proposal = Proposal {
            id: String::new(),
            action: self.action,
            queue: self.queue.clone(),
            key: self.key.map(str::to_owned),
            end: self.end,
            amount_fen: self.amount,
            proposed_by: operator.who.to_owned(),
            proposer: operator.identity.map(str::to_owned),
            comment: operator.why.to_owned(),
            at: now,
            expires_at: now.plus(within),
            seen: self.seen,
            more: Map::new(),
        };
        let mut id = digest(&[proposal.recorded().as_bytes()]);
        id.truncate(ID_DIGITS);
        proposal.id = id;
        proposal
    }
}

/// The amount in a job's content, if it is the accepted one.
pub(super) fn amount(record: &JobRecord) -> Option<Fen> {
    let content = record.content.as_deref()?;
    let is_accepted = Sha256::digest(content.as_bytes()).as_slice() == record.hash;
    is_accepted.then(|| ContentSummary::of(record.queue.kind, content).amount).flatten()
}

pub(super) fn seen_of(record: &JobRecord, era: u64) -> ProposalSeen {
    ProposalSeen {
        sha256: digest(&[record.seen.record.as_bytes()]),
        era,
        state: Some(record.state),
        sends: Some(record.sends),
        queries: Some(record.queries),
        reason: None,
    }
}

fn seen_in_quarantine(look: &Look) -> ProposalSeen {
    let code = Quarantined::read(String::new(), &look.entry).code;
    ProposalSeen {
        sha256: digest(&[look.entry.as_bytes(), &look.record]),
        era: look.era.number,
        reason: Some(Reason::Other(OtherReason { code, parameters: Map::new() })),
        ..ProposalSeen::default()
    }
}

/// The SHA-256 of some parts, each with its length, in hexadecimal digits.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut sha256 = Sha256::new();
    for part in parts {
        sha256.update(part.len().to_be_bytes());
        sha256.update(part);
    }
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
