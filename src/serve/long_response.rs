//! A response over HTTP/1.1 that lasts for minutes and is nearly always silent. hyper parses its request, and the connection
//! then sends it without hyper, which would keep 16 KiB of buffers for it all the while: more than all else that such a
//! connection needs.

use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, DATE, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Response, Version};
use hyper::body::Body as _;
use tokio::io::AsyncWrite as _;

use super::connection_io::{ConnectionIo, InFlight};
use super::response::Body;
use crate::lock::lock;

/// Up to this length, in bytes, a chunk is copied behind its frame, so that it goes out by a plain write.
const MAX_COPIED: usize = 4_096;
/// How many parts of a body one poll sends at most: the connections of other clients have their turn then.
const PARTS_PER_POLL: usize = 16;
/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A long response that the connection is to send.
pub(super) struct LongResponse {
    response: Response<Body>,
    /// Its request counts as in flight until this is dropped.
    _in_flight: InFlight,
}

/// Where a request's handler leaves a long response for its connection.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<LongResponse>>>);

impl Handover {
    pub(super) fn leave(&self, response: Response<Body>, in_flight: InFlight) {
        *lock(&self.0) = Some(LongResponse { response, _in_flight: in_flight });
    }

    /// The long response, once all that hyper wrote before it was sent.
    pub(super) fn take(&self, io: &ConnectionIo) -> Option<LongResponse> {
        let mut left = lock(&self.0);
        if left.is_some() && !io.is_flushed() {
            return None;
        }
        left.take()
    }
}

/// Whether the response to a request may be sent without hyper: nothing but its body depends on how HTTP/1.1 goes on.
pub(super) fn may_last_long(version: Version, method: &Method, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11
        && *method != Method::HEAD
        && !headers.contains_key(EXPECT)
        // A client that says anything but that it keeps the connection is left to hyper.
        && headers.get_all(CONNECTION).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
}

impl LongResponse {
    /// Sends it to its end. The connection can serve other requests then.
    ///
    /// # Errors
    /// The body broke off, or the connection did: either way it has to be closed.
    pub(super) async fn send(self, io: &ConnectionIo) -> io::Result<()> {
        let (head, mut body) = self.response.into_parts();
        let mut unsent = Unsent { head: head_text(&head).into(), ..Unsent::default() };
        let mut is_over = false;
        poll_fn(|cx| {
            for _ in 0..PARTS_PER_POLL {
                ready!(unsent.poll_write(io, cx))?;
                if is_over {
                    return Pin::new(&mut io.clone()).poll_flush(cx);
                }
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => unsent.push(frame.into_data().unwrap_or_default()),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => {
                        is_over = true;
                        unsent.end = LAST_CHUNK;
                    }
                    Poll::Pending => {
                        if let Poll::Ready(flushed) = Pin::new(&mut io.clone()).poll_flush(cx) {
                            flushed?;
                        }
                        return Poll::Pending;
                    }
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

/// The head of a response whose body is sent in chunks.
fn head_text(head: &http::response::Parts) -> Vec<u8> {
    let mut text = Vec::with_capacity(1_024);
    let status = head.status;
    text.extend_from_slice(b"HTTP/1.1 ");
    text.extend_from_slice(status.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.extend_from_slice(b"\r\n");
    let mut line = |name: &[u8], value: &[u8]| {
        for part in [name, b": ", value, b"\r\n"] {
            text.extend_from_slice(part);
        }
    };
    for (name, value) in &head.headers {
        line(name.as_str().as_bytes(), value.as_bytes());
    }
    if !head.headers.contains_key(DATE) {
        line(DATE.as_str().as_bytes(), httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    }
    line(TRANSFER_ENCODING.as_str().as_bytes(), b"chunked");
    text.extend_from_slice(b"\r\n");
    text
}

/// What is not sent yet: the frame of a chunk, with the data of a short one; the data of a long one; and what ends that.
#[derive(Default)]
struct Unsent {
    head: Bytes,
    data: Bytes,
    end: &'static [u8],
}

impl Unsent {
    /// One chunk, after what was sent. No empty one, which would end the body.
    fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        let is_copied = data.len() <= MAX_COPIED;
        let mut head = Vec::with_capacity(if is_copied { data.len() + 8 } else { 16 });
        // Writing into a Vec cannot fail.
        let _ = write!(head, "{:x}\r\n", data.len());
        if is_copied {
            head.extend_from_slice(&data);
            head.extend_from_slice(b"\r\n");
            self.head = head.into();
        } else {
            (self.head, self.data, self.end) = (head.into(), data, b"\r\n");
        }
    }

    fn poll_write(&mut self, io: &ConnectionIo, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.head.is_empty() && self.data.is_empty() && self.end.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let slices = [IoSlice::new(&self.head), IoSlice::new(&self.data), IoSlice::new(self.end)];
            let mut io = io.clone();
            let mut written = if self.data.is_empty() && self.end.is_empty() {
                ready!(Pin::new(&mut io).poll_write(cx, &self.head))?
            } else {
                ready!(Pin::new(&mut io).poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            for part in [&mut self.head, &mut self.data] {
                let taken = written.min(part.len());
                part.advance(taken);
                written -= taken;
                if part.is_empty() {
                    // Nothing that was sent is kept.
                    *part = Bytes::new();
                }
            }
            self.end = self.end.get(written..).unwrap_or_default();
        }
    }
}
