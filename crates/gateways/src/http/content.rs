//! A request's content. It is handed to a connection once, after that connection is made and its handshake is over, and
//! never after its moment has passed or its caller has given up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The content waits for a connection. From here it goes to one of the other two, once.
const WAITING: u8 = 0;

/// A connection has it: it may have been executed.
const LEFT: u8 = 1;

/// No connection ever gets it.
const WITHDRAWN: u8 = 2;

/// The content's whereabouts, shared by the caller and the connection. They may be on two threads: the first one decides.
#[derive(Clone)]
pub(super) struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// Keeps the content from leaving. True: not a byte of it has left, and none ever will.
    pub(super) fn withdraw(&self) -> bool {
        matches!(self.leaves_for(WITHDRAWN), Ok(_) | Err(WITHDRAWN))
    }

    fn leave(&self) -> bool {
        self.leaves_for(LEFT).is_ok()
    }

    fn leaves_for(&self, place: u8) -> Result<u8, u8> {
        self.0.compare_exchange(WAITING, place, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// The content was not handed to the connection, which then ends without having written anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the last moment for this send has passed")]
pub(super) struct SendDeadlinePassed;

/// The content as the connection reads it: when it is about to write, and not before.
pub(super) struct Content {
    bytes: Bytes,
    ticket: Ticket,
    send_by: Option<Instant>,
}

impl Content {
    /// Without `send_by` the content may leave at any time until it is withdrawn.
    pub(super) fn new(text: String, send_by: Option<Instant>) -> (Self, Ticket) {
        // A request without a content is not held back by one.
        let ticket = Ticket(Arc::new(AtomicU8::new(if text.is_empty() { LEFT } else { WAITING })));
        (Self { bytes: text.into(), ticket: ticket.clone(), send_by }, ticket)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = SendDeadlinePassed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendDeadlinePassed>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        if self.send_by.is_some_and(|by| Instant::now() > by) {
            self.ticket.withdraw();
        }
        Poll::Ready(Some(if self.ticket.leave() {
            Ok(Frame::data(std::mem::take(&mut self.bytes)))
        } else {
            Err(SendDeadlinePassed)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn polled(content: &mut Content) -> Option<Result<Bytes, SendDeadlinePassed>> {
        match Pin::new(content).poll_frame(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())),
            Poll::Pending => panic!("it is never pending"),
        }
    }

    #[test]
    fn it_leaves_whole_and_once_and_cannot_be_withdrawn_then() {
        let (mut content, ticket) = Content::new("a=b".into(), Some(Instant::now() + Duration::from_secs(60)));
        assert_eq!(content.size_hint().exact(), Some(3), "its length is known to the request's head");
        assert_eq!(polled(&mut content), Some(Ok(Bytes::from_static(b"a=b"))));
        assert!(!ticket.withdraw() && content.is_end_stream());
        assert_eq!(polled(&mut content), None);
    }

    #[test]
    fn what_was_withdrawn_never_leaves_however_often_it_is_tried() {
        let (mut content, ticket) = Content::new("a=b".into(), None);
        assert!(ticket.withdraw() && ticket.withdraw());
        assert_eq!(polled(&mut content), Some(Err(SendDeadlinePassed)));
        assert_eq!(polled(&mut content), Some(Err(SendDeadlinePassed)));
    }

    #[test]
    fn after_its_last_moment_it_stays_also_when_its_caller_waits_on() {
        let (mut content, ticket) = Content::new("a=b".into(), Instant::now().checked_sub(Duration::from_millis(1)));
        assert_eq!(polled(&mut content), Some(Err(SendDeadlinePassed)));
        assert!(ticket.withdraw(), "and it is known not to have left");
    }

    /// Both at once, over and over: never both, never neither.
    #[test]
    fn leaving_and_withdrawing_exclude_each_other() {
        for _ in 0..2_000 {
            let (mut content, ticket) = Content::new("a=b".into(), None);
            let barrier = std::sync::Barrier::new(2);
            let (left, withdrawn) = std::thread::scope(|scope| {
                let leaving = scope.spawn(|| {
                    barrier.wait();
                    polled(&mut content).is_some_and(|frame| frame.is_ok())
                });
                barrier.wait();
                let withdrawn = ticket.withdraw();
                (leaving.join().unwrap_or_default(), withdrawn)
            });
            assert_ne!(left, withdrawn);
        }
    }
}
