//! The two forms in which gateways take parameters.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ContentType;

/// Everything but unreserved characters (RFC 3986 §2.3): YZT's gateway drops a pair with a bare `=` in its value, and
/// signatures end in them (SOP's form parser, read 2026-11-22).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters as a body of this type.
pub(crate) fn body<N: AsRef<str>, V: AsRef<str>>(content_type: ContentType, params: &[(N, V)]) -> String {
    match content_type {
        ContentType::Form => form(params),
        ContentType::Json => json(params),
    }
}

/// A name or value as a form has it.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn form<N: AsRef<str>, V: AsRef<str>>(params: &[(N, V)]) -> String {
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", encode(name.as_ref()), encode(value.as_ref()))).collect();
    pairs.join("&")
}

/// Every value is a text, the content too: an object would be written again by the gateway, and its signature break.
fn json<N: AsRef<str>, V: AsRef<str>>(params: &[(N, V)]) -> String {
    let fields: serde_json::Map<String, serde_json::Value> =
        params.iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().into())).collect();
    serde_json::Value::Object(fields).to_string()
}
