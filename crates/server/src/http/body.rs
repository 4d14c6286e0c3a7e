//! Request bodies: JSON by their Content-Type, bounded in length and time.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use bursar_domain::FieldError;
use futures_util::StreamExt;

use crate::http::problem::{Kind, Problem};
use crate::state::Shared;

/// The longest body, in bytes: a batch of 1,000 jobs of 8 KiB each, which is many times the usual.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The bytes of a body that is too long which are read and dropped, so that a client that still sends reads the refusal.
const MAX_FORGOTTEN_BYTES: usize = 4 * MAX_BODY_BYTES;

/// A whole body whose Content-Type is JSON. Its reader parses it.
pub(crate) struct JsonBody(pub(crate) Bytes);

impl FromRequest<Shared> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            return Err(Problem::new(Kind::WrongContentType, "send Content-Type: application/json"));
        }
        let client_timeout = app.settings.client_timeout;
        let read = tokio::time::timeout(client_timeout, read(request.into_body())).await;
        read.unwrap_or_else(|_| {
            let detail = format!("the body must be here within {}", humantime::format_duration(client_timeout));
            Err(Problem::new(Kind::TooSlow, detail))
        })
        .map(Self)
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    let mut too_long = usize::try_from(announced).is_ok_and(|bytes| bytes > MAX_BODY_BYTES);
    let (mut whole, mut forgotten) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        // Only a client that has gone, or breaks HTTP, ends here: the answer has no reader.
        let chunk = chunk.map_err(|_| {
            Problem::invalid(&[FieldError { field: "body".into(), rule: "must arrive whole: it ended early".into() }])
        })?;
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

    #[tokio::test]
    async fn a_body_is_read_to_its_limit_and_no_further() {
        assert_eq!(read(Body::from(vec![0; MAX_BODY_BYTES])).await.unwrap().len(), MAX_BODY_BYTES);
        assert!(read(Body::from(vec![0; MAX_BODY_BYTES + 1])).await.is_err());
    }
}
