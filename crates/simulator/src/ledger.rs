//! The ledger as clients read it: executions, queries, and violations, which a correct client never commits.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The executions of the simulator, by key, and every violation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By key: `platform_no` of a transfer, `order_id/trade_type` of a bill upload, the pay order of a split; of a
    /// withdrawal, which has no key, its remark or, without one, the account it leaves and the amount. If two
    /// kinds use one key, the later kind's entry is named `split:K1`.
    pub keys: BTreeMap<String, KeyRecord>,
    /// The violations, oldest first; at most 10,000 are kept.
    pub violations: Vec<Violation>,
    /// The number of violations beyond that list.
    pub violations_left_out: u64,
    /// Executions of all keys, also of those that a filter leaves out.
    pub executed: u64,
    /// All requests to the gateways' routes.
    pub requests: u64,
}

/// The kind of job that a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `bkfunds.balance.pay.apply`
    Transfer,
    /// `funds.bill.upload`, `bkfunds.order.upload`
    BillUpload,
    /// `/api/division/exec`, `bkfunds.split.apply`
    Split,
    /// `bkfunds.withdraw.apply`
    Withdrawal,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transfer => "transfer",
            Self::BillUpload => "bill_upload",
            Self::Split => "split",
            Self::Withdrawal => "withdrawal",
        })
    }
}

/// The record of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The kind of job.
    pub kind: Kind,
    /// The gateway's method, or the path at BeingFi.
    pub method: String,
    /// The number of executions. More than one is a second payment.
    pub executions: u64,
    /// Sends that arrived under this key and passed the gateway's checks, executed or not.
    pub requests: u64,
    /// The queries of this key.
    pub queries: u64,
    /// The content as received: `biz_content`; for BeingFi the sorted content parameters.
    pub bytes: String,
    /// The current status of its life: `0 1 2 9 n` of a transfer, `received` of a bill upload, `1 2 3` of a split; none
    /// if it was never executed.
    pub status: Option<String>,
    /// The gateway's number of the newest execution.
    pub trade_no: Option<String>,
    /// The amount in fen, where the content names one.
    pub amount: Option<i64>,
    /// The arrival times of the sends, in milliseconds since 1970; the first 64.
    pub request_times_ms: Vec<i64>,
}

/// Something that a correct client never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The time, in milliseconds since 1970.
    pub time_ms: i64,
    /// The key it was about, where one is known.
    pub key: Option<String>,
    /// The description.
    pub text: String,
}

/// Counters over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests to the gateways' routes.
    pub requests: u64,
    /// Those that may move money and passed the gateway's checks.
    pub sends: u64,
    /// The queries that passed the gateway's checks.
    pub queries: u64,
    /// Executions.
    pub executed: u64,
    /// Receivers bound at BeingFi.
    pub bound: u64,
    /// Requests under an injected fault.
    pub faulty: u64,
    /// Requests now in work.
    pub in_flight: u64,
    /// The most requests that were in work at one time.
    pub in_flight_max: u64,
}
