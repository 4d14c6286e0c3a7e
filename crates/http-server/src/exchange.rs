//! One request on a connection: while it lasts the connection is not idle, except while it waits for its client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::listener::Seat;

/// The time from a whole head to the end of the answer. The connection is idle again when it is dropped.
pub(crate) struct Exchange(Arc<Seat>);

impl Exchange {
    pub(crate) fn begin(seat: &Arc<Seat>) -> Arc<Self> {
        seat.work();
        Arc::new(Self(Arc::clone(seat)))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.rest();
    }
}

/// A request's body. While the client sends nothing of it, the connection is idle: a body that never ends costs no one else a place.
pub(crate) struct Arriving<B> {
    body: B,
    exchange: Arc<Exchange>,
    waits: bool,
}

impl<B> Arriving<B> {
    pub(crate) fn new(body: B, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange, waits: false }
    }

    fn waits(&mut self, waits: bool) {
        if std::mem::replace(&mut self.waits, waits) == waits {
            return;
        }
        if waits { self.exchange.0.rest() } else { self.exchange.0.work() }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Arriving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.waits(frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        self.waits(false); // its reader has given up, and an answer follows
    }
}

/// An answer's body, with its exchange.
pub(crate) struct Answer {
    pub(crate) body: Body,
    pub(crate) _exchange: Arc<Exchange>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
