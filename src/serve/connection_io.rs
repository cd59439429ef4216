//! The socket of one connection, with its timeouts: how long a request's head may take, and how long a response may stay
//! unread. It also detects a disconnect while HTTP/1.1 does not read.

mod shutdown;

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::idle::Evict;
use super::listener_state::ListenerState;
use super::transport::Transport;
use crate::lock::lock;

/// The first bytes of HTTP/2's preface. No method of HTTP/1.1 begins like this.
const PREFACE: &[u8; 4] = b"PRI ";
/// How many bytes are read ahead while a request is answered, for pipelined requests. A client that sends more is
/// disconnected.
const MAX_READ_AHEAD: usize = 16 * 1024;

/// How many bytes one poll of the connection reads, about, before it yields to the others: some frames cost much work
/// per byte.
const READ_BUDGET: usize = 8 * 1024;

/// A timer, while it is armed.
type Timer = Option<Pin<Box<Sleep>>>;

/// One connection's socket. A clone is the same connection.
#[derive(Clone)]
pub(super) struct ConnectionIo(Arc<Mutex<State>>);

struct State {
    stream: Transport,
    listener: Arc<ListenerState>,
    /// The bytes that were read to detect the protocol, and how many of them are left.
    prefix: ([u8; PREFACE.len()], usize),
    /// The bytes that were read while HTTP did not read.
    read_ahead: Vec<u8>,
    /// How many bytes were received.
    received: u64,
    /// How many of the received bytes were given to HTTP in the current poll.
    read_in_poll: usize,
    is_http1: bool,
    /// Whether HTTP waits for bytes.
    is_reading: bool,
    is_at_end: bool,
    /// Armed when the first byte of a request's head is received.
    header_timeout: Timer,
    /// Armed when the socket takes no more bytes, with how many it had taken then.
    send_timeout: Option<(u64, Pin<Box<Sleep>>)>,
    /// How many requests are in flight.
    requests: usize,
    idle_since: Instant,
    /// The connection's key in the listener's list of idle connections.
    idle_key: Option<u64>,
    /// Whether a request's body was not read to its end yet.
    is_receiving_body: bool,
    /// Whether bytes of a rejected body may still arrive.
    has_rejected_body: bool,
    /// Armed when the write half was shut down.
    linger_timeout: Timer,
    is_evicted: bool,
    /// Whether HTTP/1.1 had nothing left to send at some time since the last request began.
    is_flushed: bool,
    waker: Option<Waker>,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(ConnectionIo);

impl ConnectionIo {
    pub(super) fn new(stream: Transport, listener: Arc<ListenerState>) -> Self {
        listener.counts.enter();
        let io = Self(Arc::new(Mutex::new(State {
            stream,
            listener: listener.clone(),
            prefix: Default::default(),
            read_ahead: Vec::new(),
            received: 0,
            read_in_poll: 0,
            is_http1: false,
            is_reading: false,
            is_at_end: false,
            header_timeout: None,
            send_timeout: None,
            requests: 0,
            idle_since: Instant::now(),
            idle_key: None,
            is_receiving_body: false,
            has_rejected_body: false,
            linger_timeout: None,
            is_evicted: false,
            is_flushed: false,
            waker: None,
        })));
        let key = listener.idle.insert(io.0.clone());
        io.state().idle_key = Some(key);
        io
    }

    /// The connection ended: it counts no longer.
    pub(super) fn close(&self) {
        let (key, listener) = {
            let mut state = self.state();
            (state.idle_key.take(), state.listener.clone())
        };
        listener.counts.leave();
        if let Some(key) = key {
            listener.idle.remove(key);
        }
    }

    /// Polls the HTTP connection. Ready when the HTTP connection ended, when this connection was evicted, and when the
    /// client disconnected while HTTP/1.1 does not read.
    pub(super) fn poll_serving<F: Future>(&self, cx: &mut Context<'_>, serving: Pin<&mut F>) -> Poll<()> {
        {
            let mut state = self.state();
            if state.is_evicted {
                return Poll::Ready(());
            }
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            state.is_reading = false;
            state.read_in_poll = 0;
        }
        if serving.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.state().poll_disconnected(cx)
    }

    /// Does the TLS handshake.
    pub(super) fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().stream.poll_handshake(cx)
    }

    /// Detects HTTP/2 by its preface. The bytes that this reads are given to the first reader together with those that
    /// follow: hyper would double its buffer for two pieces, on every connection.
    pub(super) fn poll_protocol(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut state = self.state();
        loop {
            let State { stream, prefix: (bytes, len), received, .. } = &mut *state;
            if bytes[..*len] != PREFACE[..*len] {
                state.is_http1 = true;
                state.start_header_timeout();
                return Poll::Ready(Ok(false));
            }
            if *len == PREFACE.len() {
                return Poll::Ready(Ok(true));
            }
            let mut buf = ReadBuf::new(&mut bytes[*len..]);
            ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            if read == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            *len += read;
            *received += read as u64;
        }
    }

    /// Counts a request as in flight until the returned guard is dropped.
    pub(super) fn start_request(&self) -> InFlight {
        let mut state = self.state();
        state.requests += 1;
        state.is_flushed = false;
        state.header_timeout = None;
        if let Some(key) = state.idle_key.take() {
            state.listener.idle.remove(key);
        }
        drop(state);
        InFlight(self.clone())
    }

