//! Compares a job with the gateway's response.

use bursar_domain::{Fen, Outcome, ParsedResponse, State};

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The gateway has the job in another state, or has a job that was never sent.
    State,
    /// The gateway has another amount.
    Amount,
    /// The gateway answers with another key.
    Key,
}

impl What {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Amount => "amount",
            Self::Key => "key",
        }
    }
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both say the same.
    Agrees,
    /// They do not.
    Differs(What),
    /// The gateway's response cannot be compared.
    Unanswered,
}

/// Compares a job's state and amount with the gateway's response.
pub(super) fn compare(state: State, ours: Option<Fen>, parsed: &ParsedResponse) -> Verdict {
    if let (Some(ours), Some(theirs)) = (ours, parsed.amount)
        && ours != theirs
    {
        return Verdict::Differs(What::Amount);
    }
    let agrees = match parsed.outcome {
        Outcome::NotExecuted | Outcome::NotReady | Outcome::Misconfigured | Outcome::Rejected | Outcome::NoResponse => {
            return Verdict::Unanswered;
        }
        Outcome::Mismatch => return Verdict::Differs(What::Key),
        Outcome::Succeeded => state == State::Succeeded,
        Outcome::Failed => state == State::Failed,
        Outcome::Refunded => state == State::Refunded,
        Outcome::Accepted => state == State::Pending,
        // None of these states says that the gateway executed the job.
        Outcome::NotFound => match state {
            State::Queued | State::Cancelled | State::Failed | State::InDoubt | State::NeedsReview => true,
            State::Pending | State::Succeeded | State::Refunded => false,
        },
    };
    if agrees { Verdict::Agrees } else { Verdict::Differs(What::State) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_agrees_with_the_outcomes_of_the_table_only() {
        let agreeing = [
            (State::Queued, Outcome::NotFound),
            (State::InDoubt, Outcome::NotFound),
            (State::NeedsReview, Outcome::NotFound),
            (State::Cancelled, Outcome::NotFound),
            (State::Failed, Outcome::NotFound),
            (State::Failed, Outcome::Failed),
            (State::Pending, Outcome::Accepted),
            (State::Succeeded, Outcome::Succeeded),
            (State::Refunded, Outcome::Refunded),
        ];
        for state in State::ALL {
            for outcome in Outcome::ALL {
                let expected = match outcome {
                    Outcome::NotExecuted
                    | Outcome::NotReady
                    | Outcome::Misconfigured
                    | Outcome::Rejected
                    | Outcome::NoResponse => Verdict::Unanswered,
                    Outcome::Mismatch => Verdict::Differs(What::Key),
                    Outcome::Accepted
                    | Outcome::Succeeded
                    | Outcome::Failed
                    | Outcome::Refunded
                    | Outcome::NotFound => {
                        if agreeing.contains(&(state, outcome)) {
                            Verdict::Agrees
                        } else {
                            Verdict::Differs(What::State)
                        }
                    }
                };
                assert_eq!(
                    compare(state, Fen::new(10), &ParsedResponse::of(outcome, "")),
                    expected,
                    "{state} {outcome:?}"
                );
            }
        }
    }

    #[test]
    fn another_amount_is_a_difference_whatever_the_state() {
        for outcome in [Outcome::Succeeded, Outcome::Mismatch] {
            let parsed = ParsedResponse { amount: Fen::new(11), ..ParsedResponse::of(outcome, "") };
            assert_eq!(compare(State::Succeeded, Fen::new(10), &parsed), Verdict::Differs(What::Amount));
        }
        let parsed = ParsedResponse { amount: Fen::new(10), ..ParsedResponse::of(Outcome::Succeeded, "") };
        assert_eq!(compare(State::Succeeded, Fen::new(10), &parsed), Verdict::Agrees);
        assert_eq!(compare(State::Succeeded, None, &parsed), Verdict::Agrees, "nothing to compare it with");
    }
}
