//! The operations that a job's state allows an operator. Each is recorded with the operator's name and reason.

use crate::{Due, Kind, Millis, Reason, Repetition, State, Transition};

/// The longest reason, in characters: it is read on one screen with others.
pub const MAX_REASON_CHARS: usize = 1_000;

/// The rule of [`is_reason`] as JSON schemas have it, its length apart: no control characters but line breaks and tabs, and not white
/// space alone.
pub const REASON_PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";

/// True if a text says why, and can be shown on any terminal: line breaks and tabs are the only control characters in it.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    let is_fit = |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    !text.trim().is_empty() && text.chars().count() <= MAX_REASON_CHARS && text.chars().all(is_fit)
}

/// One operator's action on one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Ask the gateway now.
    Query,
    /// Send the identical bytes again, on the operator's word.
    Send,
    /// Close a job in review as what it is known to be.
    Resolve(State),
    /// Take back a job before any send took effect.
    Cancel,
}

impl Operation {
    /// The word for it in records and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Send => "send",
            Self::Resolve(_) => "resolve",
            Self::Cancel => "cancel",
        }
    }
}

/// Why an operation is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} cannot be {what}: {rule}")]
pub struct OperationRefused {
    /// The job's state.
    pub state: State,
    /// `asked about`, `sent`, `resolved`, `cancelled`.
    pub what: &'static str,
    /// The rule.
    pub rule: &'static str,
}

/// The rule by which a job is not sent a second time. It says what to do instead.
const NEVER_TWICE: &str = "the gateway cannot tell a second send of this kind from a second payment. Look for the first one at the \
                           gateway and resolve the job; if it was not executed, resolve it as failed and submit it under a new key";

impl Operation {
    /// The outcome of the operation on a job of this kind, in `state` for `reason`. A job whose second send would be a second payment
    /// is not sent from review, where its outcome is unknown. A pending job that the gateway cannot be
    /// asked about may be closed before its deadline, and so may one whose send Redis may have forgotten: nothing but a person
    /// who looked elsewhere can tell how it ended.
    ///
    /// # Errors
    /// [`OperationRefused`] where the state does not allow it; nothing changes.
    pub fn on_job(
        self,
        kind: Kind,
        state: State,
        reason: Option<&Reason>,
        now: Millis,
    ) -> Result<Transition, OperationRefused> {
        let stuck = match state {
            State::Pending => reason == Some(&Reason::CannotBeQueried),
            State::InDoubt => reason == Some(&Reason::LostWrites),
            State::Queued
            | State::NeedsReview
            | State::Succeeded
            | State::Failed
            | State::Refunded
            | State::Cancelled => false,
        };
        match self {
            Self::Send if state == State::NeedsReview && kind.repetition() == Repetition::PaysAgain => {
                Err(OperationRefused { state, what: "sent", rule: NEVER_TWICE })
            }
            Self::Resolve(_) if stuck => {
                self.on(State::NeedsReview, now).map_err(|refused| OperationRefused { state, ..refused })
            }
            Self::Query | Self::Send | Self::Resolve(_) | Self::Cancel => self.on(state, now),
        }
    }

