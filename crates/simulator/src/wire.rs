//! Answers on the wire, and the connections they go over: here they are reset, closed, cut and trickled.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::fault::Delivery;

/// The target of redirects; no client may follow one with a payment.
pub(crate) const ELSEWHERE: &str = "/_elsewhere";

const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html";
const BAD_GATEWAY_PAGE: &str =
    "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
const MAINTENANCE_PAGE: &str = "<html><head><title>系统维护</title></head><body>系统维护中,请稍后再试</body></html>";

const PADDING_CHUNK: &[u8] = &[b' '; 64 * 1024];
/// 8 MiB: far more than any answer, far less than would trouble a test machine.
const PADDING_CHUNKS: u32 = 128;
const TRICKLE_PARTS: u32 = 20;
/// After a failed accept (out of descriptors), the next one has time to succeed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn json(text: String) -> Response {
    response(StatusCode::OK, JSON, Body::from(text))
}

pub(crate) fn bad_gateway() -> Response {
    response(StatusCode::BAD_GATEWAY, HTML, Body::from(BAD_GATEWAY_PAGE))
}

pub(crate) fn html() -> Response {
    response(StatusCode::OK, HTML, Body::from(MAINTENANCE_PAGE))
}

pub(crate) fn redirect() -> Response {
    let mut response = response(StatusCode::TEMPORARY_REDIRECT, HTML, Body::empty());
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(ELSEWHERE));
    response
}

/// The answer, delivered as a fault requires; `span` is the length of trickling.
pub(crate) fn deliver(text: String, delivery: Delivery, span: Duration) -> Response {
    match delivery {
        Delivery::Whole => json(text),
        Delivery::Half => json(first_half(&text).to_owned()),
        Delivery::Cut => cut(&text),
        Delivery::Trickled => trickled(text.as_bytes(), span),
        Delivery::Padded => padded(text),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn first_half(text: &str) -> &str {
    &text[..text.floor_char_boundary(text.len() / 2)]
}

/// Announces the whole length, sends half and fails, on which the server closes the connection.
fn cut(text: &str) -> Response {
    let half = Bytes::copy_from_slice(first_half(text).as_bytes());
    let parts = [Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionAborted))];
    let paced = stream::unfold(parts.into_iter(), |mut parts| async {
        let part = parts.next()?;
        if part.is_err() {
            // The first half must have left before the failure takes the connection down.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Some((part, parts))
    });
    let mut response = response(StatusCode::OK, JSON, Body::from_stream(paced));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    response
}

fn trickled(bytes: &[u8], span: Duration) -> Response {
    let length = bytes.len();
    let size = length.div_ceil(usize::try_from(TRICKLE_PARTS).unwrap_or(1)).max(1);
    let parts: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    let paced = stream::unfold(parts.into_iter(), move |mut parts| async move {
        let part = parts.next()?;
        tokio::time::sleep(span / TRICKLE_PARTS).await;
        Some((Ok::<Bytes, Infallible>(part), parts))
    });
    let mut response = response(StatusCode::OK, JSON, Body::from_stream(paced));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// White space before the answer leaves it valid: only a client without a bound reads it to the end.
fn padded(text: String) -> Response {
    let padding = (0..PADDING_CHUNKS).map(|_| Bytes::from_static(PADDING_CHUNK));
    let parts = padding.chain([Bytes::from(text)]).map(Ok::<Bytes, Infallible>);
    response(StatusCode::OK, JSON, Body::from_stream(stream::iter(parts)))
}

/// A request handler's control over the connection of its request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<AtomicU8>);

const OPEN: u8 = 0;
const CLOSES: u8 = 1;
const RESETS: u8 = 2;

impl Line {
    /// The client reads a reset (RST) in place of an answer.
    pub(crate) fn reset(&self) -> Response {
        self.ends(RESETS)
    }

    /// The client reads the end of the stream (FIN) in place of an answer.
    pub(crate) fn close(&self) -> Response {
        self.ends(CLOSES)
    }

    /// The response that the handler returns never leaves: writing it ends the connection.
    fn ends(&self, how: u8) -> Response {
        self.0.store(how, Ordering::Release);
        Response::new(Body::empty())
    }
}

impl Connected<IncomingStream<'_, ServedListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, ServedListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Accepts connections that can be ended by a handler.
pub(crate) struct ServedListener(pub(crate) TcpListener);

impl Listener for ServedListener {
    type Io = Wire;
    type Addr = Line;

    async fn accept(&mut self) -> (Wire, Line) {
        loop {
            match self.0.accept().await {
                Ok((tcp, _)) => {
                    // Without it, an answer in two writes waits for the client's delayed acknowledgement.
                    let _ = tcp.set_nodelay(true);
                    let line = Line::default();
                    return (Wire { tcp, line: line.clone() }, line);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Line> {
        Ok(Line::default())
    }
}

/// A connection that fails its next write once its line has been ended.
pub(crate) struct Wire {
    tcp: TcpStream,
    line: Line,
}

impl Wire {
    fn still_open(&self) -> io::Result<()> {
        match self.line.0.load(Ordering::Acquire) {
            OPEN => Ok(()),
            RESETS => {
                self.tcp.set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.still_open()?;
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.still_open()?;
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
