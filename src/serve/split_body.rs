//! A response body that is handed to hyper in frames of at most 16 KiB. hyper buffers each frame whole: of a larger frame
//! a client that stops reading would hold all the bytes in memory, outside the send timeout.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::connection_io::InFlight;
use super::response::Body;

/// The size of the largest frame, in bytes: HTTP/2's default `SETTINGS_MAX_FRAME_SIZE`.
const MAX_FRAME: usize = 16 * 1024;

thread_local! {
    /// The progress, since [`Progress::reset`], of the response that is polled on this thread.
    static PROGRESS: Cell<Progress> = const { Cell::new(Progress { is_pending: false, has_frame: false }) };
}

/// The progress of a response during one poll. hyper polls a handler and its body inside one HTTP/2 task, so that the
/// task itself does not show whether it waits for the handler or for the client's flow-control window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The handler or the body returned `Pending`.
    pub(super) is_pending: bool,
    /// The body returned a frame.
    pub(super) has_frame: bool,
}

impl Progress {
    /// Clears this thread's progress, before a response is polled.
    pub(super) fn reset() {
        PROGRESS.set(Self::default());
    }

    /// This thread's progress since [`Self::reset`].
    pub(super) fn get() -> Self {
        PROGRESS.get()
    }

    /// Notes that the handler or the body returned `Pending`.
    pub(super) fn note_pending() {
        PROGRESS.set(Self { is_pending: true, ..PROGRESS.get() });
    }

    fn note_frame() {
        PROGRESS.set(Self { has_frame: true, ..PROGRESS.get() });
    }
}

/// A response body in small frames. Its request counts as in flight until the body is dropped.
pub(super) struct SplitBody {
    body: Body,
    rest: Bytes,
    /// Whether the last byte of each part of the body is a frame of its own. hyper accepts a whole HTTP/2 frame once the
    /// client's window has room for one byte, and is not polled again for the rest of that frame. With the last byte
    /// still to come it is, and the send timeout sees that the client does not read.
    splits_last_byte: bool,
    _in_flight: InFlight,
}

impl SplitBody {
    pub(super) fn new(body: Body, splits_last_byte: bool, in_flight: InFlight) -> Self {
        Self { body, rest: Bytes::new(), splits_last_byte, _in_flight: in_flight }
    }

    fn next_frame(&mut self) -> Frame<Bytes> {
        Progress::note_frame();
        let size = match self.rest.len() {
            len if len > MAX_FRAME => MAX_FRAME,
            len if self.splits_last_byte && len > 1 => len - 1,
            len => len,
        };
        Frame::data(self.rest.split_to(size))
    }
}

impl hyper::body::Body for SplitBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.next_frame())));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                Progress::note_pending();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    self.next_frame()
                }
                Err(trailers) => trailers,
            }))),
            Poll::Ready(over) => Poll::Ready(over),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut sum = SizeHint::new();
        if let Some(upper) = hint.upper() {
            sum.set_upper(upper.saturating_add(rest));
        }
        sum.set_lower(hint.lower().saturating_add(rest));
        sum
    }
}
