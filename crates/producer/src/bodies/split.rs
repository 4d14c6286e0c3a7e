//! `/api/division/exec`.

use bursar_domain::{Kind, NewJob};
use serde::Serialize;

use super::job;

/// A paid order is divided among receivers, once for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// The order, by the gateway's number. Exactly one of the two is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_order_id: Option<String>,
    /// The order, by the merchant's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mch_order_no: Option<String>,
    /// 1: the receivers and shares that the gateway has for the merchant; then none may be given here. 0: the ones given here.
    pub use_sys_auto_division_receivers: u8,
    /// The receivers and their shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
    /// The time at which the order was paid, RFC 3339. It is divided a minute later at the earliest.
    #[serde(rename = "paid_at", skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<String>,
}

/// The order to divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// By the gateway's number.
    Gateway(&'a str),
    /// By the merchant's number.
    Merchant(&'a str),
}

/// One receiver's share of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    /// One receiver. Exactly one of the two is given, and a list names receivers or groups, not both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver_id: Option<u64>,
    /// A group of receivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver_group_id: Option<u64>,
    /// The share, a decimal above 0 and at most 1 with 6 decimals at most: `0.3`. Left out: the one that the gateway has for
    /// this receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub division_profit: Option<String>,
}

impl Split {
    /// An order divided among these receivers.
    #[must_use]
    pub fn among(order: Order<'_>, receivers: Vec<Receiver>) -> Self {
        Self { receivers, use_sys_auto_division_receivers: 0, ..Self::by_the_gateway(order) }
    }

    /// An order divided as the gateway has it for the merchant.
    #[must_use]
    pub fn by_the_gateway(order: Order<'_>) -> Self {
        let (pay_order_id, mch_order_no) = match order {
            Order::Gateway(number) => (Some(number.to_owned()), None),
            Order::Merchant(number) => (None, Some(number.to_owned())),
        };
        Self { pay_order_id, mch_order_no, use_sys_auto_division_receivers: 1, receivers: Vec::new(), paid_at: None }
    }

    /// The job with this body, under the caller's own key.
    #[must_use]
    pub fn job(&self, account: &str, platform_no: &str) -> NewJob {
        job(Kind::Split, account, platform_no, self)
    }
}

impl Receiver {
    /// One receiver, with the share that the gateway has for it.
    #[must_use]
    pub fn one(id: u64) -> Self {
        Self { receiver_id: Some(id), receiver_group_id: None, division_profit: None }
    }

    /// A group of receivers, with the shares that the gateway has for them.
    #[must_use]
    pub fn group(id: u64) -> Self {
        Self { receiver_id: None, receiver_group_id: Some(id), division_profit: None }
    }

    /// The same with this share: `0.3`.
    #[must_use]
    pub fn share(self, share: &str) -> Self {
        Self { division_profit: Some(share.to_owned()), ..self }
    }
}