    /// Whether HTTP/1.1 had nothing left to send at some time since the last request began: hyper flushes the socket only
    /// then.
    pub(super) fn is_flushed(&self) -> bool {
        self.state().is_flushed
    }

    /// Gives bytes back that were received after a request: the next reader gets them first.
    pub(super) fn unread(&self, bytes: &[u8]) {
        self.state().read_ahead.splice(..0, bytes.iter().copied());
    }

    pub(super) fn set_receiving_body(&self, is_receiving_body: bool) {
        self.state().is_receiving_body = is_receiving_body;
    }

    /// Whether the response is sent before the request's body was read. Then the response must close the connection, and
    /// the rest of the body is read and dropped for a while: closed in the middle of it, the system would send a reset,
    /// and the client would lose the response.
    pub(super) fn reject_unread_body(&self) -> bool {
        let mut state = self.state();
        state.has_rejected_body |= state.is_receiving_body;
        state.is_receiving_body
    }

    /// How many bytes were received.
    pub(super) fn received(&self) -> u64 {
        self.state().received
    }

    /// The time since which no request is in flight; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.requests == 0).then_some(state.idle_since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl Evict for Mutex<State> {
    fn evict(&self, key: u64) {
        let mut state = lock(self);
        // The connection received a request after it was chosen, so it is no longer idle.
        if state.idle_key != Some(key) {
            return;
        }
        state.idle_key = None;
        state.is_evicted = true;
        state.listener.counts.evict();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        if state.requests == 0 {
            state.idle_since = Instant::now();
            let key = state.listener.idle.insert(self.0.0.clone());
            state.idle_key = Some(key);
        }
    }
}

impl State {
    fn start_header_timeout(&mut self) {
        if self.is_http1 && self.requests == 0 && self.header_timeout.is_none() {
            self.header_timeout = Some(Box::pin(sleep(self.listener.bounds.timeouts.header)));
        }
    }

    /// Reads ahead while HTTP/1.1 does not read, up to [`MAX_READ_AHEAD`]: a disconnect is seen only behind the bytes
    /// that were sent before it.
    fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_http1 || self.is_reading || self.is_receiving_body || self.is_at_end || self.requests == 0 {
            return Poll::Pending;
        }
        loop {
            if self.read_ahead.len() >= MAX_READ_AHEAD {
                return Poll::Ready(());
            }
            let mut bytes = [0; 1024];
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.read_ahead.extend_from_slice(buf.filled()),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Moves buffered bytes to `buf`, as many as fit.
    fn take_buffered(&mut self, buf: &mut ReadBuf<'_>) {
        let (bytes, len) = &mut self.prefix;
        let fits = (*len).min(buf.remaining());
        buf.put_slice(&bytes[..fits]);
        bytes.copy_within(fits..*len, 0);
        *len -= fits;
        let fits = self.read_ahead.len().min(buf.remaining());
        if fits > 0 {
            buf.put_slice(&self.read_ahead[..fits]);
            self.read_ahead.drain(..fits);
            if self.read_ahead.is_empty() {
                self.read_ahead = Vec::new();
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_in_poll >= READ_BUDGET {
            self.is_reading = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        self.take_buffered(buf);
        let buffered = buf.filled().len();
        let polled = if self.prefix.1 == 0 && self.read_ahead.is_empty() && buf.remaining() > 0 {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            Poll::Ready(Ok(()))
        };
        self.received += (buf.filled().len() - buffered) as u64;
        self.read_in_poll += buf.filled().len() - before;
        let has_any = buf.filled().len() > before;
        if has_any {
            self.start_header_timeout();
            return Poll::Ready(Ok(()));
        }
        match polled {
            Poll::Ready(read) => {
                self.is_at_end |= read.is_ok() && buf.remaining() > 0;
                Poll::Ready(read)
            }
            Poll::Pending => {
                self.is_reading = true;
                match &mut self.header_timeout {
                    Some(timeout) => timeout.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
                    None => Poll::Pending,
                }
            }
        }
    }

    /// Applies the send timeout to the result of a write or flush. Where the socket takes no byte for that long it fails,
    /// which ends the connection. TLS takes more than it has sent.
    fn with_send_timeout<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.send_timeout = self.send_timeout.take().filter(|_| self.stream.has_unsent());
            return polled;
        }
        let (span, sent) = (self.listener.bounds.timeouts.send, self.stream.sent());
        self.send_timeout = self.send_timeout.take().filter(|(before, _)| *before == sent);
        let (_, timeout) = self.send_timeout.get_or_insert_with(|| (sent, Box::pin(sleep(span))));
        ready!(timeout.as_mut().poll(cx));
        if self.requests > 0 {
            self.listener.counts.count_send_timeout();
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.state().poll_read(cx, buf)
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let polled = Pin::new(&mut state.stream).poll_write(cx, bytes);
        state.with_send_timeout(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let polled = Pin::new(&mut state.stream).poll_write_vectored(cx, slices);
        state.with_send_timeout(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let polled = Pin::new(&mut state.stream).poll_flush(cx);
        state.is_flushed |= polled.is_ready();
        state.with_send_timeout(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().poll_shutdown(cx)
    }
}

impl fmt::Debug for ConnectionIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionIo").finish_non_exhaustive()
    }
}
