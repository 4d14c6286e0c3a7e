//! BeingFi's gateway proper: reads a request's parameters and checks merchant, application and signature.

use serde_json::{Map, Value};

use super::pages::{self, Params};
use super::{ACCOUNT_DISABLED, BUSINESS_ERROR, EXEC, Query, Request, Route, WRONG_PARAMETER, refusal, sign};
use crate::answer::Answer;
use crate::books::{Name, Order, Scale};
use crate::gateway::Gateway;
use crate::ledger::Kind;

/// The refusal of a check: code and text.
type Refusal = (u16, String);

/// Reads and checks a request; the error is the gateway's answer. Whatever is refused here is also a violation.
pub(crate) fn read(gateway: &Gateway, route: Route, content_type: &str, body: &[u8]) -> Result<Request, Answer> {
    let mut key = None;
    let read = given(content_type, body).and_then(|given| {
        let params = known(gateway, route, given);
        key = pages::order_key(&params);
        request(gateway, route, params)
    });
    read.map_err(|(code, msg)| {
        gateway.books.violation(key.as_deref(), &format!("refused with {code}: {msg}"));
        refusal(code, &msg)
    })
}

fn request(gateway: &Gateway, route: Route, params: Params) -> Result<Request, Refusal> {
    match route {
        Route::Exec | Route::Query => pages::exec(&params),
        Route::Bind => pages::bind(&params),
    }
    .map_err(|wrong| (WRONG_PARAMETER, format!("参数有误[{wrong}]")))?;
    authentic(gateway, &params)?;
    match route {
        Route::Bind => Ok(Request::Bind(params)),
        Route::Exec => division(gateway, &params),
        Route::Query => query(&params),
    }
}

fn query(params: &Params) -> Result<Request, Refusal> {
    let name = Name { kind: Kind::Split, key: order(params)? };
    Ok(Request::Query(Query { name, batch: pages::batch(params) }))
}

fn order(params: &Params) -> Result<String, Refusal> {
    pages::order_key(params).ok_or_else(|| (BUSINESS_ERROR, "mchOrderNo 和 payOrderId不能同时为空".to_owned()))
}

fn division(gateway: &Gateway, params: &Params) -> Result<Request, Refusal> {
    let key = order(params)?;
    match params.get("useSysAutoDivisionReceivers").map(String::as_str) {
        Some("0") => {
            let receivers = pages::receivers(params).map_err(|wrong| (BUSINESS_ERROR, wrong))?;
            if receivers == 0 {
                // Executed all the same: the real one then releases everything to the merchant, for good.
                gateway.books.violation(Some(&key), "a division without receivers");
            }
        }
        Some("1") => {}
        Some(_) => return Err((WRONG_PARAMETER, "参数有误[useSysAutoDivisionReceivers]".to_owned())),
        None => return Err((BUSINESS_ERROR, "是否使用系统配置的自动分账组不能为空".to_owned())),
    }
    Ok(Request::Exec(Order {
        name: Name { kind: Kind::Split, key },
        scale: Scale::DivisionState,
        method: EXEC,
        bytes: pages::content(params),
        amount_fen: None,
    }))
}

fn authentic(gateway: &Gateway, params: &Params) -> Result<(), Refusal> {
    let is = |name: &str, value: &str| params.get(name).is_some_and(|given| given == value);
    if !is("mchNo", &gateway.options.mch_no) {
        return Err((BUSINESS_ERROR, ACCOUNT_DISABLED.to_owned()));
    }
    if !is("appId", &gateway.options.beingfi_app_id) {
        return Err((BUSINESS_ERROR, "商户应用不存在或应用状态不可用".to_owned()));
    }
    let signed: Vec<(String, String)> = params
        .iter()
        .filter(|(name, _)| name.as_str() != "sign")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let given = params.get("sign").map(String::as_str).unwrap_or_default();
    if !sign::verifies(&signed, &gateway.keys.secret, given) {
        return Err((BUSINESS_ERROR, "验签失败".to_owned()));
    }
    Ok(())
}

/// Only what the page lists takes part, also in the signature: the original signs the object it bound, not the body.
fn known(gateway: &Gateway, route: Route, given: Params) -> Params {
    let names = match route {
        Route::Exec => pages::EXEC_NAMES,
        Route::Bind => pages::BIND_NAMES,
        Route::Query => pages::QUERY_NAMES,
    };
    let (known, unknown): (Params, Params) = given.into_iter().partition(|(name, _)| names.contains(&name.as_str()));
    for name in unknown.keys() {
        gateway.books.violation(None, &format!("{name} is on no page"));
    }
    known
}

fn given(content_type: &str, body: &[u8]) -> Result<Params, Refusal> {
    if !content_type.contains("json") {
        return Ok(form_urlencoded::parse(body).into_owned().collect());
    }
    let object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| (WRONG_PARAMETER, format!("参数有误[{error}]")))?;
    object
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::Null => None,
            Value::String(text) => Some(Ok((name, text))),
            Value::Bool(_) | Value::Number(_) => Some(Ok((name, value.to_string()))),
            Value::Array(_) | Value::Object(_) => {
                Some(Err((WRONG_PARAMETER, format!("参数有误[{name} is not a string]"))))
            }
        })
        .collect()
}
