//! An operator's action on many jobs: its effect on each before it is done, and its result afterwards. The same objects in the CLI and the
//! API.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{AccountName, Fen, Key, Kind, State};

/// Jobs in one batch of actions at most: a person reads the preview, and a request ends within seconds.
pub const MAX_ACTIONS: usize = 1_000;

/// The effect that an action would have on a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedEffect {
    /// It would be done.
    Done,
    /// It would be proposed: another operator must approve it.
    Proposed,
    /// It would be refused; `detail` has the rule.
    Refused,
}

/// The effect that an action would have on one job, as the job is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedAction {
    /// The account's name.
    pub account: AccountName,
    /// The job's kind.
    pub kind: Kind,
    /// The job's key.
    pub platform_no: Key,
    /// The job's state; `null` where there is no job that can be read.
    pub state: Option<State>,
    /// The job's amount in fen; `null` where its content names none or has expired.
    pub amount_fen: Option<Fen>,
    /// The effect.
    pub effect: PlannedEffect,
    /// The job's state right after the action; `null` where it would be refused.
    pub to: Option<State>,
    /// Why it would be refused.
    pub detail: Option<String>,
    /// Names the job as it is now. An action with this version is refused once the job has changed.
    pub version: Option<String>,
}

/// Jobs with the same effect, and the sum of their amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EffectSum {
    /// The number of jobs.
    pub jobs: usize,
    /// The exact sum of the known amounts in fen.
    pub amount_fen: u128,
    /// Jobs whose amount is not known: they are not in the sum.
    pub without_amount: usize,
}

/// The effect of an action on all jobs of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedSum {
    /// It would be done to these.
    pub done: EffectSum,
    /// It would be proposed for these.
    pub proposed: EffectSum,
    /// It would be refused for these.
    pub refused: EffectSum,
}

impl EffectSum {
    fn add(&mut self, amount: Option<Fen>) {
        self.jobs += 1;
        match amount {
            Some(amount) => self.amount_fen += u128::from(amount.get().unsigned_abs()),
            None => self.without_amount += 1,
        }
    }
}

impl PlannedSum {
    /// The sum of these.
    #[must_use]
    pub fn of<'a>(planned: impl IntoIterator<Item = &'a PlannedAction>) -> Self {
        let mut sum = Self::default();
        for action in planned {
            match action.effect {
                PlannedEffect::Done => sum.done.add(action.amount_fen),
                PlannedEffect::Proposed => sum.proposed.add(action.amount_fen),
                PlannedEffect::Refused => sum.refused.add(action.amount_fen),
            }
        }
        sum
    }

    /// The number of jobs that the action would change or propose to change.
    #[must_use]
    pub const fn effective(&self) -> usize {
        self.done.jobs + self.proposed.jobs
    }
}

/// The result of an action on one job of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchOutcome {
    /// It was done.
    Done,
    /// It was proposed: another operator must approve it.
    Proposed,
    /// It was refused, and nothing was done.
    Refused,
    /// Redis did not answer: it may have been done. Read the job before you repeat it.
    Failed,
}

impl BatchOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Done, Self::Proposed, Self::Refused, Self::Failed];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Proposed => "proposed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One job of a batch after the action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BatchResult {
    /// The account's name.
    pub account: AccountName,
    /// The job's kind.
    pub kind: Kind,
    /// The job's key.
    pub platform_no: Key,
    /// The outcome.
    pub outcome: BatchOutcome,
    /// The job's state after the action; `null` where it was not done.
    pub state: Option<State>,
    /// Why it was refused or has failed; the proposal, where there is one.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(effect: PlannedEffect, amount: Option<i64>) -> PlannedAction {
        PlannedAction {
            account: "main".parse().unwrap(),
            kind: Kind::Transfer,
            platform_no: "T".parse().unwrap(),
            state: Some(State::NeedsReview),
            amount_fen: amount.and_then(Fen::new),
            effect,
            to: None,
            detail: None,
            version: None,
        }
    }

    #[test]
    fn a_sum_is_exact_beyond_what_one_amount_can_be() {
        let most = i64::MAX;
        let of = [
            planned(PlannedEffect::Done, Some(most)),
            planned(PlannedEffect::Done, Some(most)),
            planned(PlannedEffect::Done, Some(most)),
            planned(PlannedEffect::Done, None),
            planned(PlannedEffect::Proposed, Some(7)),
            planned(PlannedEffect::Refused, Some(5)),
        ];
        let sum = PlannedSum::of(&of);
        let done = EffectSum { jobs: 4, amount_fen: 27_670_116_110_564_327_421, without_amount: 1 };
        assert_eq!(sum.done, done);
        assert_eq!((sum.proposed.amount_fen, sum.refused.amount_fen, sum.effective()), (7, 5, 5));
    }
}
