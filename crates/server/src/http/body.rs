//! Request bodies: JSON by their Content-Type, bounded in length and time.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use bursar_domain::BYTE_ORDER_MARK;
use futures_util::StreamExt;
use serde::de::IgnoredAny;

use crate::http::problem::{Kind, Problem};
use crate::state::Shared;

/// The longest body, in bytes: a batch of 1,000 jobs of 8 KiB each, which is many times the usual.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The bytes of a body that is too long which are read and dropped, so that a client that still sends reads the refusal.
const MAX_FORGOTTEN_BYTES: usize = 4 * MAX_BODY_BYTES;

/// A whole body that is one JSON text, without a byte order mark. Its reader takes it apart.
pub(crate) struct JsonBody(pub(crate) Bytes);

impl FromRequest<Shared> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            return Err(Problem::new(Kind::WrongContentType, "send Content-Type: application/json"));
        }
        if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING).filter(|value| *value != "identity") {
            let detail = format!("send the body without Content-Encoding: {} is not read", shown(encoding.as_bytes()));
            return Err(Problem::new(Kind::WrongContentType, detail));
        }
        let client_timeout = app.settings.client_timeout;
        let read = tokio::time::timeout(client_timeout, read(request.into_body())).await;
        read.unwrap_or_else(|_| {
            let detail = format!("the body must be here within {}", humantime::format_duration(client_timeout));
            Err(Problem::new(Kind::TooSlow, detail))
        })
        .and_then(|body| json_text(&body))
        .map(Self)
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The first bytes of what gzip makes.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The JSON text that a body is.
///
/// # Errors
/// The body is none: a problem that says where.
fn json_text(body: &Bytes) -> Result<Bytes, Problem> {
    if body.starts_with(&GZIP) {
        return Err(Problem::new(Kind::WrongContentType, "the body is compressed by gzip: send the JSON itself"));
    }
    let mark = BYTE_ORDER_MARK.encode_utf8(&mut [0; 4]).len();
    let malformed = |detail: String| Problem::new(Kind::Malformed, detail);
    let text = std::str::from_utf8(body)
        .map_err(|error| malformed(format!("the body must be UTF-8: byte {} is not", error.valid_up_to() + 1)))?;
    let (text, body) =
        if text.starts_with(BYTE_ORDER_MARK) { (&text[mark..], body.slice(mark..)) } else { (text, body.clone()) };
    if text.trim_ascii().is_empty() {
        return Err(malformed("the body is empty: it must be JSON".into()));
    }
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(body),
        Err(error) => Err(malformed(format!("the body is no JSON: {error}"))),
    }
}

/// A header's value for a sentence.
fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().filter(|character| !character.is_control()).take(64).collect()
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    let mut too_long = usize::try_from(announced).is_ok_and(|bytes| bytes > MAX_BODY_BYTES);
    let (mut whole, mut forgotten) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        // Only a client that has gone, or breaks HTTP, ends here: the answer has no reader.
        let chunk = chunk.map_err(|_| Problem::new(Kind::Malformed, "the body must arrive whole: it ended early"))?;
        too_long |= whole.len() + chunk.len() > MAX_BODY_BYTES;
        if !too_long {
            whole.extend_from_slice(&chunk);
            continue;
        }
        whole = Vec::new();
        forgotten += chunk.len();
        if forgotten > MAX_FORGOTTEN_BYTES {
            break;
        }
    }
    if too_long {
        return Err(Problem::new(Kind::TooLarge, format!("a body may have {MAX_BODY_BYTES} bytes at most")));
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_media_type_with_any_parameters() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.shop+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["", "text/plain", "application/x-www-form-urlencoded", "text/json-not", "multipart/form-data"] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn a_body_is_one_json_text_or_says_what_it_is() {
        let taken = |body: &[u8]| json_text(&Bytes::copy_from_slice(body)).map_err(|problem| format!("{problem:?}"));
        assert_eq!(taken(b"{} ").unwrap(), "{} ");
        assert_eq!(taken("\u{feff}{}".as_bytes()).unwrap(), "{}");
        for (body, kind, says) in [
            (&b""[..], "Malformed", "is empty"),
            (b" \n", "Malformed", "is empty"),
            (b"{", "Malformed", "is no JSON: EOF"),
            (b"{}{}", "Malformed", "is no JSON: trailing"),
            (b"{\"a\":\"\xff\"}", "Malformed", "byte 7"),
            (b"\x1f\x8b\x08\x00", "WrongContentType", "gzip"),
        ] {
            let refused = taken(body).unwrap_err();
            assert!(refused.contains(kind) && refused.contains(says), "{body:?}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_limit_and_no_further() {
        assert_eq!(read(Body::from(vec![0; MAX_BODY_BYTES])).await.unwrap().len(), MAX_BODY_BYTES);
        assert!(read(Body::from(vec![0; MAX_BODY_BYTES + 1])).await.is_err());
    }
}
