//! The settings that only accounts at BeingFi have.

use crate::{Secret, Transport};

/// One account at BeingFi Pay.
#[derive(Clone, Debug)]
pub struct BeingfiSettings {
    /// The way of requests.
    pub transport: Transport,
    /// The merchant's number.
    pub mch_no: String,
    /// The app's id.
    pub app_id: String,
    /// The secret that signatures are made with.
    pub secret: Secret,
    /// The one channel that this app's orders are paid through, where that is known.
    pub channel: Option<Channel>,
    /// Where divisions are queried, at a vendor that has such an address; without it they cannot be asked about.
    pub split_query_path: Option<String>,
    /// Texts of refusals that this tenant has learnt the meaning of.
    pub texts: RefusalTexts,
}

/// Through which channel an order was paid decides what BeingFi's `state` 1 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// WeChat Pay: divisions are accepted and end later.
    Wxpay,
    /// Alipay: divisions end at once.
    Alipay,
}

/// Parts of refusals' texts beyond the built-in table, by what they mean to this tenant. They are looked at before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalTexts {
    /// Anything may have happened (`in_doubt_texts`); wins over all others.
    pub in_doubt: Vec<String>,
    /// The job is refused for good, certainly without effect (`final_texts`).
    pub refused: Vec<String>,
    /// The gateway has the division already (`duplicate_texts`).
    pub duplicate: Vec<String>,
    /// Certainly without effect: the order is not ready (`not_ready_texts`).
    pub not_ready: Vec<String>,
    /// Certainly without effect, and worth another try (`not_executed_texts`).
    pub not_executed: Vec<String>,
    /// Certainly without effect, until a person mends account, rights or secret (`config_fault_texts`).
    pub config_fault: Vec<String>,
    /// A query's word for "no such division" (`unseen_texts`).
    pub unseen: Vec<String>,
}
