//! BeingFi's side: `POST /api/division/receiver/bind`, `POST /api/division/exec` and, as some vendors of its family have it,
//! `POST /api/division/query`.

mod gate;
mod pages;
pub(crate) mod sign;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::books::{Name, Order, Outcome, Payment, Repeats};
use crate::clock;
use crate::fault::Trouble;
use crate::gateway::Gateway;
use pages::Params;

pub(crate) use gate::read;

pub(crate) const BIND: &str = "/api/division/receiver/bind";
pub(crate) const EXEC: &str = "/api/division/exec";
pub(crate) const QUERY: &str = "/api/division/query";

/// Numbers of bound receivers start above this, as in the page's "800029".
const FIRST_RECEIVER: u64 = 800_000;

const SUCCESS: u16 = 0;
const SYSTEM_ERROR: u16 = 10;
const WRONG_PARAMETER: u16 = 11;
const BUSINESS_ERROR: u16 = 9_999;
const NOT_DIVISIBLE: &str = "当前订单状态不支持分账";
/// Jeepay 3.2.9's words for a merchant that is not there or was closed.
const ACCOUNT_DISABLED: &str = "商户信息不存在或商户状态不可用";

/// A request that passed the gateway's checks.
#[derive(Debug)]
pub(crate) enum Request {
    Exec(Order),
    Bind(Params),
    Query(Query),
}

/// A division that is asked about: the order, and the batch if one is named.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) name: Name,
    pub(crate) batch: Option<String>,
}

/// The routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Exec,
    Bind,
    Query,
}

impl Request {
    /// Does what is asked for, and says so.
    pub(crate) fn perform(&self, gateway: &Gateway) -> Answer {
        match self {
            Self::Exec(order) => execute(order, gateway),
            Self::Bind(params) => bind(params, gateway),
            Self::Query(query) => how_it_stands(query, gateway),
        }
    }

    /// The account that a bind is about.
    pub(crate) fn account(params: &Params) -> Option<&str> {
        params.get("accNo").map(String::as_str)
    }
}

/// The gateway's own words for something that went wrong.
pub(crate) fn trouble(trouble: Trouble) -> Answer {
    let (code, msg) = match trouble {
        Trouble::Busy => (BUSINESS_ERROR, "已超出接口配置速率，请60s后重试或商户后台修改速率"),
        Trouble::InvalidTimestamp => (WRONG_PARAMETER, "参数有误[reqTime]"),
        Trouble::Unknown => (SYSTEM_ERROR, "系统异常[null]"),
        Trouble::Timeout => (BUSINESS_ERROR, "系统异常"),
        Trouble::Refused => (BUSINESS_ERROR, "订单不存在"),
        Trouble::UnknownRefusal => (BUSINESS_ERROR, "未知的业务错误"),
        Trouble::NotPaid => (BUSINESS_ERROR, NOT_DIVISIBLE),
        Trouble::AccountDisabled => (BUSINESS_ERROR, ACCOUNT_DISABLED),
    };
    refusal(code, msg)
}

fn refusal(code: u16, msg: &str) -> Answer {
    Answer::BeingFi { code, msg: msg.to_owned(), data: None }
}

fn success(data: Value) -> Answer {
    Answer::BeingFi { code: SUCCESS, msg: "SUCCESS".to_owned(), data: Some(data) }
}

/// Every pay order counts as paid and not yet divided. A division is over when this returns, whatever came of it, so
/// that a repeat is always refused (Jeepay's `PayOrderDivisionExecController`).
fn execute(order: &Order, gateway: &Gateway) -> Answer {
    match gateway.books.execute(order, Repeats::Recognised, gateway.life_of(&order.name.key)) {
        Outcome::Executed(payment) => success(as_divided(&payment, gateway)),
        Outcome::Repeated(_) | Outcome::Conflict => refusal(BUSINESS_ERROR, NOT_DIVISIBLE),
    }
}

/// Jeepay's answer about a division: the channel's number is there only once it is done, and the gateway's number only in the line
/// that has a query for it.
fn as_divided(payment: &Payment, gateway: &Gateway) -> Value {
    let state = payment.status.division_state();
    let mut data = match state {
        1 => json!({ "state": state, "channelBatchOrderId": format!("T{}", payment.number) }),
        2 => json!({ "state": state, "errCode": ERR_CODE, "errMsg": ERR_MSG }),
        _ => json!({ "state": state }),
    };
    if gateway.options.division_query {
        data["batchOrderId"] = json!(batch_of(payment));
    }
    data
}

const ERR_CODE: &str = "unknown-sub-code";
const ERR_MSG: &str = "Business Failed【未知的错误码ACQ.ROYALTY_ACCOUNT_NOT_EXIST】";

fn batch_of(payment: &Payment) -> String {
    format!("D{}", payment.number)
}

/// A division by its order and batch: what the commercial line's SDK has (`PayOrderDivisionQueryResModel`, 2024-05-20), a list of
/// records as JSON text, one for each receiver; an empty one for what it does not know.
fn how_it_stands(query: &Query, gateway: &Gateway) -> Answer {
    let payment = gateway.books.payment(&query.name);
    let known = payment.filter(|payment| query.batch.as_ref().is_none_or(|batch| *batch == batch_of(payment)));
    let Some(payment) = known else {
        return success(json!({ "payOrderId": query.name.key, "batchOrderId": query.batch, "records": "[]" }));
    };
    let state = payment.status.division_state();
    let record = |receiver: &Value| match state {
        2 => json!({ "receiverId": receiver["receiverId"], "state": state, "errCode": ERR_CODE, "errMsg": ERR_MSG }),
        _ => json!({ "receiverId": receiver["receiverId"], "state": state }),
    };
    let mut receivers = pages::receivers_of(&payment.bytes);
    if receivers.is_empty() {
        receivers.push(json!({})); // the system's own receivers, which no request names
    }
    let records: Vec<Value> = receivers.iter().map(record).collect();
    success(json!({
        "payOrderId": payment.key, "batchOrderId": batch_of(&payment), "records": Value::Array(records).to_string(),
    }))
}

/// Every bind that succeeds makes a new receiver, also for an account that has one (Jeepay has no unique key here).
/// A bind fails when its account was given the life `0`.
fn bind(params: &Params, gateway: &Gateway) -> Answer {
    let of = |name: &str| params.get(name).map_or(Value::Null, |text| json!(text));
    let number = |name: &str| params.get(name).and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let mut data = json!({
        "mchNo": of("mchNo"),
        "appId": of("appId"),
        "ifCode": of("ifCode"),
        "receiverAlias": of("receiverAlias"),
        "receiverGroupId": number("receiverGroupId"),
        "accType": number("accType"),
        "accNo": of("accNo"),
        "accName": of("accName"),
        "relationType": of("relationType"),
        "relationTypeName": of("relationTypeName"),
        "divisionProfit": number("divisionProfit"),
    });
    let fails = Request::account(params).is_some_and(|account| gateway.lives.begins_failed(account));
    if fails {
        data["bindState"] = json!(0);
        data["errCode"] = json!("NOAUTH");
        data["errMsg"] = json!("无分账权限");
    } else {
        data["bindState"] = json!(1);
        data["receiverId"] = json!(FIRST_RECEIVER + gateway.books.bound());
        data["bindSuccessTime"] = json!(clock::now_ms());
    }
    success(data)
}
