//! The gateway's own record of a thing, and the states of its job that the record allows.

use bursar_domain::State;
use bursar_simulator::Kind;

use crate::evidence::Evidence;
use crate::jobs::Thing;

/// The states that the gateway's record allows a job to have.
pub(crate) struct Books<'a> {
    pub(crate) executed: bool,
    kind: Option<Kind>,
    pub(crate) status: Option<&'a str>,
    /// The statuses that it had or has, by its life.
    life: &'a str,
}

impl<'a> Books<'a> {
    pub(crate) fn of(evidence: &'a Evidence, thing: &'a Thing) -> Self {
        let record = evidence.at_gateway(thing).filter(|record| record.executions > 0);
        Self {
            executed: record.is_some(),
            kind: record.map(|record| record.kind),
            status: record.and_then(|record| record.status.as_deref()),
            life: thing.life,
        }
    }

    /// Executed, and not failed in the end.
    pub(crate) fn paid(&self) -> bool {
        match self.kind {
            None => false,
            Some(Kind::BillUpload) => true,
            Some(Kind::Transfer | Kind::Withdrawal) => self.status != Some("0"),
            Some(Kind::Split) => self.status != Some("2"),
        }
    }

    pub(crate) fn allow(&self, state: State) -> bool {
        match state {
            State::Queued | State::Cancelled => !self.executed,
            State::Failed => !self.paid(),
            // A success may become a refund later, when no worker queries it any more.
            State::Succeeded => match self.kind {
                None => false,
                Some(Kind::BillUpload) => true,
                Some(Kind::Withdrawal) => false, // only a person knows
                Some(Kind::Transfer) => self.status == Some("1") || self.life.contains("1-2"),
                Some(Kind::Split) => self.status == Some("1"),
            },
            State::Refunded => self.status == Some("2") && self.kind == Some(Kind::Transfer),
            State::InDoubt | State::NeedsReview => true,
            State::Pending => self.executed,
        }
    }
}
