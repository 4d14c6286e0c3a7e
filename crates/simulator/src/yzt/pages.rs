//! The pages of YZT's methods as tables: `bkfunds.balance.pay.apply` (3.4.1), `.query` (3.4.2), `merchant.balanceQuery`
//! (3.7.3), `funds.bill.upload` (3.2.1), `bkfunds.withdraw.apply` (3.6.1). Read 2026-11.

use serde_json::{Map, Value};

use crate::page::{self, Field, Shape, optional, required};

const TRANSFER: &[Field] = &[
    required("node_id", Shape::Text(8)),
    required("platform_no", Shape::Text(64)),
    required("total_amount", Shape::Integer(1)),
    optional("payer_store_no", Shape::Text(64)),
    optional("payer_merchant_id", Shape::Text(64)),
    required("payer_type", Shape::OneOf(&["1", "2"])),
    optional("payee_store_no", Shape::Text(64)),
    optional("payee_merchant_id", Shape::Text(64)),
    required("payee_type", Shape::OneOf(&["1", "2"])),
    required("arrive_time", Shape::OneOf(&["T0", "T1"])),
];

/// No page has `platform_no`; see the option `query_by_key`.
const QUERY: &[Field] = &[
    optional("node_id", Shape::Text(8)),
    optional("trade_no", Shape::Text(64)),
    optional("platform_no", Shape::Text(64)),
];

/// The page lost its column of what is required, and its own example has an empty `store_no`.
const BALANCE: &[Field] = &[
    optional("account_sub_type", Shape::OneOf(&["0", "1"])),
    optional("merchant_id", Shape::Integer(1)),
    optional("sso_node_id", Shape::Text(8)),
    optional("store_no", Shape::AnyText(64)),
];

const BILL: &[Field] = &[
    required("trade_type", Shape::OneOf(&["1", "2"])),
    optional("goods_detail", Shape::Text(6_000)),
    required("node_id", Shape::Text(8)),
    required("order_amount", Shape::Integer(0)),
    required("order_id", Shape::Text(32)),
    required("order_time", Shape::Digits(14)),
    optional("org_order_id", Shape::Text(32)),
    optional("pay_merchant_id", Shape::Text(32)),
    optional("pay_type", Shape::Text(8)),
    required("store_id", Shape::Text(16)),
    optional("trade_no", Shape::Text(32)),
    optional("user_id", Shape::Text(8)),
    optional("fee_amount", Shape::Integer(0)),
    optional("split_rule_source", Shape::Text(8)),
    optional("split_refund_seq", Shape::Text(64)),
    // In the page's example, or in what other merchants send, but in no table.
    optional("merchant_id", Shape::Agreed),
    optional("remark", Shape::Agreed),
    optional("pay_node_id", Shape::Agreed),
    optional("order_upload_mode", Shape::Agreed),
    optional("account_type", Shape::Agreed),
    optional("recharge_type", Shape::Agreed),
    optional("source", Shape::Agreed),
];

const GOODS: &[Field] = &[
    required("goods_id", Shape::Text(32)),
    required("goods_name", Shape::Text(256)),
    required("quantity", Shape::Integer(0)),
    required("price", Shape::Integer(0)),
    required("real_price", Shape::Integer(0)),
    optional("goods_category", Shape::Text(24)),
    optional("body", Shape::Text(1_024)),
    optional("goods_fee_amount", Shape::Integer(0)),
];

/// Page 3.6.1. It gives no lengths and no column of what is required; its notes say which account and which card are needed.
const WITHDRAWAL: &[Field] = &[
    required("sso_node_id", Shape::Text(8)),
    optional("merchant_id", Shape::Integer(1)),
    optional("store_no", Shape::Text(64)),
    required("account_sub_type", Shape::OneOf(&["0", "1"])),
    optional("card_type", Shape::OneOf(&["0", "1", "2"])),
    required("total_amount", Shape::Yuan),
    optional("bank_card_no", Shape::Text(64)),
    optional("bank_card_name", Shape::Text(128)),
    optional("bank_id", Shape::Text(64)),
    optional("bank_name", Shape::Text(128)),
    optional("remark", Shape::Text(128)),
];

/// A withdrawal, by what a test may call it: nothing in it is a key.
pub(super) struct Withdrawal {
    pub(super) name: String,
    pub(super) amount_fen: i64,
}

pub(super) fn withdrawal(text: &str) -> Result<Withdrawal, String> {
    let withdrawal = page::read(text, WITHDRAWAL)?;
    page::one_of(&withdrawal, "merchant_id", "store_no")?;
    let has = |name: &str| withdrawal.contains_key(name);
    let names_a_card = match page::text(&withdrawal, "card_type") {
        "0" | "1" => true,
        "2" => has("bank_card_no"),
        _ => has("bank_card_no") && has("bank_card_name"),
    };
    if !names_a_card {
        return Err("no card is named".to_owned());
    }
    let amount = withdrawal.get("total_amount").map(Value::to_string).unwrap_or_default();
    let holder =
        withdrawal.get("merchant_id").map_or_else(|| page::text(&withdrawal, "store_no").to_owned(), Value::to_string);
    let name = match page::text(&withdrawal, "remark") {
        "" => format!("{holder}/{amount}"),
        remark => remark.to_owned(),
    };
    Ok(Withdrawal { name, amount_fen: page::fen(&amount).unwrap_or_default() })
}

pub(super) fn transfer(text: &str) -> Result<Map<String, Value>, String> {
    let transfer = page::read(text, TRANSFER)?;
    page::one_of(&transfer, "payer_store_no", "payer_merchant_id")?;
    page::one_of(&transfer, "payee_store_no", "payee_merchant_id")?;
    Ok(transfer)
}

pub(super) fn bill(text: &str) -> Result<Map<String, Value>, String> {
    let bill = page::read(text, BILL)?;
    if page::text(&bill, "trade_type") == "2" && !bill.contains_key("org_order_id") {
        return Err("org_order_id is missing from a refund".to_owned());
    }
    if bill.contains_key("goods_detail") {
        page::read_all(page::text(&bill, "goods_detail"), GOODS).map_err(|wrong| format!("goods_detail: {wrong}"))?;
    }
    Ok(bill)
}

/// A split's page is not public: nothing is known of it but its name. A key is all that is asked for.
pub(super) fn split(text: &str) -> Result<Map<String, Value>, String> {
    let split: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    match page::text(&split, "platform_no") {
        "" => Err("platform_no is missing".to_owned()),
        _ => Ok(split),
    }
}

/// The number by which a query names its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryBy {
    TradeNo,
    TradeNoOrKey,
}

pub(super) fn query(text: &str, by: QueryBy) -> Result<Map<String, Value>, String> {
    let query = page::read(text, QUERY)?;
    match by {
        QueryBy::TradeNo if query.contains_key("platform_no") => Err("platform_no is on no page of a query".to_owned()),
        QueryBy::TradeNo if !query.contains_key("trade_no") => Err("trade_no is missing".to_owned()),
        QueryBy::TradeNoOrKey if !query.contains_key("trade_no") && !query.contains_key("platform_no") => {
            Err("neither trade_no nor platform_no is given".to_owned())
        }
        QueryBy::TradeNo | QueryBy::TradeNoOrKey => Ok(query),
    }
}

pub(super) fn balance(text: &str) -> Result<Map<String, Value>, String> {
    page::read(text, BALANCE)
}
