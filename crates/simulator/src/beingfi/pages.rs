//! The page of BeingFi's division interface (`fen-zhang-jie-kou`), as far as it says what a request holds. Read 2026-11.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A request's parameters: everything is text by now.
pub(crate) type Params = BTreeMap<String, String>;

pub(super) const EXEC_NAMES: &[&str] = &[
    "mchNo",
    "appId",
    "payOrderId",
    "mchOrderNo",
    "useSysAutoDivisionReceivers",
    "receivers",
    "reqTime",
    "version",
    "sign",
    "signType",
];

pub(super) const BIND_NAMES: &[&str] = &[
    "mchNo",
    "appId",
    "ifCode",
    "receiverAlias",
    "receiverGroupId",
    "accType",
    "accNo",
    "accName",
    "relationType",
    "relationTypeName",
    "channelExtInfo",
    "divisionProfit",
    "reqTime",
    "version",
    "sign",
    "signType",
];

/// The vendor's SDK has these (`PayOrderDivisionQueryReqModel`); BeingFi's page has no query.
pub(super) const QUERY_NAMES: &[&str] = &[
    "mchNo",
    "appId",
    "payOrderId",
    "mchOrderNo",
    "batchOrderId",
    "receiverId",
    "reqTime",
    "version",
    "sign",
    "signType",
];

/// Those that change with every attempt, and those that only say how it is sent.
const NOT_CONTENT: &[&str] = &["sign", "signType", "reqTime", "version"];

const REQ_TIME_DIGITS: usize = 13;
/// Shares are kept with six decimals (`DECIMAL(20,6)`), so a whole is a million.
const WHOLE: u64 = 1_000_000;
const SHARE_DECIMALS: usize = 6;

pub(super) fn exec(params: &Params) -> Result<(), String> {
    envelope(params)?;
    match (given(params, "payOrderId"), given(params, "mchOrderNo")) {
        (Some(_), Some(_)) => Err("payOrderId and mchOrderNo are given, only one may be".to_owned()),
        (Some(_), None) | (None, Some(_)) | (None, None) => Ok(()),
    }
}

pub(super) fn bind(params: &Params) -> Result<(), String> {
    envelope(params)?;
    for name in ["ifCode", "receiverGroupId", "accType", "accNo", "relationType"] {
        if given(params, name).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    if !matches!(given(params, "ifCode"), Some("wxpay" | "alipay")) {
        return Err("ifCode is neither wxpay nor alipay".to_owned());
    }
    if !matches!(given(params, "accType"), Some("0" | "1")) {
        return Err("accType is neither 0 nor 1".to_owned());
    }
    if given(params, "relationType") == Some("CUSTOM") && given(params, "relationTypeName").is_none() {
        return Err("relationTypeName is missing from a CUSTOM relation".to_owned());
    }
    match given(params, "divisionProfit").map(share) {
        Some(None) => Err("divisionProfit is not a share".to_owned()),
        Some(Some(_)) | None => Ok(()),
    }
}

/// The pay order that a division is about.
pub(super) fn order_key(params: &Params) -> Option<String> {
    given(params, "payOrderId").or_else(|| given(params, "mchOrderNo")).map(str::to_owned)
}

/// The batch that a query names.
pub(super) fn batch(params: &Params) -> Option<String> {
    given(params, "batchOrderId").map(str::to_owned)
}

/// The receivers in a division's [`content`]. Their texts hold no `&`: ids and shares are digits.
pub(super) fn receivers_of(content: &str) -> Vec<Value> {
    let list = content.split('&').find_map(|pair| pair.strip_prefix("receivers="));
    list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

/// The parameters that say what is to be done, without those that change from attempt to attempt.
pub(super) fn content(params: &Params) -> String {
    let pairs: Vec<String> = params
        .iter()
        .filter(|(name, _)| !NOT_CONTENT.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The number of receivers, each named by exactly one of its id and its group, with shares of at most a whole.
pub(super) fn receivers(params: &Params) -> Result<usize, String> {
    let Some(text) = given(params, "receivers") else {
        return Ok(0);
    };
    let receivers: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|error| format!("分账接收者账号列表有误: {error}"))?;
    let mut shares = 0;
    for receiver in &receivers {
        shares += receiver_share(receiver)?;
    }
    if shares > WHOLE {
        return Err("分账比例总和大于1".to_owned());
    }
    Ok(receivers.len())
}

fn receiver_share(receiver: &Map<String, Value>) -> Result<u64, String> {
    let named = |name: &str| match receiver.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => true,
    };
    if named("receiverId") == named("receiverGroupId") {
        return Err("receiverId 与 receiverGroupId 二选一".to_owned());
    }
    match receiver.get("divisionProfit") {
        None | Some(Value::Null) => Ok(0),
        Some(Value::String(text)) if text.is_empty() => Ok(0),
        Some(Value::String(text)) => share(text).ok_or_else(|| format!("分账比例有误: {text}")),
        Some(other) => share(&other.to_string()).ok_or_else(|| format!("分账比例有误: {other}")),
    }
}

/// A share above nothing and of at most a whole, in millionths.
fn share(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > SHARE_DECIMALS {
        return None;
    }
    let millionths = format!("{whole}{decimals:0<SHARE_DECIMALS$}").parse().ok()?;
    (1..=WHOLE).contains(&millionths).then_some(millionths)
}

fn envelope(params: &Params) -> Result<(), String> {
    for name in ["mchNo", "appId", "reqTime", "version", "sign", "signType"] {
        if given(params, name).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    let req_time = given(params, "reqTime").unwrap_or_default();
    if req_time.len() != REQ_TIME_DIGITS || !req_time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("reqTime is not {REQ_TIME_DIGITS} digits"));
    }
    match (given(params, "version"), given(params, "signType")) {
        (Some("1.0"), Some("MD5")) => Ok(()),
        _ => Err("version is not 1.0 or signType not MD5".to_owned()),
    }
}

fn given<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_receivers(text: &str) -> Result<usize, String> {
        receivers(&Params::from([("receivers".to_owned(), text.to_owned())]))
    }

    #[test]
    fn receivers_are_named_once_and_share_at_most_the_whole() {
        let of_the_page = r#"[{"receiverGroupId":"","receiverId":"800029","divisionProfit":"0.0001"}]"#;
        assert_eq!(with_receivers(of_the_page), Ok(1));
        assert_eq!(with_receivers(r#"[{"receiverId":1,"divisionProfit":0.4},{"receiverId":2}]"#), Ok(2));
        assert_eq!(with_receivers("[]"), Ok(0));
        for wrong in [
            r#"[{"divisionProfit":"0.1"}]"#,
            r#"[{"receiverId":"1","receiverGroupId":"2"}]"#,
            r#"[{"receiverId":"1","divisionProfit":"0"}]"#,
            r#"[{"receiverId":"1","divisionProfit":"0.6"},{"receiverId":"2","divisionProfit":"0.6"}]"#,
            r#"[{"receiverId":"1","divisionProfit":"-0.1"}]"#,
            "{}",
        ] {
            assert!(with_receivers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_read_without_floating_point() {
        assert_eq!(share("0.3"), Some(300_000));
        assert_eq!(share("1"), Some(WHOLE));
        assert_eq!(share("0.0000001"), None);
        assert_eq!(share("1.1"), None);
    }
}
