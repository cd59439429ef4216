//! A request's body as it comes in, and whether all of it came.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::wire::Wire;

/// A request's body. Its connection is told when all of it was read: an answer that is given before has to end it.
#[derive(Debug)]
pub(crate) struct Upload {
    incoming: Incoming,
    /// Until then.
    wire: Option<Wire>,
}

impl Upload {
    /// The body that comes in over `wire`.
    pub(super) fn new(incoming: Incoming, wire: &Wire) -> Self {
        let wire = (!incoming.is_end_stream()).then(|| wire.clone());
        if let Some(wire) = &wire {
            wire.set_uploading(true);
        }
        Self { incoming, wire }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        let is_over = match &polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => self.incoming.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if is_over && let Some(wire) = self.wire.take() {
            wire.set_uploading(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
