//! Bodies as they are pasted from a gateway's page. A body that says the same as a documented one is taken, and becomes the same
//! content. For a whole request, the error comes with the body that is in it.

use serde_json::{Map, Value};

use crate::fields::{FieldError, Reader};
use crate::strict_json::{self, Repeated};
use crate::{AccountRules, Content, Key, Kind, Millis};

/// The parameters of a request that are not its content. Bursar writes them, for the account that the job names.
const WIRE_PARAMETERS: [&str; 14] = [
    "app_id",
    "method",
    "format",
    "charset",
    "sign_type",
    "timestamp",
    "version",
    "app_auth_token",
    "sign",
    "biz_content",
    // BeingFi's
    "mchNo",
    "appId",
    "reqTime",
    "signType",
];

/// The rule for a field of a body that is no field of its content.
pub(crate) fn wire_rule(name: &str) -> Option<&'static str> {
    match name {
        "biz_content" => Some("is a request's content: give its fields as the body"),
        _ if WIRE_PARAMETERS.contains(&name) => {
            Some("is a parameter of the request, which Bursar writes: leave it out")
        }
        _ => None,
    }
}

/// Takes the key out of a body, where the pages have it. Another key than the job's is an error.
pub(super) fn take_key(body: &mut Map<String, Value>, key: Option<&Key>, errors: &mut Vec<FieldError>) {
    let (Some(given), Some(key)) = (body.remove("platform_no"), key) else { return };
    if !given.is_null() && given.as_str() != Some(key.as_str()) {
        let rule = "must be the job's platform_no or be left out: it is a field of the job, not of its body";
        errors.push(FieldError { field: "body.platform_no".into(), rule: rule.into() });
    }
}

/// The entries of a list: an array, or the JSON text of one, as the pages write it.
///
/// # Errors
/// The rule that it breaks, which `rule` is where it is neither.
pub(super) fn entries(value: Value, rule: &str) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(entries) => Ok(entries),
        Value::String(text) => match strict_json::read(&text, Repeated::RefusedIfDifferent) {
            Ok(Value::Array(entries)) => Ok(entries),
            Ok(_) => Err(rule.to_owned()),
            Err(error) => Err(format!("{rule}: its text is no JSON: {error}")),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(rule.to_owned()),
    }
}

/// True if a body has a parameter of a request.
fn is_request(body: &Map<String, Value>) -> bool {
    WIRE_PARAMETERS.iter().any(|name| body.contains_key(*name))
}

/// Reads a body. Where a request was pasted and is refused, `corrected_body` becomes the body that is in it, if that breaks no rule.
pub(crate) fn read(
    kind: Kind,
    rules: &AccountRules,
    key: Option<&Key>,
    body: Map<String, Value>,
    errors: &mut Vec<FieldError>,
    corrected_body: &mut Option<Map<String, Value>>,
) -> Option<(Content, Option<Millis>)> {
    let (found, pasted) = (errors.len(), is_request(&body).then(|| body.clone()));
    let read = super::content(kind, rules, key, body, errors);
    let Some(pasted) = pasted.filter(|_| errors.len() > found) else { return read };
    *corrected_body = corrected(kind, rules, key, &pasted);
    if corrected_body.is_some() {
        // The body's missing fields are in the request's content: only what must go is wrong.
        errors.truncate(found);
        let of_request = pasted.keys().filter_map(|name| Some((name, wire_rule(name)?)));
        let error = |(name, rule): (&String, &str)| FieldError { field: format!("body.{name}"), rule: rule.to_owned() };
        errors.extend(of_request.map(error));
    }
    read
}

/// The body that a pasted request has in it, where that body breaks no rule.
fn corrected(
    kind: Kind,
    rules: &AccountRules,
    key: Option<&Key>,
    body: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut corrected = match body.get("biz_content") {
        Some(Value::Object(content)) => content.clone(),
        Some(Value::String(text)) => match strict_json::read(text, Repeated::Refused) {
            Ok(Value::Object(content)) => content,
            Ok(_) | Err(_) => return None,
        },
        Some(_) => return None,
        None => body.clone(),
    };
    corrected.retain(|name, _| !WIRE_PARAMETERS.contains(&name.as_str()));
    if corrected == *body {
        return None;
    }
    let mut errors = Vec::new();
    super::content(kind, rules, key, corrected.clone(), &mut errors)?;
    errors.is_empty().then_some(corrected)
}

/// Moves fields of the page's example that its table lacks into `extra`, where such fields are.
pub(super) fn into_extra(reader: &mut Reader<'_>, names: &[&'static str]) {
    for name in names {
        let Some(value) = reader.take(name) else { continue };
        if !reader.put_into("extra", name, value) {
            reader.wrong(name, "is given twice: here and in extra");
        }
    }
}
