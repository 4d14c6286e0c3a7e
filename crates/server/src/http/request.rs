//! The middleware of every request: an id that the answer repeats, a log line, a panic that costs one answer, and `Connection: close` where a
//! body is left unread.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;
use tracing::Instrument;

use crate::http::problem::{Kind, Problem};

/// The header that names a request, in the request and in its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a client that is used.
const MAX_ID_BYTES: usize = 64;

/// Random bytes in an id that the server makes.
const ID_BYTES: usize = 12;

/// Gives the request its id, answers, and writes a line about it.
pub(crate) async fn surround(request: Request, next: Next) -> Response {
    let (request, read) = watched(request);
    let id = request.headers().get(&REQUEST_ID).filter(|id| is_fit(id)).cloned().unwrap_or_else(new_id);
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(%method, route, status, ms = began.elapsed().as_millis(), "answered"));
    response.headers_mut().insert(REQUEST_ID, id);
    if !read.load(Ordering::Relaxed) {
        // The unread rest of the body comes before the next request, so the connection is closed. A client that does not know that would send
        // its next request on it, and get no answer.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The request, with a flag that is true once its body has been read to its end.
fn watched(request: Request) -> (Request, Arc<AtomicBool>) {
    let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    if read.load(Ordering::Relaxed) {
        return (request, read);
    }
    let watching = Arc::clone(&read);
    (request.map(|body| Body::new(Watched { body, read: watching })), read)
}

/// A body that sets a flag when it has been read.
struct Watched {
    body: Body,
    read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// True for an id that headers and logs can repeat.
fn is_fit(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

fn new_id() -> HeaderValue {
    let mut bytes = [0; ID_BYTES];
    let made = aws_lc_rs::rand::fill(&mut bytes).ok();
    let id = made.and_then(|()| HeaderValue::try_from(URL_SAFE_NO_PAD.encode(bytes)).ok());
    id.unwrap_or(HeaderValue::from_static("none"))
}

/// The answer of a handler that panicked. The message is on standard error already.
#[allow(clippy::needless_pass_by_value, reason = "the layer hands it over so")]
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(Kind::Internal, "the server failed; a GET tells if the request was done").into_response()
}
