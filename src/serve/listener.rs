//! A listener: connections, their limits, and how they end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
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
    let listener = TcpListener::bind((host, port)).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
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
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    // A connection that does not end in time is dropped with the set.
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, drained).await;
}

async fn serve_connection<F, R>(stream: TcpStream, stop: CancellationToken, bounds: Bounds, respond: F)
where
    F: Fn(hyper::Request<Incoming>) -> R,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    // A long-poll's small answer must not wait for Nagle; an error here only costs time.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(bounds.header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .max_header_list_size(u32::try_from(bounds.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(IDLE);
    let connection = builder.serve_connection(TokioIo::new(stream), service_fn(respond));
    tokio::pin!(connection);
    tokio::select! {
        // A client that goes away mid-answer is no event for the server.
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
