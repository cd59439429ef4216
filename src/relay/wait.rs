//! Requests passed through whose own viewers are waited for: for more of a body, or to read on. Where no more may be under
//! way, the one that is waited for longest makes way: nobody keeps the others out by doing nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::limits::{Digest, Gate};
use crate::lock::lock;
use crate::serve::Body;

/// For so long a viewer may be waited for, however many others come.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who is waited for, the longest first.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: u64,
    waits: BTreeMap<u64, (Instant, Arc<Wait>)>,
}

impl Line {
    fn enter(&mut self, wait: &Arc<Wait>) {
        if wait.place.load(Relaxed) == 0 && !wait.is_over() {
            self.last += 1;
            wait.place.store(self.last, Relaxed);
            self.waits.insert(self.last, (Instant::now(), wait.clone()));
        }
    }

    pub(super) fn leave(&mut self, wait: &Wait) {
        self.waits.remove(&wait.place.swap(0, Relaxed));
    }

    /// Takes out whoever is waited for longest, and for long enough.
    pub(super) fn evict(&mut self) -> Option<Arc<Wait>> {
        let first = self.waits.first_entry().filter(|first| first.get().0.elapsed() >= PATIENCE)?;
        let (_, wait) = first.remove();
        wait.place.store(0, Relaxed);
        wait.is_over.store(true, Relaxed);
        Some(wait)
    }
}

/// A request passed through, and whether its viewer is waited for. What it holds in `Gate` is changed under its lock.
pub(crate) struct Wait {
    gate: Arc<Gate>,
    pub(super) token: Digest,
    place: AtomicU64,
    is_over: AtomicBool,
    over: CancellationToken,
    /// Whether the server answered: from then on it is about reading.
    is_answered: AtomicBool,
    /// The rest of an answer, while its viewer does not read.
    unread: Mutex<Option<Body>>,
}

impl Wait {
    pub(super) fn new(gate: Arc<Gate>, token: Digest) -> Arc<Self> {
        Arc::new(Self {
            gate,
            token,
            place: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            over: CancellationToken::new(),
            is_answered: AtomicBool::new(false),
            unread: Mutex::default(),
        })
    }

    /// Whether it made way.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    /// Ends it, whatever it waits for.
    pub(super) fn end(&self) {
        self.over.cancel();
        drop(self.take());
    }

    /// More of a request's body is waited for, or not.
    fn set_sending(self: &Arc<Self>, is_waiting: bool) {
        let mut state = self.gate.state();
        match (self.is_answered.load(Relaxed), is_waiting) {
            (true, _) => {}
            (false, true) => state.line.enter(self),
            (false, false) => state.line.leave(self),
        }
    }

    fn park(self: &Arc<Self>, unread: Body) {
        *lock(&self.unread) = Some(unread);
        self.gate.state().line.enter(self);
        if self.is_over() {
            drop(self.take());
        }
    }

    fn go_on(&self) -> Option<Body> {
        self.gate.state().line.leave(self);
        self.take()
    }

    fn take(&self) -> Option<Body> {
        lock(&self.unread).take()
    }

    /// A request's body: its viewer is waited for while nothing of it comes.
    pub(super) fn sent(self: &Arc<Self>, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let over = Box::pin(self.over.clone().cancelled_owned());
        Sent { body, over, wait: self.clone() }.boxed_unsync()
    }

    /// An answer's body: its viewer is waited for while nothing more of it is asked for.
    pub(super) fn read(self: &Arc<Self>, body: Body) -> Body {
        self.set_sending(false);
        self.is_answered.store(true, Relaxed);
        if body.is_end_stream() {
            return body;
        }
        let mut read = Read { wait: self.clone(), is_end: false, hint: SizeHint::new() };
        read.park(body);
        read.boxed_unsync()
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

fn made_way() -> io::Error {
    io::Error::other("it made way to another")
}

struct Sent {
    body: Body,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    wait: Arc<Wait>,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.wait.set_sending(polled.is_pending());
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(made_way())));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.wait.set_sending(false);
    }
}

struct Read {
    wait: Arc<Wait>,
    is_end: bool,
    hint: SizeHint,
}

impl Read {
    fn park(&mut self, body: Body) {
        (self.is_end, self.hint) = (body.is_end_stream(), body.size_hint());
        self.wait.park(body);
    }
}

impl hyper::body::Body for Read {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end {
            return Poll::Ready(None);
        }
        let Some(mut body) = self.wait.go_on().filter(|_| !self.wait.is_over()) else {
            return Poll::Ready(Some(Err(made_way())));
        };
        let polled = Pin::new(&mut body).poll_frame(cx);
        match &polled {
            // The server is what is waited for.
            Poll::Pending => *lock(&self.wait.unread) = Some(body),
            Poll::Ready(Some(Ok(_))) => self.park(body),
            Poll::Ready(None | Some(Err(_))) => self.is_end = true,
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.is_end
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        self.wait.go_on();
    }
}
