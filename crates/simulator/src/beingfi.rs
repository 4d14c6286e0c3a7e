//! BeingFi's side: `POST /api/division/receiver/bind` and `POST /api/division/exec`.

mod gate;
mod pages;
pub(crate) mod sign;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::books::{Order, Outcome, Payment, Repeats};
use crate::clock;
use crate::fault::Trouble;
use crate::gateway::Gateway;
use pages::Params;

pub(crate) use gate::read;

pub(crate) const BIND: &str = "/api/division/receiver/bind";
pub(crate) const EXEC: &str = "/api/division/exec";

/// Numbers of bound receivers start above this, as in the page's "800029".
const FIRST_RECEIVER: u64 = 800_000;

const SUCCESS: u16 = 0;
const SYSTEM_ERROR: u16 = 10;
const WRONG_PARAMETER: u16 = 11;
const BUSINESS_ERROR: u16 = 9_999;
const NOT_DIVISIBLE: &str = "当前订单状态不支持分账";

/// A request that passed the gateway's checks.
#[derive(Debug)]
pub(crate) enum Request {
    Exec(Order),
    Bind(Params),
}

/// The two routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Exec,
    Bind,
}

impl Request {
    /// Does what is asked for, and says so.
    pub(crate) fn perform(&self, gateway: &Gateway) -> Answer {
        match self {
            Self::Exec(order) => execute(order, gateway),
            Self::Bind(params) => bind(params, gateway),
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
        Trouble::Busy => (SYSTEM_ERROR, "系统异常[服务繁忙]"),
        Trouble::InvalidTimestamp => (WRONG_PARAMETER, "参数有误[reqTime]"),
        Trouble::Unknown => (SYSTEM_ERROR, "系统异常[null]"),
        Trouble::Timeout => (BUSINESS_ERROR, "系统异常"),
        Trouble::Refused => (BUSINESS_ERROR, "订单不存在"),
        Trouble::UnknownRefusal => (BUSINESS_ERROR, "未知的业务错误"),
        Trouble::NotPaid => (BUSINESS_ERROR, NOT_DIVISIBLE),
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
        Outcome::Executed(payment) => success(as_divided(&payment)),
        Outcome::Repeated(_) | Outcome::Conflict => refusal(BUSINESS_ERROR, NOT_DIVISIBLE),
    }
}

fn as_divided(payment: &Payment) -> Value {
    let state = payment.status.division_state();
    match state {
        2 => json!({
            "state": state,
            "errCode": "unknown-sub-code",
            "errMsg": "Business Failed【未知的错误码ACQ.ROYALTY_ACCOUNT_NOT_EXIST】",
        }),
        _ => json!({ "state": state, "channelBatchOrderId": format!("T{}", payment.number) }),
    }
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
