//! The listener on 127.0.0.1: connections, their limits, and how they end.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::routes::{self, Context};
use crate::error::{Error, Result};

/// An idle connection, or one that does not send its headers, is closed after this. The
/// server's own `Keep-Alive: timeout=65`.
const IDLE: Duration = Duration::from_secs(65);
/// The most a request's headers may take, in bytes.
const HEADER_BYTES: usize = 64 * 1024;
/// The most requests at once on one HTTP/2 connection: as common proxies cap it.
const STREAMS: u32 = 128;
/// How long a stopping server waits for answers under way.
const GRACE: Duration = Duration::from_secs(1);
/// The wait after a failed `accept` (too many open files, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds 127.0.0.1.
///
/// # Errors
/// `ERR_EMULATOR_PORT` when the port is taken.
pub(super) async fn bind(port: u16) -> Result<(TcpListener, SocketAddr)> {
    let refuse = |error: std::io::Error| {
        Error::config("ERR_EMULATOR_PORT", format!("the emulator cannot listen on 127.0.0.1:{port}: is it taken?"))
            .with_source(error)
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
}

/// Serves until `context.stop`, then lets answers under way finish. Dropping the future ends
/// every connection at once.
pub(super) async fn serve(listener: TcpListener, context: Arc<Context>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, context.clone()));
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

async fn serve_connection(stream: TcpStream, context: Arc<Context>) {
    // A long-poll's small answer must not wait for Nagle; an error here only costs time.
    let _ = stream.set_nodelay(true);
    let stop: CancellationToken = context.stop.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let context = context.clone();
        async move { routes::respond(&context, request).await }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(IDLE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that goes away mid-answer is no event for the emulator.
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
