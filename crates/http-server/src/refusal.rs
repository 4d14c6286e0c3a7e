//! The refusal of a head that is too long, which no route answers: a problem of RFC 9457, as the routes' own refusals are.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The problem's document. Its type is one of the server's.
const HEAD_TOO_LARGE: &str = r#"{"type":"urn:bursar:problem:head-too-large","title":"Request header fields too large","status":431,"detail":"the request's target and headers are too long","documentation":"/problems#head-too-large"}"#;

/// The answer to a head that is too long.
pub(crate) fn head_too_large() -> Response {
    let content_type = HeaderValue::from_static("application/problem+json");
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    (status, [(header::CONTENT_TYPE, content_type)], HEAD_TOO_LARGE).into_response()
}
