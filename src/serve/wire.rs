//! The bytes of one connection, and the clocks on them: how long a request's head may take, and how long nothing may be
//! read of an answer. It also sees a client leave while nobody reads.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::listener::Room;
use crate::lock::lock;

/// How HTTP/2 begins; no method of HTTP/1.1 does.
const PREFACE: &[u8; 4] = b"PRI ";
/// How many bytes may follow a request before it is answered: the next ones. Whoever sends more is let go.
const AHEAD: usize = 16 * 1024;

/// How many bytes are read of a connection in one turn, about, before the others have theirs: what some clients send is
/// much work for few bytes.
const TURN: usize = 8 * 1024;

/// A timer that runs where it is wanted only.
type Timer = Option<Pin<Box<Sleep>>>;

/// One connection's bytes. A clone is the same connection.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Line>>);

struct Line {
    stream: TcpStream,
    room: Arc<Room>,
    /// What was read to tell the protocol.
    start: ([u8; PREFACE.len()], usize),
    /// What was read while nobody wanted it.
    ahead: Vec<u8>,
    /// Bytes that came.
    came: u64,
    /// Of those, in this turn.
    turn: usize,
    is_http1: bool,
    /// Whether HTTP waits for bytes.
    is_reading: bool,
    is_at_end: bool,
    /// Since a request's head began.
    head: Timer,
    /// Since nothing more could be written.
    stalled: Timer,
    /// Requests under way.
    requests: usize,
    idle_since: Instant,
    /// Its place in the line of the idle ones.
    place: Option<u64>,
    /// Whether a request's body was not read to its end.
    is_uploading: bool,
    /// Whether bytes may come yet that nobody reads.
    is_cut_short: bool,
    /// Since the end of what is written was told.
    lingering: Timer,
    is_evicted: bool,
    waker: Option<Waker>,
}

/// A request that is under way until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Wire);

impl Wire {
    pub(super) fn new(stream: TcpStream, room: Arc<Room>) -> Self {
        room.counts.enter();
        let wire = Self(Arc::new(Mutex::new(Line {
            stream,
            room: room.clone(),
            start: Default::default(),
            ahead: Vec::new(),
            came: 0,
            turn: 0,
            is_http1: false,
            is_reading: false,
            is_at_end: false,
            head: None,
            stalled: None,
            requests: 0,
            idle_since: Instant::now(),
            place: None,
            is_uploading: false,
            is_cut_short: false,
            lingering: None,
            is_evicted: false,
            waker: None,
        })));
        let place = room.idle.enter(wire.clone());
        wire.line().place = Some(place);
        wire
    }

    /// The connection is over: it takes no room any more.
    pub(super) fn close(&self) {
        let (place, room) = {
            let mut line = self.line();
            (line.place.take(), line.room.clone())
        };
        room.counts.leave();
        if let Some(place) = place {
            room.idle.leave(place);
        }
    }

    /// Ends it, so that another gets its place.
    pub(super) fn evict(&self, place: u64) {
        let mut line = self.line();
        // It was asked for something meanwhile.
        if line.place != Some(place) {
            return;
        }
        line.place = None;
        line.is_evicted = true;
        line.room.counts.evict();
        if let Some(waker) = line.waker.take() {
            waker.wake();
        }
    }

