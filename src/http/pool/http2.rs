//! A shared connection of HTTP/2, which never carries more streams than its server allows.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{PingPong, Reason, RecvStream};
use http::Request;
use http::response::Parts;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::connect::Socket;
use super::error::{SendError, connection_error};
use super::liveness::Liveness;
use super::purpose::Purpose;
use crate::error::{Error, Result};
use crate::http::clients::MAX_HEADER_BYTES;
use crate::http::settings::CONNECT_TIMEOUT;
use crate::log::Span;

/// The most streams of one connection where its server allows more: they all fail with it.
const MAX_STREAMS: usize = 250;

/// How long a shared connection without streams is kept. The first request on one that was quiet
/// checks that it is alive.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A shared connection.
#[derive(Debug)]
pub(super) struct Http2Connection {
    sender: SendRequest<Bytes>,
    /// Permits that are held now, and that were ever given.
    held: AtomicUsize,
    given: AtomicUsize,
    /// Notified when the last permit is dropped.
    idle: Arc<Notify>,
    /// Notified when any permit is dropped: the one of the origin's waiters.
    available: Arc<Notify>,
    /// The connection ended, is about to, or may be dead: no new request goes out on it.
    closed: AtomicBool,
    liveness: Arc<Liveness>,
}

impl Http2Connection {
    /// Performs the handshake, and waits until the server has said how many streams it allows.
    ///
    /// `available` is notified of every dropped permit. `evict` is called with the connection, and the
    /// number of permits it had given, when it was idle for 30 s. `log` logs that it is open.
    ///
    /// # Errors
    /// `ERR_CONNECTION`.
    pub(super) async fn open(
        socket: Socket,
        purpose: Purpose,
        available: Arc<Notify>,
        evict: impl Fn(&Arc<Self>, usize) + Send + 'static,
        log: impl FnOnce() -> Span,
    ) -> Result<Arc<Self>> {
        let (stream_window, connection_window) = purpose.windows();
        let (sender, mut connection) = Builder::new()
            .initial_window_size(stream_window)
            .initial_connection_window_size(connection_window)
            // None, so that the first SETTINGS of the server show as a change.
            .initial_max_send_streams(0)
            .enable_push(false)
            .max_header_list_size(MAX_HEADER_BYTES)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(broken)?;
        match timeout(CONNECT_TIMEOUT, settled(&mut connection)).await {
            Ok(outcome) => outcome?,
            Err(elapsed) => return Err(connection_error().with_source(elapsed)),
        }
        let idle = Arc::new(Notify::new());
        let shared = Arc::new(Self {
            sender,
            held: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
            idle: idle.clone(),
            available,
            closed: AtomicBool::new(false),
            liveness: Arc::new(Liveness::new()),
        });
        let pings = connection.ping_pong();
        let (driver, log) = (drive(connection, pings, idle, Arc::downgrade(&shared), evict), log());
        tokio::spawn(async move {
            driver.await;
            log.end(None);
        });
        Ok(shared)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.held.load(Ordering::Acquire) == 0
    }

    /// How many permits were ever given.
    pub(super) fn given(&self) -> usize {
        self.given.load(Ordering::Acquire)
    }

    /// How many permits there are. The server may change its mind.
    pub(super) fn capacity(&self) -> usize {
        self.sender.current_max_send_streams().min(MAX_STREAMS)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// A permit, if one is left. Called under the origin's lock.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<StreamPermit> {
        if !self.is_open() || self.held.load(Ordering::Acquire) >= self.capacity() {
            return None;
        }
        self.held.fetch_add(1, Ordering::AcqRel);
        self.given.fetch_add(1, Ordering::AcqRel);
        Some(StreamPermit { connection: self.clone(), body: None })
    }
}

