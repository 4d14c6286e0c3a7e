//! YZT's gateway proper: reads the parameters of a request and checks them in the order in which Simple Open Platform
//! does (`ApiValidator`), before any method sees them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ERROR_NODE, Method, Request, refusal};
use crate::answer::Answer;
use crate::clock;
use crate::gateway::Gateway;

/// "服务端允许客户端请求最大时间误差为10分钟" (every YZT page).
const TIMESTAMP_TOLERANCE_MS: i64 = 10 * 60 * 1_000;

type Params = BTreeMap<String, String>;

/// The refusal of a check: code, sub-code, and its text.
type Refusal = (&'static str, &'static str, &'static str);

/// Reads and checks a request; the error is the gateway's answer. Whatever is refused here is also a violation.
pub(crate) fn read(gateway: &Gateway, content_type: &str, body: &[u8]) -> Result<Request, Answer> {
    let json = content_type.contains("json") || content_type.contains("text");
    let params = if json { from_json(gateway, body) } else { from_form(gateway, body) };
    let key = key_hint(&params);
    let refused = |node: &str, (code, sub_code, sub_msg): Refusal, why: &str| {
        gateway.books.violation(key.as_deref(), &format!("refused with {sub_code}{why}"));
        refusal(gateway, node, code, sub_code, sub_msg)
    };
    let method = method(&params).map_err(|wrong| refused(ERROR_NODE, wrong, ""))?;
    let node = method.node(gateway.options.upload_node);
    checks(gateway, &params).map_err(|wrong| refused(&node, wrong, ""))?;
    let biz_content = params.get("biz_content").map(String::as_str).unwrap_or_default();
    let work = method
        .work(gateway, biz_content)
        .map_err(|wrong| refused(&node, ("40002", "isv.invalid-parameter", "参数无效"), &format!(": {wrong}")))?;
    Ok(Request { method, work })
}

fn method(params: &Params) -> Result<Method, Refusal> {
    let name = params.get("method").ok_or(("40001", "isv.missing-method", "缺少方法名参数"))?;
    let method = Method::named(name).ok_or(("40002", "isv.invalid-method", "不存在的方法名"))?;
    match params.get("version").map(String::as_str) {
        Some("1.0") => Ok(method),
        Some(_) => Err(("40002", "isv.invalid-method", "不存在的方法名")),
        None => Err(("40001", "isv.missing-version", "缺少版本参数")),
    }
}

fn checks(gateway: &Gateway, params: &Params) -> Result<(), Refusal> {
    let of = |name: &str| params.get(name).map(String::as_str);
    match of("app_id") {
        Some(app_id) if app_id == gateway.options.app_id => {}
        Some(_) => return Err(("40002", "isv.invalid-app-key", "无效的app_id参数")),
        None => return Err(("40001", "isv.missing-app-id", "缺少appId参数")),
    }
    signature(gateway, params)?;
    timestamp(of("timestamp"))?;
    match of("format") {
        None | Some("json" | "JSON") => Ok(()),
        Some(_) => Err(("40002", "isv.invalid-format", "无效的数据格式")),
    }
}

/// The content that is signed: every parameter but `sign`, in ASCII order, raw. Empty ones count.
fn signature(gateway: &Gateway, params: &Params) -> Result<(), Refusal> {
    let sign = params.get("sign").ok_or(("40001", "isv.missing-signature", "缺少签名参数"))?;
    match params.get("sign_type").map(String::as_str) {
        Some("RSA2") => {}
        Some(_) => return Err(("40002", "isv.invalid-signature-type", "无效的签名类型")),
        None => return Err(("40001", "isv.missing-signature-type", "缺少签名类型参数")),
    }
    match params.get("charset") {
        Some(charset) if charset.eq_ignore_ascii_case("utf-8") => {}
        Some(_) | None => return Err(("40002", "isv.invalid-charset", "字符集错误")),
    }
    let pairs: Vec<String> = params
        .iter()
        .filter(|(name, _)| name.as_str() != "sign")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if gateway.keys.verifies(&pairs.join("&"), sign) {
        return Ok(());
    }
    Err(("40002", "isv.invalid-signature", "无效签名"))
}

/// A missing timestamp makes the platform stumble rather than refuse; so do we.
fn timestamp(text: Option<&str>) -> Result<(), Refusal> {
    let text = text.ok_or(("20000", "isp.unknown-error", "服务不可用"))?;
    match clock::read(text) {
        Some(ms) if (clock::now_ms() - ms).abs() <= TIMESTAMP_TOLERANCE_MS => Ok(()),
        Some(_) | None => Err(("40002", "isv.invalid-timestamp", "非法的时间戳参数")),
    }
}

/// Splits at every `=` and keeps only pairs of exactly two parts, as the platform does: an unescaped `=`, such as the
/// padding of a base64 signature, silently loses its parameter.
fn from_form(gateway: &Gateway, body: &[u8]) -> Params {
    let mut params = Params::new();
    for pair in body.split(|byte| *byte == b'&') {
        let parts = pair.split(|byte| *byte == b'=').count();
        let decoded = form_urlencoded::parse(pair).next();
        match decoded {
            Some((name, value)) if parts == 2 && !value.is_empty() => {
                if params.insert(name.to_string(), value.into_owned()).is_some() {
                    gateway.books.violation(None, &format!("the form has {name} twice"));
                }
            }
            Some((name, _)) => {
                gateway.books.violation(None, &format!("the form's {name} is not one name and one value: dropped"));
            }
            None => gateway.books.violation(None, "the form has an empty pair"),
        }
    }
    params
}

/// A value that is not a string is written out again, which is not what was signed.
fn from_json(gateway: &Gateway, body: &[u8]) -> Params {
    let object: Map<String, Value> = match serde_json::from_slice(body) {
        Ok(object) => object,
        Err(error) => {
            gateway.books.violation(None, &format!("the body is not a JSON object: {error}"));
            return Params::new();
        }
    };
    let mut params = Params::new();
    for (name, value) in object {
        let text = match value {
            Value::String(text) => text,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                gateway.books.violation(None, &format!("{name} is not a string"));
                value.to_string()
            }
        };
        params.insert(name, text);
    }
    params
}

/// The key of a request that may be refused before its content is read properly.
fn key_hint(params: &Params) -> Option<String> {
    let content: Map<String, Value> = serde_json::from_str(params.get("biz_content")?).ok()?;
    let of = |name: &str| content.get(name).and_then(Value::as_str);
    match (of("platform_no"), of("order_id")) {
        (Some(key), _) => Some(key.to_owned()),
        (None, Some(order_id)) => Some(format!("{order_id}/{}", of("trade_type")?)),
        (None, None) => None,
    }
}
