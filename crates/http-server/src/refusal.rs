//! Refusals that no route answers: of a head that is no HTTP, and of one that is too long. Each is a problem of RFC 9457, as the routes' own
//! refusals are; the types are the server's.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const MALFORMED: &str = r#"{"type":"urn:bursar:problem:malformed","title":"Malformed request","status":400,"detail":"the head of the request cannot be read","documentation":"/problems#malformed"}"#;

const HEAD_TOO_LARGE: &str = r#"{"type":"urn:bursar:problem:head-too-large","title":"Request header fields too large","status":431,"detail":"the request's target and headers are too long","documentation":"/problems#head-too-large"}"#;

/// The answer to a head that is too long.
pub(crate) fn head_too_large() -> Response {
    let content_type = HeaderValue::from_static("application/problem+json");
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    (status, [(header::CONTENT_TYPE, content_type)], HEAD_TOO_LARGE).into_response()
}

/// The bytes to write in the place of these, where they are hyper's own refusal of a head. It has no body, and hyper has no place for one;
/// no route refuses so without a body.
pub(crate) fn in_place_of(bytes: &[u8]) -> Option<Vec<u8>> {
    const NO_BODY: &str = "content-length: 0\r\n";
    let document = if bytes.starts_with(b"HTTP/1.1 400 ") {
        MALFORMED
    } else if bytes.starts_with(b"HTTP/1.1 431 ") {
        HEAD_TOO_LARGE
    } else {
        return None;
    };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.find("\r\n\r\n") == Some(text.len() - 4))?;
    let (before, after) = text.split_once(NO_BODY)?;
    let length = document.len();
    Some(
        format!("{before}content-type: application/problem+json\r\ncontent-length: {length}\r\n{after}{document}")
            .into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::in_place_of;

    #[test]
    fn only_a_refusal_without_a_body_is_replaced() {
        let refusal = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        let replaced = String::from_utf8(in_place_of(refusal).unwrap()).unwrap();
        let (head, body) = replaced.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())) && head.ends_with("date: now"), "{head}");
        assert!(body.contains("problem:malformed"), "{body}");
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\nfail",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 400 ",
            b"",
        ] {
            assert_eq!(in_place_of(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
