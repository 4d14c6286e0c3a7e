//! `/api/division/query`: the status of a division, at vendors that have it. BeingFi's page does not; the form is that of Jeepay's
//! commercial SDK (`PayOrderDivisionQueryReqModel` and `PayOrderDivisionQueryResModel`, 2024-05-20, read 2026-11-29): asked by
//! `batchOrderId` and the order, answered with both and with `records`, a list as JSON text, one entry a receiver.

use std::collections::BTreeSet;

use bursar_domain::{Outcome, ParsedResponse, Received};
use serde_json::Value;

use super::reply::Meaning;
use super::{content_params, reply};
use crate::json::RawObject;
use crate::{GatewayRequest, Secret, text};

/// As many receivers as are read of one answer; WeChat Pay allows 50 (docs/gateways/beingfi.md).
const MAX_RECORDS: usize = 1_000;

/// True if a text can be put behind the gateway's address.
pub(super) fn is_path(path: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    path.len() > 1 && path.starts_with('/') && path.bytes().all(sane)
}

/// The parameters to ask by: the order as the split names it, and the newest number. `None` for a content without an order.
pub(super) fn question(request: &GatewayRequest) -> Option<Vec<(String, String)>> {
    let names_order = |(name, _): &(String, String)| matches!(name.as_str(), "payOrderId" | "mchOrderNo");
    let mut question: Vec<(String, String)> =
        content_params(&request.content)?.into_iter().filter(names_order).collect();
    if question.is_empty() {
        return None;
    }
    question.extend(request.trade_nos.last().map(|number| ("batchOrderId".to_owned(), number.clone())));
    Some(question)
}

/// The outcome of a refused query: the division itself is as it was.
pub(super) fn refused(meaning: Meaning) -> Outcome {
    match meaning {
        Meaning::NotFound => Outcome::NotFound,
        Meaning::NotExecuted => Outcome::NotExecuted,
        Meaning::Misconfigured => Outcome::Misconfigured,
        Meaning::NotDivisible | Meaning::NotReady | Meaning::Handled | Meaning::Rejected | Meaning::InDoubt => {
            Outcome::NoResponse
        }
    }
}

/// The outcome for `request` in verified `data`. Nothing ends by it unless it names the order or the batch that was asked about.
pub(super) fn read(
    data: &RawObject<'_>,
    parsed: ParsedResponse,
    request: &GatewayRequest,
    hidden: &[&Secret],
) -> ParsedResponse {
    let said = |outcome, message: &str| ParsedResponse { outcome, message: Some(message.to_owned()), ..parsed.clone() };
    let (Ok(pay_order), Ok(batch), Ok(records)) =
        (data.word("payOrderId"), data.word("batchOrderId"), data.value("records"))
    else {
        return ParsedResponse {
            received: Received::Nothing,
            ..said(Outcome::NoResponse, "a field that decides occurs twice or cannot be read")
        };
    };
    match names(request, pay_order.as_deref(), batch.as_deref()) {
        Named::Other => return said(Outcome::Mismatch, "the query's answer names another order or batch"),
        Named::Nothing => return said(Outcome::NoResponse, "the query's answer names neither the order nor the batch"),
        Named::This => {}
    }
    let Some(records) = parts(records) else {
        return said(Outcome::NoResponse, "the query's records cannot be read");
    };
    let states: BTreeSet<&str> = records.iter().map(|part| part.state.as_deref().unwrap_or("?")).collect();
    let status = (!states.is_empty()).then(|| text::word(&states.into_iter().collect::<Vec<_>>().join(","), hidden));
    let trade_no = batch.and_then(|batch| text::number(&batch, hidden));
    let (outcome, message) = verdict_of(&records, request);
    ParsedResponse { outcome, status, trade_no, message: message.map(str::to_owned), ..parsed }
}

/// The division that an answer names.
enum Named {
    This,
    Other,
    Nothing,
}