    /// Polls what serves the connection, and ends with it, or when the connection has to make way, or when the client is
    /// gone though bytes of it are left that nobody wants yet.
    pub(super) fn poll_serving<F: Future>(&self, cx: &mut Context<'_>, serving: Pin<&mut F>) -> Poll<()> {
        {
            let mut line = self.line();
            if line.is_evicted {
                return Poll::Ready(());
            }
            if !line.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                line.waker = Some(cx.waker().clone());
            }
            line.is_reading = false;
            line.turn = 0;
        }
        if serving.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.line().poll_gone(cx)
    }

    /// Whether a client begins as HTTP/2 does. What is read for it is given to whoever reads first, together with what
    /// follows: in two pieces it would double the buffer of every connection.
    pub(super) fn poll_protocol(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut line = self.line();
        loop {
            let Line { stream, start: (bytes, len), came, .. } = &mut *line;
            if bytes[..*len] != PREFACE[..*len] {
                line.is_http1 = true;
                line.head_began();
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
            *came += read as u64;
        }
    }

    /// A request came, and is under way until what is returned is dropped.
    pub(super) fn begin(&self) -> Busy {
        let mut line = self.line();
        line.requests += 1;
        line.head = None;
        if let Some(place) = line.place.take() {
            line.room.idle.leave(place);
        }
        drop(line);
        Busy(self.clone())
    }

    pub(super) fn set_uploading(&self, is_uploading: bool) {
        self.line().is_uploading = is_uploading;
    }

    /// Whether a request's body is not read yet. Then the answer ends the connection, and what still comes is read for a
    /// while and dropped: an end in the middle of it would take the answer back.
    pub(super) fn cut_short(&self) -> bool {
        let mut line = self.line();
        line.is_cut_short |= line.is_uploading;
        line.is_uploading
    }

    /// How many bytes came.
    pub(super) fn came(&self) -> u64 {
        self.line().came
    }

    /// Since when there is no request under way.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let line = self.line();
        (line.requests == 0).then_some(line.idle_since)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.0)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.requests -= 1;
        if line.requests == 0 {
            line.idle_since = Instant::now();
            let place = line.room.idle.enter(self.0.clone());
            line.place = Some(place);
        }
    }
}

impl Line {
    fn head_began(&mut self) {
        if self.is_http1 && self.requests == 0 && self.head.is_none() {
            self.head = Some(Box::pin(sleep(self.room.bounds.times.head)));
        }
    }

    /// Reads on while HTTP does not, up to [`AHEAD`]: the end of what comes is seen behind the bytes before it alone.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_http1 || self.is_reading || self.is_uploading || self.is_at_end || self.requests == 0 {
            return Poll::Pending;
        }
        loop {
            if self.ahead.len() >= AHEAD {
                return Poll::Ready(());
            }
            let mut bytes = [0; 1024];
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.ahead.extend_from_slice(buf.filled()),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// What was read before, as far as it fits.
    fn take_kept(&mut self, buf: &mut ReadBuf<'_>) {
        let (bytes, len) = &mut self.start;
        let fits = (*len).min(buf.remaining());
        buf.put_slice(&bytes[..fits]);
        bytes.copy_within(fits..*len, 0);
        *len -= fits;
        let fits = self.ahead.len().min(buf.remaining());
        if fits > 0 {
            buf.put_slice(&self.ahead[..fits]);
            self.ahead.drain(..fits);
            if self.ahead.is_empty() {
                self.ahead = Vec::new();
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.turn >= TURN {
            self.is_reading = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        self.take_kept(buf);
        let kept = buf.filled().len();
        let polled = if self.start.1 == 0 && self.ahead.is_empty() && buf.remaining() > 0 {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            Poll::Ready(Ok(()))
        };
        self.came += (buf.filled().len() - kept) as u64;
        self.turn += buf.filled().len() - before;
        let has_any = buf.filled().len() > before;
        if has_any {
            self.head_began();
            return Poll::Ready(Ok(()));
        }
        match polled {
            Poll::Ready(read) => {
                self.is_at_end |= read.is_ok() && buf.remaining() > 0;
                Poll::Ready(read)
            }
            Poll::Pending => {
                self.is_reading = true;
                match &mut self.head {
                    Some(head) => head.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
                    None => Poll::Pending,
                }
            }
        }
    }

    /// What became of a write. One that gets no byte further for long ends the connection: nobody reads what it holds.
    fn written(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let unread = self.room.bounds.times.unread;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(unread)));
        ready!(stalled.as_mut().poll(cx));
        if self.requests > 0 {
            self.room.counts.drop_unread();
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Tells the end of what is written. Where bytes may come yet they are dropped for a while: were they left, the system
    /// would reset the connection, and the client lose what it was just told.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if self.is_at_end || !(self.is_cut_short || self.head.is_some()) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = self.room.bounds.times.linger;
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(sleep(linger)));
        if lingering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.line().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut line = self.line();
        let polled = Pin::new(&mut line.stream).poll_write(cx, bytes);
        line.written(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut line = self.line();
        let polled = Pin::new(&mut line.stream).poll_write_vectored(cx, slices);
        line.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is kept here.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line().poll_shutdown(cx)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
