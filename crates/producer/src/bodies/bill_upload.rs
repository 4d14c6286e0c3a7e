//! `funds.bill.upload`.

use bursar_domain::{Fen, Kind, NewJob};
use serde::Serialize;
use serde_json::{Map, Value};

use super::job;

/// An order's details go to the gateway. Lengths are the page's; the validator knows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BillUpload {
    /// Sale or refund.
    pub trade_type: TradeType,
    /// The node.
    pub node_id: String,
    /// The amount of the order.
    pub order_amount: Fen,
    /// The order's number. A second upload of it with the same `trade_type` under another key is refused.
    pub order_id: String,
    /// The time of the order: `yyyyMMddHHmmss`, in China's time.
    pub order_time: String,
    /// Of a refund: the order that is refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_order_id: Option<String>,
    /// The merchant at the payment channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_merchant_id: Option<String>,
    /// The payment channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_type: Option<String>,
    /// The store.
    pub store_id: String,
    /// The payment's number at the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trade_no: Option<String>,
    /// The cashier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The channel's fee in fen; 0 is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_amount: Option<u64>,
    /// The merchant whose rules divide the money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_rule_source: Option<String>,
    /// The division that a refund takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_refund_seq: Option<String>,
    /// The goods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goods_detail: Vec<Goods>,
    /// Fields that the page's table does not know and some tenants need.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// The type of an order: sale or refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TradeType {
    /// Sold.
    #[serde(rename = "1")]
    Sale,
    /// A refund.
    #[serde(rename = "2")]
    Refund,
}

/// One line of an order. Amounts are fen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goods {
    /// Its number.
    pub goods_id: String,
    /// Its name.
    pub goods_name: String,
    /// The quantity, at least 1.
    pub quantity: u64,
    /// The price of one.
    pub price: u64,
    /// The price paid for one.
    pub real_price: u64,
    /// Its category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goods_category: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The fee for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goods_fee_amount: Option<u64>,
}

impl BillUpload {
    /// A sale with the required fields of every upload; further fields are set on it.
    #[must_use]
    pub fn sale(node_id: &str, store_id: &str, order_id: &str, order_time: &str, amount: Fen) -> Self {
        Self {
            trade_type: TradeType::Sale,
            node_id: node_id.to_owned(),
            order_amount: amount,
            order_id: order_id.to_owned(),
            order_time: order_time.to_owned(),
            org_order_id: None,
            pay_merchant_id: None,
            pay_type: None,
            store_id: store_id.to_owned(),
            trade_no: None,
            user_id: None,
            fee_amount: None,
            split_rule_source: None,
            split_refund_seq: None,
            goods_detail: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The same as the refund of an earlier order.
    #[must_use]
    pub fn refund_of(mut self, org_order_id: &str) -> Self {
        self.trade_type = TradeType::Refund;
        self.org_order_id = Some(org_order_id.to_owned());
        self
    }

    /// The job with this body, under the caller's own key.
    #[must_use]
    pub fn job(&self, account: &str, platform_no: &str) -> NewJob {
        job(Kind::BillUpload, account, platform_no, self)
    }
}

impl Goods {
    /// A line with the required fields of every line; further fields are set on it.
    #[must_use]
    pub fn new(goods_id: &str, goods_name: &str, quantity: u64, price: u64, real_price: u64) -> Self {
        Self {
            goods_id: goods_id.to_owned(),
            goods_name: goods_name.to_owned(),
            quantity,
            price,
            real_price,
            goods_category: None,
            body: None,
            goods_fee_amount: None,
        }
    }
}
