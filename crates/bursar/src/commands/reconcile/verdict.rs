//! Compares a job with the gateway's response.

use bursar_domain::{Answer, Fen, Reading, State};

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
pub(super) fn compare(state: State, ours: Option<Fen>, reading: &Reading) -> Verdict {
    if let (Some(ours), Some(theirs)) = (ours, reading.amount)
        && ours != theirs
    {
        return Verdict::Differs(What::Amount);
    }
    let agrees = match reading.answer {
        Answer::NotExecuted | Answer::NotReady | Answer::ConfigFault | Answer::Refused | Answer::Silent => {
            return Verdict::Unanswered;
        }
        Answer::Contradiction => return Verdict::Differs(What::Key),
        Answer::Succeeded => state == State::Succeeded,
        Answer::Failed => state == State::Failed,
        Answer::Refunded => state == State::Refunded,
        Answer::Accepted => state == State::Pending,
        // None of these states says that the gateway executed the job.
        Answer::Unseen => match state {
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
            (State::Queued, Answer::Unseen),
            (State::InDoubt, Answer::Unseen),
            (State::NeedsReview, Answer::Unseen),
            (State::Cancelled, Answer::Unseen),
            (State::Failed, Answer::Unseen),
            (State::Failed, Answer::Failed),
            (State::Pending, Answer::Accepted),
            (State::Succeeded, Answer::Succeeded),
            (State::Refunded, Answer::Refunded),
        ];
        for state in State::ALL {
            for answer in Answer::ALL {
                let expected = match answer {
                    Answer::NotExecuted | Answer::NotReady | Answer::ConfigFault | Answer::Refused | Answer::Silent => {
                        Verdict::Unanswered
                    }
                    Answer::Contradiction => Verdict::Differs(What::Key),
                    Answer::Accepted | Answer::Succeeded | Answer::Failed | Answer::Refunded | Answer::Unseen => {
                        if agreeing.contains(&(state, answer)) {
                            Verdict::Agrees
                        } else {
                            Verdict::Differs(What::State)
                        }
                    }
                };
                assert_eq!(compare(state, Fen::new(10), &Reading::of(answer, "")), expected, "{state} {answer:?}");
            }
        }
    }

    #[test]
    fn another_amount_is_a_difference_whatever_the_state() {
        for answer in [Answer::Succeeded, Answer::Contradiction] {
            let reading = Reading { amount: Fen::new(11), ..Reading::of(answer, "") };
            assert_eq!(compare(State::Succeeded, Fen::new(10), &reading), Verdict::Differs(What::Amount));
        }
        let reading = Reading { amount: Fen::new(10), ..Reading::of(Answer::Succeeded, "") };
        assert_eq!(compare(State::Succeeded, Fen::new(10), &reading), Verdict::Agrees);
        assert_eq!(compare(State::Succeeded, None, &reading), Verdict::Agrees, "nothing to compare it with");
    }
}