/// Ready when the server has said how many streams it allows: at least one.
async fn settled(connection: &mut Connection<TokioIo<Socket>, Bytes>) -> Result<()> {
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(Ok(())) => {
            Poll::Ready(Err(connection_error().with_source("the connection was closed again at once")))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(broken(error))),
        Poll::Pending if connection.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Lets the connection read and write until it ends or is found dead, and evicts it when it was idle
/// for long.
async fn drive(
    mut connection: Connection<TokioIo<Socket>, Bytes>,
    pings: Option<PingPong>,
    idle: Arc<Notify>,
    shared: Weak<Http2Connection>,
    evict: impl Fn(&Arc<Http2Connection>, usize),
) {
    let Some(liveness) = shared.upgrade().map(|shared| shared.liveness.clone()) else { return };
    let is_used = || shared.upgrade().is_some_and(|shared| !shared.is_idle());
    let mut dead = pin!(liveness.until_dead(pings, is_used));
    loop {
        tokio::select! {
            // In this order: bytes that arrived while the process was suspended are read before the
            // connection is found dead.
            biased;
            // The streams on it report its error,
            _ = &mut connection => break,
            // and its end, when it is dropped below.
            () = &mut dead => break,
            () = idle.notified() => {}
        }
        let Some(given) = shared.upgrade().map(|shared| shared.given()) else { continue };
        tokio::select! {
            biased;
            _ = &mut connection => break,
            () = &mut dead => break,
            () = sleep(MAX_IDLE) => {}
        }
        if let Some(shared) = shared.upgrade() {
            evict(&shared, given);
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.close();
    }
}

/// The right to one stream at a time on a shared connection.
#[derive(Debug)]
pub(super) struct StreamPermit {
    connection: Arc<Http2Connection>,
    /// The rest of the present response.
    body: Option<RecvStream>,
}

impl StreamPermit {
    /// Whether another request can go out: the last response was read to its end, the connection is
    /// open, and the server still allows as many streams.
    pub(super) fn is_open(&self) -> bool {
        let connection = &self.connection;
        connection.is_open() && self.body.is_none() && connection.held.load(Ordering::Acquire) <= connection.capacity()
    }

    /// Takes the whole connection out of use for new requests.
    pub(super) fn abandon(&self) {
        self.connection.close();
    }

    /// Sends `request` and waits for the head of its response.
    pub(super) async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, SendError> {
        if !self.connection.liveness.is_alive().await {
            self.connection.close();
            return Err(SendError { unsent: true, error: connection_error().with_source("the connection was dead") });
        }
        let sender = self.connection.sender.clone();
        let response = match sender.ready().await {
            Ok(mut sender) => sender.send_request(*request, true).map(|(response, _)| response),
            Err(error) => Err(error),
        };
        let response = match response {
            Ok(response) => response.await,
            // The connection is closing: the request never went out.
            Err(error) => {
                self.connection.close();
                return Err(SendError { unsent: true, error: broken(error) });
            }
        };
        match response {
            Ok(response) => {
                self.connection.liveness.received();
                let (parts, body) = response.into_parts();
                self.body = Some(body);
                Ok(parts)
            }
            Err(error) => {
                // GOAWAY names the last request that the server acted on; this one came later.
                let unsent =
                    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
                if !error.is_reset() {
                    self.connection.close();
                }
                Err(SendError { unsent, error: broken(error) })
            }
        }
    }

    /// The next bytes of the response, `None` at its end. Only now may the server send as many more.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        let body = self.body.as_mut()?;
        match body.data().await {
            Some(Ok(bytes)) => {
                self.connection.liveness.received();
                // An error means that the stream is over, which the next chunk reports.
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

impl Drop for StreamPermit {
    fn drop(&mut self) {
        // The stream ends first: the permit is free once nothing of the stream is under way.
        self.body = None;
        if self.connection.held.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.connection.idle.notify_one();
        }
        self.connection.available.notify_one();
    }
}

fn broken(error: h2::Error) -> Error {
    connection_error().with_source(error)
}
