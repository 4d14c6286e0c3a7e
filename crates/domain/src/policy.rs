//! One account's waits, deadlines, and rule for a send that got no answer.

use std::time::Duration;

use crate::{DEFAULT_MAX_AMOUNT, Fen, Kind, Repetition};

/// The action after a send whose answer was lost, once the time of `resend_after` has passed and a query did not help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAmbiguous {
    /// The identical bytes again, at most `resend_max` times. Only for a gateway that honours keys.
    Resend,
    /// Never send again without a person's word. The default: no page of either gateway promises that keys are honoured.
    #[default]
    Hold,
}

impl OnAmbiguous {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Hold => "hold",
        }
    }
}

/// The effect of an operator's order to send a job again that may have been executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManualResend {
    /// It does.
    #[default]
    Allowed,
    /// It does not: the second send would be a second payment.
    Refused,
}

/// Which last words are confirmed by a query before they end a job, where the response to the send names no job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// Those that say that the money was not paid, or came back: a producer who reads them pays by another way.
    #[default]
    Failures,
    /// Success as well.
    Always,
    /// None: the connection alone says which job a response is about.
    Never,
}

impl Confirm {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Failures, Self::Always, Self::Never];

    /// The word for it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// One account's waits and bounds; the defaults are the configuration's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The action after an unanswered send.
    pub on_ambiguous: OnAmbiguous,
    /// The time in which a request that was sent may still take effect, counted from its first byte.
    pub resend_after: Duration,
    /// The most times that the identical bytes go out again by themselves.
    pub resend_max: u32,
    /// Waits between queries; the last one repeats. Never empty.
    pub poll: Vec<Duration>,
    /// The time after its first send in which a job is queried. After it the job needs review.
    pub poll_deadline: Duration,
    /// The same for a transfer that arrives the next day (T1): weekends and holidays lie in between.
    pub poll_deadline_t1: Duration,
    /// First wait after a failure that certainly executed nothing; doubles, with full jitter.
    pub retry_initial: Duration,
    /// The longest such wait.
    pub retry_max: Duration,
    /// The wait before the next try at what the gateway says is not ready.
    pub not_ready_wait: Duration,
    /// The time after its first send in which a job that never executed is tried again before it fails.
    pub retry_deadline: Duration,
    /// Which last words are confirmed by a query first.
    pub confirm: Confirm,
    /// The largest amount that a job may move; `None` for no cap.
    pub max_amount: Option<Fen>,
    /// The effect of an operator's order to send a job again. It follows from the job's kind; no account configures it.
    pub manual_resend: ManualResend,
}

impl Policy {
    /// The account's policy for jobs of one kind. A kind that moves no money is sent again whatever the account says of
    /// its payments: a second execution pays nothing, and a person would look at it for nothing. A kind whose second send is a second
    /// payment is never sent again, whatever the account says.
    #[must_use]
    pub fn for_kind(&self, kind: Kind) -> Self {
        let (on_ambiguous, manual_resend) = match kind.repetition() {
            Repetition::ByAccount => (self.on_ambiguous, ManualResend::Allowed),
            Repetition::Harmless => (OnAmbiguous::Resend, ManualResend::Allowed),
            Repetition::PaysAgain => (OnAmbiguous::Hold, ManualResend::Refused),
        };
        Self { on_ambiguous, manual_resend, ..self.clone() }
    }
}

impl Default for Policy {
    fn default() -> Self {
        const HOUR: u64 = 3600;
        Self {
            on_ambiguous: OnAmbiguous::default(),
            resend_after: Duration::from_secs(60),
            resend_max: 3,
            poll: [5, 10, 20, 30, 60, 120, 300, 600].map(Duration::from_secs).to_vec(),
            poll_deadline: Duration::from_secs(24 * HOUR),
            poll_deadline_t1: Duration::from_secs(120 * HOUR),
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            not_ready_wait: Duration::from_secs(60),
            retry_deadline: Duration::from_secs(24 * HOUR),
            confirm: Confirm::default(),
            max_amount: Some(DEFAULT_MAX_AMOUNT),
            manual_resend: ManualResend::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_follows_the_account_and_a_bill_is_always_resent() {
        for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
            let policy = Policy { on_ambiguous, ..Policy::default() };
            for kind in Kind::ALL {
                let (on_ambiguous, manual_resend) = match kind.repetition() {
                    Repetition::ByAccount => (on_ambiguous, ManualResend::Allowed),
                    Repetition::Harmless => (OnAmbiguous::Resend, ManualResend::Allowed),
                    Repetition::PaysAgain => (OnAmbiguous::Hold, ManualResend::Refused),
                };
                assert_eq!(policy.for_kind(kind), Policy { on_ambiguous, manual_resend, ..policy.clone() }, "{kind}");
            }
        }
    }

    #[test]
    fn an_account_that_says_nothing_holds() {
        assert_eq!(Policy::default().on_ambiguous, OnAmbiguous::Hold);
    }
}