    /// The outcome of the operation on a job in `state`.
    ///
    /// # Errors
    /// [`OperationRefused`] where the state does not allow it; nothing changes.
    pub fn on(self, state: State, now: Millis) -> Result<Transition, OperationRefused> {
        let refused = |what, rule| Err(OperationRefused { state, what, rule });
        let next = |state, due| Ok(Transition { state, due, reason: None, pause_queue: false });
        match (self, state) {
            (Self::Query, State::InDoubt | State::Pending | State::Succeeded) => next(state, Due::Query(now)),
            (Self::Query, State::NeedsReview) => next(State::InDoubt, Due::Query(now)),
            (Self::Query, State::Queued | State::Failed | State::Refunded | State::Cancelled) => {
                refused("asked about", "only what may have been executed can be asked about")
            }
            (Self::Send, State::NeedsReview) => next(State::InDoubt, Due::Send(now)),
            (Self::Send, State::Queued) => next(State::Queued, Due::Send(now)),
            (
                Self::Send,
                State::InDoubt | State::Pending | State::Succeeded | State::Failed | State::Refunded | State::Cancelled,
            ) => refused("sent", "only a job that is queued or in review can be sent by hand"),
            (Self::Resolve(to @ (State::Succeeded | State::Failed | State::Refunded)), State::NeedsReview) => {
                next(to, Due::Never)
            }
            (Self::Resolve(_), State::NeedsReview) => {
                refused("resolved", "the end must be succeeded, failed or refunded")
            }
            (
                Self::Resolve(_),
                State::Queued
                | State::InDoubt
                | State::Pending
                | State::Succeeded
                | State::Failed
                | State::Refunded
                | State::Cancelled,
            ) => refused(
                "resolved",
                "only a job in review, or one that is pending and cannot be asked about, or one in doubt since Redis lost writes, can be resolved",
            ),
            (Self::Cancel, State::Queued) => next(State::Cancelled, Due::Never),
            (
                Self::Cancel,
                State::InDoubt
                | State::Pending
                | State::NeedsReview
                | State::Succeeded
                | State::Failed
                | State::Refunded
                | State::Cancelled,
            ) => refused("cancelled", "only a queued job is certain not to have been executed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ActionKind;
    use crate::schema_tests::validator;

    #[test]
    fn an_operators_reason_is_bounded_and_printable() {
        let long = "因".repeat(MAX_REASON_CHARS);
        for fit in ["x", "seen on the statement,\n\tpage 3", &long] {
            assert!(is_reason(fit), "{fit:?}");
        }
        for unfit in ["", " \n", "\u{0}", "x\u{1b}[2J", "\u{85}x", &format!("{long}x")] {
            assert!(!is_reason(unfit), "{unfit:?}");
        }
    }

    #[test]
    fn every_operation_in_every_state_follows_the_table() {
        use State::{Cancelled, Failed, InDoubt, NeedsReview, Pending, Queued, Refunded, Succeeded};
        let resolve = Operation::Resolve(Succeeded);
        let allowed = [
            (Operation::Query, InDoubt, InDoubt),
            (Operation::Query, Pending, Pending),
            (Operation::Query, Succeeded, Succeeded),
            (Operation::Query, NeedsReview, InDoubt),
            (Operation::Send, NeedsReview, InDoubt),
            (Operation::Send, Queued, Queued),
            (resolve, NeedsReview, Succeeded),
            (Operation::Cancel, Queued, Cancelled),
        ];
        for operation in [Operation::Query, Operation::Send, resolve, Operation::Cancel] {
            for state in State::ALL {
                let expected = allowed.iter().find(|(o, s, _)| (*o, *s) == (operation, state)).map(|(_, _, to)| *to);
                assert_eq!(
                    operation.on(state, Millis(1)).ok().map(|next| next.state),
                    expected,
                    "{operation:?} {state}"
                );
            }
        }
        for state in [Queued, InDoubt, Pending, NeedsReview, Cancelled] {
            assert!(Operation::Resolve(state).on(NeedsReview, Millis(1)).is_err());
        }
        assert_eq!(Operation::Resolve(Failed).on(NeedsReview, Millis(1)).unwrap().due, Due::Never);
        assert_eq!(Operation::Resolve(Refunded).on(NeedsReview, Millis(1)).unwrap().state, Refunded);
    }

    #[test]
    fn the_pattern_of_reasons_agrees_with_the_rule() {
        let pattern = validator(&serde_json::json!({"type": "string", "pattern": REASON_PATTERN}));
        for text in [
            "x",
            " x ",
            "两行\n一行",
            "\t.\r\n",
            "",
            " ",
            "\n\t",
            "\u{3000}",
            "a\u{0}",
            "\u{7f}",
            "x\u{85}",
            "a\u{9f}b",
            "\u{a0}",
        ] {
            assert_eq!(pattern.is_valid(&text.into()), is_reason(text), "{text:?}");
        }
    }

    #[test]
    fn a_pending_job_is_resolved_only_if_it_cannot_be_queried() {
        let ends = [State::Succeeded, State::Failed, State::Refunded];
        let every = || {
            State::ALL.map(Operation::Resolve).into_iter().chain([Operation::Query, Operation::Send, Operation::Cancel])
        };
        let looked = Reason::operator_action(ActionKind::Query, "li", "looked");
        for operation in every() {
            for state in State::ALL {
                for reason in [None, Some(&looked), Some(&Reason::CannotBeQueried), Some(&Reason::LostWrites)] {
                    let next = operation.on_job(Kind::Transfer, state, reason, Millis(1));
                    let stuck =
                        [(State::Pending, Some(&Reason::CannotBeQueried)), (State::InDoubt, Some(&Reason::LostWrites))];
                    let stuck = stuck.contains(&(state, reason));
                    match operation {
                        Operation::Resolve(to) if stuck && ends.contains(&to) => {
                            assert_eq!(next.map(|next| (next.state, next.due)), Ok((to, Due::Never)));
                        }
                        Operation::Resolve(_) if stuck => assert_eq!(next.unwrap_err().state, state),
                        Operation::Query | Operation::Send | Operation::Resolve(_) | Operation::Cancel => {
                            assert_eq!(next, operation.on(state, Millis(1)), "{operation:?} {state} {reason:?}");
                        }
                    }
                }
            }
        }
    }
}
