//! `bkfunds.balance.pay.apply`.

use bursar_domain::{Fen, Kind, NewJob};
use serde::Serialize;
use serde_json::{Map, Value};

use super::job;

/// A balance moves from one account to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transfer {
    /// The node, at most 8 characters.
    pub node_id: String,
    /// The amount.
    pub total_amount: Fen,
    /// The payer, by store number. Exactly one of the two payer fields is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer_store_no: Option<String>,
    /// The payer, by merchant number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer_merchant_id: Option<String>,
    /// The payer's account type, as the gateway's operator assigned it.
    pub payer_type: String,
    /// The payee, by store number. Exactly one of the two payee fields is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payee_store_no: Option<String>,
    /// The payee, by merchant number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payee_merchant_id: Option<String>,
    /// The kind of account that is paid.
    pub payee_type: String,
    /// The arrival of the money.
    pub arrive_time: Arrival,
    /// Fields that the page's table does not know and some tenants need: `remark`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// One side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party<'a> {
    /// A store, by its number.
    Store(&'a str),
    /// A merchant, by its number.
    Merchant(&'a str),
}

/// The arrival of a transfer's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Arrival {
    /// The same day.
    T0,
    /// The next working day.
    T1,
}

impl Transfer {
    /// A transfer of `amount` within `node_id`; both sides with the kind of their account.
    #[must_use]
    pub fn new(
        node_id: &str,
        amount: Fen,
        (payer, payer_type): (Party<'_>, &str),
        (payee, payee_type): (Party<'_>, &str),
        arrival: Arrival,
    ) -> Self {
        Self {
            node_id: node_id.to_owned(),
            total_amount: amount,
            payer_store_no: payer.store(),
            payer_merchant_id: payer.merchant(),
            payer_type: payer_type.to_owned(),
            payee_store_no: payee.store(),
            payee_merchant_id: payee.merchant(),
            payee_type: payee_type.to_owned(),
            arrive_time: arrival,
            extra: Map::new(),
        }
    }

    /// The job with this body, under the caller's own key.
    #[must_use]
    pub fn job(&self, account: &str, platform_no: &str) -> NewJob {
        job(Kind::Transfer, account, platform_no, self)
    }
}

impl Party<'_> {
    fn store(self) -> Option<String> {
        match self {
            Self::Store(number) => Some(number.to_owned()),
            Self::Merchant(_) => None,
        }
    }

    fn merchant(self) -> Option<String> {
        match self {
            Self::Store(_) => None,
            Self::Merchant(number) => Some(number.to_owned()),
        }
    }
}
