//! The preview of an operator's action on many jobs: its effect on each as it is now. Nothing is changed.

use std::collections::{BTreeMap, HashMap};

use bursar_domain::{Key, Operation, OperationRefused, PlannedAction, PlannedEffect, Queue, Reason, State, Transition};

use super::apply::MAX_APPLIED;
use super::operate::{allowed, journal_ahead, needs_certainty};
use super::proposals::{Blocks, ID_DIGITS, amount, digest, seen_of};
use super::record::Unreadable;
use super::{JobRecord, OpenProposal, StoredAs};
use crate::{Store, StoreError};

/// The effect that an operation would have on a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It would be done.
    Done(Transition),
    /// It would be proposed: a second operator must approve it.
    NeedsSecond(Transition),
    /// It would be refused: a proposal about the job is open.
    OpenBefore(Box<OpenProposal>),
    /// It would be refused: a worker calls the gateway about the job at this moment.
    Claimed,
    /// It would be refused by this rule.
    Refused(OperationRefused),
}

/// A job of a preview.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedJob {
    /// There is no such job.
    Unknown,
    /// This build cannot read the job.
    Unreadable(Unreadable),
    /// The job, and the effect on it.
    Found(Box<JobRecord>, Effect),
}

/// One entry of a preview.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The job's queue.
    pub queue: Queue,
    /// The job's key.
    pub key: Key,
    /// The job.
    pub job: PlannedJob,
}

/// The state of a queue on which effects depend.
struct QueueNow {
    blocks: Blocks,
    proposals: HashMap<String, OpenProposal>,
}

impl JobRecord {
    /// Names the job as it is: any later change, claim or loss of writes gives it another version.
    #[must_use]
    pub fn version(&self) -> String {
        let found = self.seen.found.text();
        let mut version = digest(&[self.seen.record.as_bytes(), self.seen.claim.as_bytes(), found.as_bytes()]);
        version.truncate(ID_DIGITS);
        version
    }
}

impl Store {
    /// The effect of an operation on each of these jobs, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn preview(&self, chosen: &[(Queue, Key)], operation: Operation) -> Result<Vec<Planned>, StoreError> {
        let mut by_queue: BTreeMap<&Queue, Vec<Key>> = BTreeMap::new();
        for (queue, key) in chosen {
            by_queue.entry(queue).or_default().push(key.clone());
        }
        let mut found: HashMap<(&Queue, Key), PlannedJob> = HashMap::new();
        for (queue, keys) in by_queue {
            let now = self.queue_now(queue).await?;
            for keys in keys.chunks(MAX_APPLIED) {
                for job in self.jobs(queue, keys).await? {
                    let key = job.key().clone();
                    let job = match job {
                        StoredAs::Unreadable { why, .. } => PlannedJob::Unreadable(why),
                        StoredAs::Job(record) => {
                            let effect = self.effect(&record, operation, &now);
                            PlannedJob::Found(record, effect)
                        }
                    };
                    found.insert((queue, key), job);
                }
            }
        }
        let planned = chosen.iter().map(|(queue, key)| Planned {
            queue: queue.clone(),
            key: key.clone(),
            job: found.get(&(queue, key.clone())).cloned().unwrap_or(PlannedJob::Unknown),
        });
        Ok(planned.collect())
    }

    async fn queue_now(&self, queue: &Queue) -> Result<QueueNow, StoreError> {
        let blocks = self.blocks(queue).await?;
        let open = self.proposals(std::slice::from_ref(queue)).await?;
        let of_jobs = open.into_iter().filter_map(|open| Some((open.proposal.key.clone()?, open)));
        Ok(QueueNow { blocks, proposals: of_jobs.collect() })
    }

    fn effect(&self, record: &JobRecord, operation: Operation, now: &QueueNow) -> Effect {
        let next = match allowed(record, operation, record.updated.unwrap_or_default()) {
            Ok(next) => next,
            Err(refused) => return Effect::Refused(refused),
        };
        if record.worker.is_some() {
            return Effect::Claimed;
        }
        if self.operation_needs_second(record, operation) {
            let open = now.proposals.get(record.key.as_str());
            let seen = seen_of(record, now.blocks.era);
            // One about the job as it was before is replaced.
            return match open.filter(|open| open.proposal.seen.change(&seen).is_none()) {
                Some(open) => Effect::OpenBefore(Box::new(open.clone())),
                None => Effect::NeedsSecond(next),
            };
        }
        match needs_certainty(operation) {
            Some(what) if now.blocks.reason() == Some(Reason::JournalAhead) => {
                Effect::Refused(journal_ahead(record, what))
            }
            Some(_) | None => Effect::Done(next),
        }
    }
}

impl Effect {
    /// The same as outsiders read it: the effect, the state right after it, and the rule that refuses it.
    #[must_use]
    pub fn view(&self) -> (PlannedEffect, Option<State>, Option<String>) {
        let refused = |why: String| (PlannedEffect::Refused, None, Some(why));
        match self {
            Self::Done(next) => (PlannedEffect::Done, Some(next.state), None),
            Self::NeedsSecond(next) => (PlannedEffect::Proposed, Some(next.state), None),
            Self::OpenBefore(open) => {
                let (who, what, id) = (&open.proposal.proposed_by, open.proposal.action.as_str(), &open.proposal.id);
                refused(format!("{who} has proposed {what} already: approve or reject proposal {id} first"))
            }
            Self::Claimed => {
                refused("a worker calls the gateway at this moment: try again when it has finished".into())
            }
            Self::Refused(rule) => refused(rule.to_string()),
        }
    }
}

impl Planned {
    /// The same as outsiders read it.
    #[must_use]
    pub fn view(&self) -> PlannedAction {
        let (record, (effect, to, detail)) = match &self.job {
            PlannedJob::Unknown => (None, (PlannedEffect::Refused, None, Some("there is no such job".to_owned()))),
            PlannedJob::Unreadable(why) => (None, (PlannedEffect::Refused, None, Some(why.to_string()))),
            PlannedJob::Found(record, effect) => (Some(record), effect.view()),
        };
        PlannedAction {
            account: self.queue.account.clone(),
            kind: self.queue.kind,
            platform_no: self.key.clone(),
            state: record.map(|record| record.state),
            amount_fen: record.and_then(|record| amount(record)),
            effect,
            to,
            detail,
            version: record.map(|record| record.version()),
        }
    }
}
