//! `bkfunds.withdraw.apply`.

use bursar_domain::{Fen, Kind, NewJob};
use serde::Serialize;
use serde_json::{Map, Value};

use super::job;

/// A balance is paid out to a bank card. The account must take the kind (`additional_kinds`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Withdrawal {
    /// The institution, at most 8 characters.
    pub sso_node_id: String,
    /// The merchant's number. Exactly one of the two is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merchant_id: Option<i64>,
    /// The store's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_no: Option<String>,
    /// `0` for the collecting account, `1` for the paying account.
    pub account_sub_type: String,
    /// The amount, in fen as everywhere; Bursar writes it in yuan for the gateway.
    pub total_amount: Fen,
    /// A bound card by its type: `0` for withdrawals, `1` for fees. `2` is another card, which is then named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_type: Option<String>,
    /// The card's number, where no bound card is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_card_no: Option<String>,
    /// The card's holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_card_name: Option<String>,
    /// The bank's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_id: Option<String>,
    /// The bank's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_name: Option<String>,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Fields that the page's table does not know and some tenants need.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// The card that a withdrawal goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card<'a> {
    /// A card that the gateway knows, by its type.
    Bound(&'a str),
    /// A card by its number and its holder's name.
    Named {
        /// The number.
        number: &'a str,
        /// The holder's name.
        holder: &'a str,
    },
}

impl Withdrawal {
    /// A withdrawal of `amount` from a merchant's account.
    #[must_use]
    pub fn new(sso_node_id: &str, merchant_id: i64, account_sub_type: &str, amount: Fen, card: Card<'_>) -> Self {
        let (card_type, number, holder) = match card {
            Card::Bound(card_type) => (Some(card_type), None, None),
            Card::Named { number, holder } => (None, Some(number), Some(holder)),
        };
        Self {
            sso_node_id: sso_node_id.to_owned(),
            merchant_id: Some(merchant_id),
            store_no: None,
            account_sub_type: account_sub_type.to_owned(),
            total_amount: amount,
            card_type: card_type.map(str::to_owned),
            bank_card_no: number.map(str::to_owned),
            bank_card_name: holder.map(str::to_owned),
            bank_id: None,
            bank_name: None,
            remark: None,
            extra: Map::new(),
        }
    }

    /// The job with this body, under the caller's own key.
    #[must_use]
    pub fn job(&self, account: &str, platform_no: &str) -> NewJob {
        job(Kind::Withdrawal, account, platform_no, self)
    }
}
