//! The difference between "the gateway said it" and "an operator closed it".

use schemars::JsonSchema;
use serde::Serialize;

use crate::{ActionKind, HistoryEvent, Outcome, Reason, State};

/// The one that ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The gateway: its response is the proof.
    Gateway,
    /// An operator, who resolved or cancelled the job. The gateway did not say so.
    Operator,
    /// Bursar: the job was certainly never executed, and is not sent any more.
    Bursar,
}

impl EndedBy {
    /// The one that ended a job that is in `state` for `reason`, with its newest events, oldest first; `None` if it has not ended.
    #[must_use]
    pub fn of(state: State, reason: Option<&Reason>, newest: &[HistoryEvent]) -> Option<Self> {
        if !state.is_terminal() {
            return None;
        }
        // The reason is that of the last act or response: a query of a job that an operator had closed has another one than its end.
        Some(newest.iter().rev().find_map(by_event).unwrap_or_else(|| by_reason(reason)))
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Operator => "operator",
            Self::Bursar => "bursar",
        }
    }
}

fn by_event(event: &HistoryEvent) -> Option<EndedBy> {
    match event {
        HistoryEvent::OperatorAction(action) => {
            matches!(action.action, ActionKind::Resolve | ActionKind::Cancel).then_some(EndedBy::Operator)
        }
        HistoryEvent::Response(response) if response.late => None, // evidence, which decided nothing by itself
        HistoryEvent::Response(response) => match response.read.outcome {
            Outcome::Succeeded | Outcome::Failed | Outcome::Refunded | Outcome::Rejected => Some(EndedBy::Gateway),
            Outcome::NotExecuted
            | Outcome::NotReady
            | Outcome::Misconfigured
            | Outcome::Accepted
            | Outcome::NoResponse
            | Outcome::NotFound
            | Outcome::Mismatch => None,
        },
        HistoryEvent::DeadlinePassed(_) => Some(EndedBy::Bursar),
        HistoryEvent::SendIntent(_)
        | HistoryEvent::SendSkipped(_)
        | HistoryEvent::ClaimReleased(_)
        | HistoryEvent::WorkerLost(_)
        | HistoryEvent::Adopted(_)
        | HistoryEvent::RestoredFromJournal(_)
        | HistoryEvent::BusinessKeyConflict(_)
        | HistoryEvent::Notification(_)
        | HistoryEvent::Delivery(_)
        | HistoryEvent::Quarantine(_)
        | HistoryEvent::Proposal(_)
        | HistoryEvent::WebhookResent(_)
        | HistoryEvent::Unreadable(_)
        | HistoryEvent::Other(_) => None,
    }
}

fn by_reason(reason: Option<&Reason>) -> EndedBy {
    match reason {
        Some(Reason::OperatorAction { action: ActionKind::Resolve | ActionKind::Cancel, .. }) => EndedBy::Operator,
        Some(
            Reason::RetryDeadlinePassed(_)
            | Reason::RetriesExhausted(_)
            | Reason::OrderNotReady(_)
            | Reason::StillNotReady(_)
            | Reason::WorkersLost
            | Reason::ContentChanged
            | Reason::AboveMaxAmount,
        ) => EndedBy::Bursar,
        Some(_) | None => EndedBy::Gateway,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::GatewayText;

    fn event(event: &Value) -> HistoryEvent {
        HistoryEvent::read(event.to_string().as_bytes())
    }

    fn action(action: &str, to: &str) -> HistoryEvent {
        event(
            &json!({"event": "operator_action", "at": 1, "action": action, "from": "needs_review", "to": to, "operator": "li",
            "comment": "seen"}),
        )
    }

    fn response(outcome: &str, late: bool) -> HistoryEvent {
        event(&json!({"event": "response", "at": 1, "fence": 1, "call": "query", "outcome": outcome, "late": late}))
    }

    #[test]
    fn an_operator_s_word_is_never_the_gateway_s() {
        let resolved = Reason::operator_action(ActionKind::Resolve, "li", "seen");
        let queried = Reason::operator_action(ActionKind::Query, "li", "look");
        let cases = [
            (State::NeedsReview, Some(&resolved), vec![], None),
            (State::Succeeded, None, vec![response("succeeded", false)], Some(EndedBy::Gateway)),
            (State::Succeeded, Some(&resolved), vec![], Some(EndedBy::Operator)),
            (
                State::Succeeded,
                Some(&resolved),
                vec![response("mismatch", false), action("resolve", "succeeded")],
                Some(EndedBy::Operator),
            ),
            // An operator queries what an operator closed: it is still the operator's word, until the gateway confirms it.
            (
                State::Succeeded,
                Some(&queried),
                vec![action("resolve", "succeeded"), action("query", "succeeded")],
                Some(EndedBy::Operator),
            ),
            (
                State::Succeeded,
                None,
                vec![action("resolve", "succeeded"), response("no_response", false)],
                Some(EndedBy::Operator),
            ),
            (
                State::Succeeded,
                None,
                vec![action("resolve", "succeeded"), response("succeeded", true)],
                Some(EndedBy::Operator),
            ),
            (
                State::Succeeded,
                None,
                vec![action("resolve", "succeeded"), response("succeeded", false)],
                Some(EndedBy::Gateway),
            ),
            (State::Cancelled, None, vec![action("cancel", "cancelled")], Some(EndedBy::Operator)),
        ];
        for (state, reason, newest, expected) in cases {
            assert_eq!(EndedBy::of(state, reason, &newest), expected, "{state} {reason:?} {newest:?}");
        }
        let exhausted = Reason::RetriesExhausted(GatewayText::default());
        assert_eq!(
            EndedBy::of(State::Failed, Some(&exhausted), &[response("not_executed", false)]),
            Some(EndedBy::Bursar)
        );
        assert_eq!(EndedBy::of(State::Failed, None, &[]), Some(EndedBy::Gateway));
    }
}
