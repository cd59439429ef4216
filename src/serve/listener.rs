//! A listener: connections, their limits, and how they end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::Body;
use super::connection::serve_connection;
use super::counts::Counts;
use super::idle::Idle;
use super::upload::Upload;
use crate::error::{Error, Result};

/// How long a stopping server waits for answers under way.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// How many connections may wait to be accepted: every viewer comes back at once after a deploy. The system may have a
/// lower bound of its own.
const BACKLOG: u32 = 4_096;
/// The wait after a failed `accept` (too many open files, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The most connections that are told at once that there is no room.
const REFUSING: usize = 256;
/// What they are told.
const REFUSED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\n\
    retry-after: 1\r\ncontent-length: 32\r\nconnection: close\r\n\r\n{\"error\":\"Too many connections\"}";

/// How much a listener takes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most connections of all listeners that share their counts. Beyond it the one that was idle for longest makes
    /// way, and where none is idle the new one is told 503.
    pub(crate) connections: usize,
    /// The most requests at once on one HTTP/2 connection.
    pub(crate) streams: u32,
    /// The most a request's headers may take, in bytes.
    pub(crate) header_bytes: usize,
    /// How long it waits.
    pub(crate) times: Times,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 60_000, streams: 1_000, header_bytes: 16 << 10, times: Times::default() }
    }
}

/// How long a listener waits for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// For a request, or for the next one. Answers announce the server's own 65 s (`Keep-Alive`): it is kept for longer,
    /// so that no request meets a connection that is closing.
    pub(crate) idle: Duration,
    /// For the rest of a request's head, or of what HTTP/2 begins with.
    pub(crate) head: Duration,
    /// For an answer to be read on.
    pub(crate) unread: Duration,
    /// For what still comes after an answer that ended the connection.
    pub(crate) linger: Duration,
}

impl Times {
    /// The default of [`Times::unread`].
    pub(crate) const UNREAD: Duration = Duration::from_secs(30);
}

impl Default for Times {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(75),
            head: Duration::from_secs(20),
            unread: Self::UNREAD,
            linger: Duration::from_secs(1),
        }
    }
}

/// What the connections of a listener share.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) bounds: Bounds,
    pub(super) counts: Arc<Counts>,
    pub(super) idle: Idle,
    refusing: AtomicUsize,
}

/// Binds `host`, an address, at `port`; 0 is any free one.
///
/// # Errors
/// `code` when it cannot: the port is taken, or the address is not one of this machine's.
#[allow(clippy::unused_async, reason = "it needs a runtime, which whoever awaits it has")]
pub(crate) async fn bind(host: IpAddr, port: u16, code: &'static str) -> Result<(TcpListener, SocketAddr)> {
    let refuse = |error: io::Error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken: choose another one, or 0 for any",
            io::ErrorKind::PermissionDenied => "this process may not use that port: choose one from 1024 on",
            _ => "is it an address of this machine?",
        };
        let address = SocketAddr::new(host, port);
        Error::config(code, format!("cannot listen on {address}: {what}")).with_source(error)
    };
    let listener = listening(SocketAddr::new(host, port)).map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Elsewhere than on Windows it means what is meant: a port whose last connections are still ending can be taken.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// [`serve_within`] the usual bounds.
pub(crate) async fn serve<F, R>(listener: TcpListener, stop: CancellationToken, respond: F)
where
    F: Fn(hyper::Request<Upload>) -> R + Clone + Send + 'static,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    serve_within(listener, stop, Bounds::default(), Arc::default(), respond).await;
}

/// Serves until `stop`, then lets answers under way finish. Dropping the future ends every connection at once.
///
/// `respond` answers one request; its error ends the connection.
pub(crate) async fn serve_within<F, R>(
    listener: TcpListener,
    stop: CancellationToken,
    bounds: Bounds,
    counts: Arc<Counts>,
    respond: F,
) where
    F: Fn(hyper::Request<Upload>) -> R + Clone + Send + 'static,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    let room = Arc::new(Room { bounds, counts, ..Room::default() });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if room.has_place() => {
                    connections.spawn(serve_connection(stream, stop.clone(), room.clone(), respond.clone()));
                }
                Ok((stream, _)) => {
                    room.counts.refuse();
                    if room.refusing.fetch_add(1, Relaxed) < REFUSING {
                        connections.spawn(refuse(stream, room.clone()));
                    } else {
                        room.refusing.fetch_sub(1, Relaxed);
                    }
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    // A connection that does not end in time is dropped with the set.
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(GRACE, drained).await;
}

impl Room {
    /// Whether there is a place for one connection more, or one that makes way.
    fn has_place(&self) -> bool {
        self.counts.connections() < self.bounds.connections || self.idle.evict()
    }
}

/// Tells a connection that there is no room. What it asks is read for a while: unread, it would take the answer back.
async fn refuse(mut stream: TcpStream, room: Arc<Room>) {
    let tell = async {
        stream.write_all(REFUSED).await?;
        stream.shutdown().await?;
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).await? > 0 {}
        io::Result::Ok(())
    };
    // It may be gone already.
    let _ = timeout(room.bounds.times.linger, tell).await;
    room.refusing.fetch_sub(1, Relaxed);
}