fn names(request: &GatewayRequest, pay_order: Option<&str>, batch: Option<&str>) -> Named {
    let params = content_params(&request.content).unwrap_or_default();
    let ours = params.iter().find(|(name, _)| name == "payOrderId").map(|(_, number)| number.as_str());
    let known = request.trade_nos.last().map(String::as_str);
    let pairs = [(ours, pay_order), (known, batch)];
    let both = pairs.into_iter().filter_map(|(requested, named)| Some((requested?, named?)));
    let agree: Vec<bool> = both.map(|(requested, named)| requested == named).collect();
    match (agree.is_empty(), agree.into_iter().all(|agrees| agrees)) {
        (true, _) => Named::Nothing,
        (false, true) => Named::This,
        (false, false) => Named::Other,
    }
}

/// One receiver's part, as far as it is read.
struct Part {
    receiver: Option<String>,
    state: Option<String>,
    code: Option<String>,
    said: String,
}

/// The list, whether it came as JSON text or as itself; `None` for what is no list of objects. Absence is an empty list.
fn parts(records: Option<Value>) -> Option<Vec<Part>> {
    let list = match records {
        None => Value::Array(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Value::Array(Vec::new()),
        Some(Value::String(text)) => serde_json::from_str(&text).ok()?,
        Some(list) => list,
    };
    let Value::Array(list) = list else { return None };
    if list.len() > MAX_RECORDS {
        return None;
    }
    let word = |part: &Value, name: &str| match part.get(name) {
        Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    let part = |part: &Value| {
        part.is_object().then(|| Part {
            receiver: word(part, "receiverId"),
            state: word(part, "state"),
            code: word(part, "errCode"),
            said: word(part, "errMsg").unwrap_or_default(),
        })
    };
    list.iter().map(part).collect()
}

/// Done when every part is; failed when a channel has decided against every part; a mismatch when some are and some are
/// not, or when other receivers were paid than the split names. Everything else is on its way.
fn verdict_of(parts: &[Part], request: &GatewayRequest) -> (Outcome, Option<&'static str>) {
    if parts.is_empty() {
        return (Outcome::NotFound, Some("the gateway has no record of a division"));
    }
    let is = |part: &Part, state: &str| part.state.as_deref() == Some(state);
    if !parts.iter().all(|part| is(part, "1") || is(part, "2")) {
        return (Outcome::Accepted, None);
    }
    if !same_receivers(parts, request) {
        return (Outcome::Mismatch, Some("other receivers are on the gateway's record than the split names"));
    }
    let decided =
        |part: &Part| reply::channel_decided(reply::channel_code(part.code.clone(), &part.said).as_deref(), &part.said);
    if parts.iter().all(|part| is(part, "1")) {
        (Outcome::Succeeded, None)
    } else if parts.iter().any(|part| is(part, "1")) {
        (Outcome::Mismatch, Some("some receivers were paid, and some were not"))
    } else if parts.iter().all(decided) {
        (Outcome::Failed, None)
    } else {
        (Outcome::Mismatch, Some("every part has failed, and not by a decision of the channel"))
    }
}

/// True if the parts are for exactly the receivers that the split names, where both say whom: a group's are not known here.
fn same_receivers(parts: &[Part], request: &GatewayRequest) -> bool {
    let params = content_params(&request.content).unwrap_or_default();
    let listed = params.iter().find(|(name, _)| name == "receivers").map_or("[]", |(_, list)| list.as_str());
    let listed: Vec<Value> = serde_json::from_str(listed).unwrap_or_default();
    let named: Option<BTreeSet<&str>> =
        listed.iter().map(|receiver| receiver.get("receiverId").and_then(Value::as_str)).collect();
    let paid: Option<BTreeSet<&str>> = parts.iter().map(|part| part.receiver.as_deref()).collect();
    match (named, paid) {
        (Some(named), Some(paid)) => named.is_empty() || named == paid,
        (None, _) | (_, None) => true,
    }
}
