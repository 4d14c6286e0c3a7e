//! The views of a job: for readers, and for the state machine's decisions while nothing is sent.

use bursar_domain::{ContentDetails, EndedBy, JobProgress, JobView, Names, Reason, Received, Shown, State};

use super::JobRecord;

impl JobRecord {
    /// The progress of a job without a claim, for the state machine.
    #[must_use]
    pub fn progress(&self, next_day: bool) -> JobProgress {
        let may_have_been_sent = (self.state != State::Queued).then_some(self.created).flatten();
        JobProgress {
            state: self.state,
            sends: self.sends,
            resends: self.resends,
            queries: self.queries,
            losses: self.claims_lost,
            first_sent: self.first_sent.or(may_have_been_sent),
            last_sent: self.last_sent,
            sent_before: None,
            ordered: self.ordered,
            late_response: None,
            can_query: false,
            names: Names::Nothing,
            received: Received::Nothing,
            repeat_is_answered: false,
            next_day,
            not_ready: matches!(self.reason, Some(Reason::OrderNotReady(_))),
            seed: self.key.seed(),
        }
    }

    /// The amount, the parties and the order of the job; nothing of an expired one.
    #[must_use]
    pub fn details(&self, shown: Shown) -> ContentDetails {
        let of = |content: &String| ContentDetails::of(self.queue.kind, content, shown);
        self.content.as_ref().map(of).unwrap_or_default()
    }

    /// The job as outsiders read it.
    #[must_use]
    pub fn view(&self) -> JobView {
        JobView {
            account: self.queue.account.to_string(),
            kind: self.queue.kind.to_string(),
            platform_no: self.key.to_string(),
            state: self.state,
            trade_no: self.trade_nos.last().cloned(),
            gateway_status: self.gateway_status.clone(),
            attempts: self.sends,
            queries: self.queries,
            created_at: JobView::time(self.created),
            updated_at: JobView::time(self.updated),
            due_at: JobView::time(self.due),
            reason: self.reason.clone(),
            ended_by: EndedBy::of(self.state, self.reason.as_ref(), &self.recent),
            details: self.details(Shown::Masked),
            environment: self.seen.stored.environment.clone(),
        }
    }
}
