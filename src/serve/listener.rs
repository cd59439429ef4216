//! A listener: connections, their limits, and how they end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use http::{HeaderValue, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::Body;
use crate::error::{Error, Result};

/// An idle connection, or one that does not send its headers, is closed after this. The
/// server's own `Keep-Alive: timeout=65`.
const IDLE: Duration = Duration::from_secs(65);
/// The most a request's headers may take, in bytes.
const HEADER_BYTES: usize = 64 * 1024;
/// The most requests at once on one HTTP/2 connection: as common proxies cap it.
pub(crate) const STREAMS: u32 = 128;
/// hyper takes no smaller one, in bytes.
const LEAST_BUFFER: usize = 8_192;
/// How long a stopping server waits for answers under way.
const GRACE: Duration = Duration::from_secs(1);
/// How HTTP/2 begins; no method of HTTP/1.1 does.
const PREFACE: &[u8; 4] = b"PRI ";
/// How often a connection that began with less is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How many connections may wait to be accepted: every viewer comes back at once after a deploy. The system may have a
/// lower bound of its own.
const BACKLOG: u32 = 4_096;
/// The wait after a failed `accept` (too many open files, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a connection may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most requests at once on one HTTP/2 connection.
    pub(crate) streams: u32,
    /// The most a request's headers may take, in bytes; at least 8,192 over HTTP/1.1.
    pub(crate) header_bytes: usize,
}

/// Binds `host`, an address, at `port`; 0 is any free one.
///
/// # Errors
/// `code` when it cannot: the port is taken, or the address is not one of this machine's.
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
    F: Fn(hyper::Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    serve_within(listener, stop, Bounds { streams: STREAMS, header_bytes: HEADER_BYTES }, respond).await;
}

/// Serves until `stop`, then lets answers under way finish. Dropping the future ends every connection at once.
///
/// `respond` answers one request; its error ends the connection.
pub(crate) async fn serve_within<F, R>(listener: TcpListener, stop: CancellationToken, bounds: Bounds, respond: F)
where
    F: Fn(hyper::Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, stop.clone(), bounds, respond.clone()));
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

/// The same request with texts of its own. As they come they are parts of the connection's buffer, of which a held
/// request would keep a second one alive: for thousands of them that is most of the memory.
fn detached(mut request: hyper::Request<Incoming>) -> hyper::Request<Incoming> {
    for value in request.headers_mut().values_mut() {
        // A value that was one is one.
        let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        own.set_sensitive(value.is_sensitive());
        *value = own;
    }
    if let Ok(own) = request.uri().to_string().parse() {
        *request.uri_mut() = own;
    }
    request
}

async fn serve_connection<F, R>(stream: TcpStream, stop: CancellationToken, bounds: Bounds, respond: F)
where
    F: Fn(hyper::Request<Incoming>) -> R,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    // A long-poll's small answer must not wait for Nagle; an error here only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(detached(request)));
    let is_http2 = tokio::select! {
        is_http2 = timeout(IDLE, speaks_http2(&stream)) => is_http2,
        () = stop.cancelled() => return,
    };
    // A client that goes away is no event for the server.
    match is_http2 {
        Ok(Ok(true)) => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(bounds.streams)
                .max_header_list_size(u32::try_from(bounds.header_bytes).unwrap_or(u32::MAX))
                .keep_alive_interval(IDLE);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
        Ok(Ok(false)) => {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .max_buf_size(bounds.header_bytes.max(LEAST_BUFFER));
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Whether a client begins as HTTP/2 does. Nothing is taken: what a library's own look takes would come to HTTP/1.1 in
/// two pieces, and double the buffer of every connection.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut start).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if start[..seen] != PREFACE[..seen] {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        // What was seen stays readable: only time can bring more.
        sleep(LOOK).await;
    }
}
