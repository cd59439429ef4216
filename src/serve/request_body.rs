//! The body of a request while it is received.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::connection_io::ConnectionIo;

/// A request's body. It marks its connection as receiving until the last frame was read: a response that is sent before
/// that must close an HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    /// `None` once the whole body was read.
    io: Option<ConnectionIo>,
}

impl RequestBody {
    /// The body that is received over `io`.
    pub(super) fn new(incoming: Incoming, io: &ConnectionIo) -> Self {
        let io = (!incoming.is_end_stream()).then(|| io.clone());
        if let Some(io) = &io {
            io.set_receiving_body(true);
        }
        Self { incoming, io }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        let is_over = match &polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => self.incoming.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if is_over && let Some(io) = self.io.take() {
            io.set_receiving_body(false);
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
