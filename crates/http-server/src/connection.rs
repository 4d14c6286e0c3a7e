//! One connection's bytes. A client that reads no answer for too long is disconnected. A client that is refused while it still sends is read
//! from for a moment, or the refusal would be lost with the connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::refusal;

/// The time for which a closed connection is read from, so that the client reads its refusal.
const LINGER: Duration = Duration::from_secs(2);

/// The bytes that are read from it at once, and dropped.
const SCRAP_BYTES: usize = 16 * 1024;

/// A client's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    client_timeout: Duration,
    /// Runs while the client takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    /// A refusal that is being written in the place of hyper's own.
    refusal: Vec<u8>,
    /// Runs once our side is closed.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, client_timeout: Duration) -> Self {
        Self { stream, client_timeout, stuck: None, refusal: Vec::new(), linger: None }
    }

    /// Writes a refusal with a body, where `bytes` are one without; then all of them count as written. `None` for other bytes.
    fn refuse(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.refusal.is_empty() {
            self.refusal = refusal::in_place_of(bytes)?;
        }
        while !self.refusal.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(context, &self.refusal);
            match self.unless_stuck(context, written) {
                Poll::Ready(Ok(count)) => drop(self.refusal.drain(..count)),
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        }
        Some(Poll::Ready(Ok(bytes.len())))
    }

    /// The outcome of a write, unless nothing could be written for too long.
    fn unless_stuck<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stuck = None;
            return outcome;
        }
        let client_timeout = self.client_timeout;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(client_timeout)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no answer")))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = self.refuse(context, bytes) {
            return written;
        }
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.unless_stuck(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && let Some(written) = self.refuse(context, only)
        {
            return written;
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.unless_stuck(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.unless_stuck(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.linger = Some(Box::pin(tokio::time::sleep_until(Instant::now() + LINGER)));
        }
        let mut scrap = [0; SCRAP_BYTES];
        loop {
            if self.linger.as_mut().is_some_and(|linger| linger.as_mut().poll(context).is_ready()) {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())), // the client has closed its side, too, or is gone
            }
        }
    }
}
