//! The effect of claims on their record.

use bursar_domain::{Call, State};

use super::{Claim, Job, Moment};

impl Job {
    /// The job as the current claim found it, including the lost claims.
    pub(super) fn found(&self) -> Self {
        let mut found = self.clone();
        let lost = self.claims.split_last().map_or(&[][..], |(_, lost)| lost);
        for lost in lost {
            found.lose(lost);
        }
        found
    }

    /// The job as everybody sees it.
    pub(crate) fn seen(&self) -> Self {
        let mut seen = self.found();
        if let Some(claim) = self.claims.last() {
            seen.fence = claim.fence;
            if claim.call == Call::Send {
                seen.count_send(claim.at, true);
                seen.state = State::InDoubt;
                seen.history.push(format!("send_intent #{}", claim.fence));
            }
        }
        seen
    }

    fn lose(&mut self, lost: &Claim) {
        self.fence = lost.fence;
        self.claims_lost += 1;
        if lost.call == Call::Send {
            self.count_send(lost.at, true);
            self.state = State::InDoubt;
            self.history.extend([format!("send_intent #{}", lost.fence), format!("worker_lost #{}", lost.fence)]);
        }
    }

    pub(super) fn count_send(&mut self, at: Moment, is_resend: bool) {
        self.sends += 1;
        let before = self.state != State::Queued;
        self.resends += u32::from(before && is_resend);
        self.first_sent = self.first_sent.or(before.then_some(self.created)).or(Some(at));
        self.last_sent = Some(at);
    }
}
