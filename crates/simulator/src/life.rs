//! Lives: which statuses a payment goes through after it was executed, one step of `life_step` each.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MAX_PHASES: usize = 8;

/// A transfer's status in the gateway's letters (page of `bkfunds.balance.pay.apply`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Failed,
    Succeeded,
    Refunded,
    Processing,
    Waiting,
}

impl Status {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Failed => "0",
            Self::Succeeded => "1",
            Self::Refunded => "2",
            Self::Processing => "9",
            Self::Waiting => "n",
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Failed => "失败",
            Self::Succeeded => "成功",
            Self::Refunded => "已退款",
            Self::Processing => "处理中",
            Self::Waiting => "待发送申请",
        }
    }

    /// BeingFi's state of a division: 1 done, 2 failed, 3 accepted by the channel.
    pub(crate) fn division_state(self) -> u8 {
        match self {
            Self::Succeeded | Self::Refunded => 1,
            Self::Failed => 2,
            Self::Processing | Self::Waiting => 3,
        }
    }

    fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "0" => Some(Self::Failed),
            "1" => Some(Self::Succeeded),
            "2" => Some(Self::Refunded),
            "9" => Some(Self::Processing),
            "n" => Some(Self::Waiting),
            _ => None,
        }
    }
}

/// The number of a payment that waits to be sent: given already, or not. The page calls `trade_no` optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TradeNo {
    /// Every answer has it.
    #[default]
    Given,
    /// Answers have none while the status is `n`.
    WithheldWhileWaiting,
}

/// The statuses of one payment over time, written `n-9-1`: one to eight of the gateway's letters `0 1 2 9 n`.
/// The last one stays. A division reads 1 and 2 as done, 0 as failed, 9 and n as accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    phases: Vec<Status>,
    trade_no: TradeNo,
}

/// A life that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("a life is one to eight of 0, 1, 2, 9, n joined by '-', such as n-9-1; this is {0:?}")]
pub struct UnknownLife(String);

impl Life {
    pub(crate) fn of(phases: &[Status]) -> Self {
        Self { phases: phases.to_vec(), trade_no: TradeNo::Given }
    }

    /// The same life, with or without the number while it waits.
    #[must_use]
    pub fn with_trade_no(mut self, trade_no: TradeNo) -> Self {
        self.trade_no = trade_no;
        self
    }

    pub(crate) fn at(&self, elapsed: Duration, step: Duration) -> Status {
        let steps = elapsed.as_micros().checked_div(step.as_micros()).unwrap_or(u128::MAX);
        let index = usize::try_from(steps).unwrap_or(usize::MAX).min(self.phases.len() - 1);
        self.phases[index]
    }

    pub(crate) fn begins_failed(&self) -> bool {
        self.phases.first() == Some(&Status::Failed)
    }

    pub(crate) fn withholds_trade_no(&self, status: Status) -> bool {
        status == Status::Waiting && self.trade_no == TradeNo::WithheldWhileWaiting
    }
}

impl FromStr for Life {
    type Err = UnknownLife;

    fn from_str(text: &str) -> Result<Self, UnknownLife> {
        let phases: Option<Vec<Status>> = text.split('-').map(Status::from_letter).collect();
        match phases {
            Some(phases) if phases.len() <= MAX_PHASES => Ok(Self { phases, trade_no: TradeNo::Given }),
            Some(_) | None => Err(UnknownLife(text.to_owned())),
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: Vec<&str> = self.phases.iter().map(|status| status.letter()).collect();
        f.write_str(&letters.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_moves_one_status_a_step_and_then_stays() {
        let life: Life = "n-9-1".parse().unwrap();
        let step = Duration::from_millis(10);
        assert_eq!(life.at(Duration::ZERO, step), Status::Waiting);
        assert_eq!(life.at(Duration::from_millis(10), step), Status::Processing);
        assert_eq!(life.at(Duration::from_secs(9), step), Status::Succeeded);
        assert_eq!(life.at(Duration::ZERO, Duration::ZERO), Status::Succeeded);
        assert_eq!(life.to_string(), "n-9-1");
    }

    #[test]
    fn what_is_not_a_life_is_refused() {
        for text in ["", "x", "1-", "1--9", "9-9-9-9-9-9-9-9-9"] {
            assert!(text.parse::<Life>().is_err(), "{text}");
        }
    }
}
