//! An answer's body on its way to its reader, a small part at a time: what is handed over at once is buffered at once,
//! and whoever does not read it would hold all of it where no clock looks.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::answer::Body;
use super::wire::Busy;

/// The most that is handed over at once, in bytes: what a frame of HTTP/2 holds unless its reader asked for more.
const SLICE: usize = 16 * 1024;

thread_local! {
    /// What an answer did since the thread was last asked.
    static DONE: Cell<Done> = const { Cell::new(Done { waited: false, gave: false }) };
}

/// What an answer did while it was polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// It waits for something of the server's own.
    pub(super) waited: bool,
    /// It gave a part of its body.
    pub(super) gave: bool,
}

impl Done {
    /// Forgets what was done on this thread until now.
    pub(super) fn forget() {
        DONE.set(Self::default());
    }

    /// What was done on this thread since.
    pub(super) fn seen() -> Self {
        DONE.get()
    }

    /// Notes that an answer waits for something of the server's own.
    pub(super) fn waits() {
        DONE.set(Self { waited: true, ..DONE.get() });
    }

    fn gives() {
        DONE.set(Self { gave: true, ..DONE.get() });
    }
}

/// A body, part by small part. Its request is under way until it is dropped.
pub(super) struct Sliced {
    body: Body,
    rest: Bytes,
    /// Whether the last byte of each part goes by itself. Over HTTP/2 a part is taken whole as soon as its reader has
    /// room for one byte, and then nothing waits for the rest of it; for the last byte something does.
    is_last_apart: bool,
    _busy: Busy,
}

impl Sliced {
    pub(super) fn new(body: Body, is_last_apart: bool, busy: Busy) -> Self {
        Self { body, rest: Bytes::new(), is_last_apart, _busy: busy }
    }

    fn slice(&mut self) -> Frame<Bytes> {
        Done::gives();
        let size = match self.rest.len() {
            len if len > SLICE => SLICE,
            len if self.is_last_apart && len > 1 => len - 1,
            len => len,
        };
        Frame::data(self.rest.split_to(size))
    }
}

impl hyper::body::Body for Sliced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.slice())));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                Done::waits();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    self.slice()
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
