//! Connections of HTTP/2 that are shared, each with no more streams than its server allows.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{PingPong, Reason, RecvStream};
use http::Request;
use http::response::Parts;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::connect::{Socket, failed};
use super::origin::{IDLE, Origin, Use};
use super::pulse::Pulse;
use super::way::Failed;
use crate::error::{Error, Result};
use crate::http::client::CONNECT_TIMEOUT;

/// The most streams of one connection where its server allows more: they share its fate.
const MOST: usize = 250;

/// A shared connection.
#[derive(Debug)]
pub(super) struct Shard {
    sender: SendRequest<Bytes>,
    /// Places that are taken, and how many were ever.
    taken: AtomicUsize,
    uses: AtomicUsize,
    /// Told when the last place was left.
    idle: Arc<Notify>,
    /// It ended, is about to, or may be dead: nothing new goes out on it.
    closed: AtomicBool,
    pulse: Arc<Pulse>,
}

impl Use {
    /// What one answer, and what a whole connection may have under way, in bytes.
    fn windows(self) -> (u32, u32) {
        match self {
            Self::Polls => (1 << 20, 16 << 20),
            // So much for the connection that a stream nobody reads never stops its neighbours
            // (defect 9).
            Self::Streams => (256 << 10, 1 << 30),
        }
    }
}

impl Shard {
    /// Opens one, and waits until the server has said how many streams it allows.
    ///
    /// # Errors
    /// `ERR_CONNECTION`.
    pub(super) async fn open(socket: Socket, purpose: Use, origin: &Arc<Origin>) -> Result<Arc<Self>> {
        let (stream_window, connection_window) = purpose.windows();
        let (sender, mut connection) = Builder::new()
            .initial_window_size(stream_window)
            .initial_connection_window_size(connection_window)
            // None before it has said: that is how it shows.
            .initial_max_send_streams(0)
            .enable_push(false)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(broken)?;
        match timeout(CONNECT_TIMEOUT, settled(&mut connection)).await {
            Ok(said) => said?,
            Err(elapsed) => return Err(failed().with_source(elapsed)),
        }
        let idle = Arc::new(Notify::new());
        let shard = Arc::new(Self {
            sender,
            taken: AtomicUsize::new(0),
            uses: AtomicUsize::new(0),
            idle: idle.clone(),
            closed: AtomicBool::new(false),
            pulse: Arc::new(Pulse::new()),
        });
        let pings = connection.ping_pong();
        tokio::spawn(drive(connection, pings, idle, Arc::downgrade(&shard), Arc::downgrade(origin)));
        Ok(shard)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.taken.load(Ordering::Acquire) == 0
    }

    /// How many places were ever taken.
    pub(super) fn uses(&self) -> usize {
        self.uses.load(Ordering::Acquire)
    }

    /// How many places there are. The server may change its mind.
    pub(super) fn room(&self) -> usize {
        self.sender.current_max_send_streams().min(MOST)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// A place, if one is free. Called under the origin's lock.
    pub(super) fn place(self: &Arc<Self>, origin: &Arc<Origin>) -> Option<Place> {
        if !self.is_open() || self.taken.load(Ordering::Acquire) >= self.room() {
            return None;
        }
        self.taken.fetch_add(1, Ordering::AcqRel);
        self.uses.fetch_add(1, Ordering::AcqRel);
        Some(Place { shard: self.clone(), origin: Arc::downgrade(origin), body: None })
    }
}

/// Ready when the server has said how many streams it allows: at least one.
async fn settled(connection: &mut Connection<TokioIo<Socket>, Bytes>) -> Result<()> {
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(failed().with_source("the connection was closed again at once"))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(broken(error))),
        Poll::Pending if connection.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Lets the connection read and write, and lets go of it when nobody used it for long.
async fn drive(
    mut connection: Connection<TokioIo<Socket>, Bytes>,
    pings: Option<PingPong>,
    idle: Arc<Notify>,
    shard: Weak<Shard>,
    origin: Weak<Origin>,
) {
    let Some(pulse) = shard.upgrade().map(|shard| shard.pulse.clone()) else { return };
    let is_used = || shard.upgrade().is_some_and(|shard| !shard.is_idle());
    let mut dead = pin!(pulse.found_dead(pings, is_used));
    loop {
        tokio::select! {
            // First: what has come while this process stood still is read before it is judged.
            biased;
            // Whoever waits on it hears of an error.
            _ = &mut connection => break,
            // And of the connection's end, as it is dropped.
            () = &mut dead => break,
            () = idle.notified() => {}
        }
        let Some(uses) = shard.upgrade().map(|shard| shard.uses()) else { continue };
        tokio::select! {
            biased;
            _ = &mut connection => break,
            () = &mut dead => break,
            () = sleep(IDLE) => {}
        }
        if let (Some(shard), Some(origin)) = (shard.upgrade(), origin.upgrade()) {
            origin.forget(&shard, uses);
        }
    }
    if let Some(shard) = shard.upgrade() {
        shard.close();
    }
}

/// A place on a shared connection: room for one stream at a time.
#[derive(Debug)]
pub(super) struct Place {
    shard: Arc<Shard>,
    origin: Weak<Origin>,
    /// The rest of the present answer.
    body: Option<RecvStream>,
}

impl Place {
    /// Whether another request can go out: the answer was read to its end, nobody closed, and the
    /// server allows as many streams as before.
    pub(super) fn is_open(&self) -> bool {
        self.shard.is_open() && self.body.is_none() && self.shard.taken.load(Ordering::Acquire) <= self.shard.room()
    }

    /// Nothing new goes out on this connection.
    pub(super) fn abandon(&self) {
        self.shard.close();
    }

    /// Sends `request`; the headers of its answer.
    pub(super) async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, Failed> {
        if !self.shard.pulse.is_alive().await {
            self.shard.close();
            return Err(Failed { unsent: true, error: failed().with_source("the connection was dead") });
        }
        let sender = self.shard.sender.clone();
        let answer = match sender.ready().await {
            Ok(mut sender) => sender.send_request(*request, true).map(|(answer, _)| answer),
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => answer.await,
            // It is closing: the request never went out.
            Err(error) => {
                self.shard.close();
                return Err(Failed { unsent: true, error: broken(error) });
            }
        };
        match answer {
            Ok(answer) => {
                self.shard.pulse.hear();
                let (parts, body) = answer.into_parts();
                self.body = Some(body);
                Ok(parts)
            }
            Err(error) => {
                // A server that goes away names the last request it saw; these came after it.
                let unsent =
                    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
                if !error.is_reset() {
                    self.shard.close();
                }
                Err(Failed { unsent, error: broken(error) })
            }
        }
    }

    /// The next bytes of the answer, `None` at its end. The server may send as many more only now.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        let body = self.body.as_mut()?;
        match body.data().await {
            Some(Ok(bytes)) => {
                self.shard.pulse.hear();
                // An error means that the stream is over, which the next chunk tells.
                let _ = body.flow_control().release_capacity(bytes.len());
                Some(Ok(bytes))
            }
            Some(Err(error)) => Some(Err(broken(error))),
            None => {
                self.body = None;
                None
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The stream first: the place is free when nothing of it is under way.
        self.body = None;
        if self.shard.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shard.idle.notify_one();
        }
        if let Some(origin) = self.origin.upgrade() {
            origin.left();
        }
    }
}

fn broken(error: h2::Error) -> Error {
    failed().with_source(error)
}
