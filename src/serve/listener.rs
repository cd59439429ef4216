//! A listener: it binds an address, accepts connections up to a limit, and drains them on stop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::bounds::{Bounds, GRACE};
use super::connection::serve_connection;
use super::counts::Counts;
use super::listener_state::ListenerState;
use super::request_body::RequestBody;
use super::response::Body;
use super::tls_identity::TlsIdentity;
use crate::error::{Error, ErrorCode, Result};

/// How many connections may wait to be accepted: all viewers reconnect at once after a deploy. The system may have a lower
/// limit of its own.
const BACKLOG: u32 = 4_096;
/// The pause after a failed `accept`, such as for too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The response to a connection beyond the limit.
const REFUSED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\n\
    retry-after: 1\r\ncontent-length: 32\r\nconnection: close\r\n\r\n{\"error\":\"Too many connections\"}";

/// Binds `host`, an address, at `port`; 0 is any free one.
///
/// # Errors
/// `code` when it cannot: the port is taken, or the address is not one of this machine's.
#[allow(clippy::unused_async, reason = "binding needs a runtime, which a caller that awaits has")]
pub(crate) async fn bind(host: IpAddr, port: u16, code: ErrorCode) -> Result<(TcpListener, SocketAddr)> {
    let refuse = |error: io::Error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken: choose another one, or 0 for any",
            io::ErrorKind::PermissionDenied => "this process may not use that port: choose one from 1024 on",
            _ => "is it an address of this machine?",
        };
        let address = SocketAddr::new(host, port);
        Error::new(code, format!("cannot listen on {address}: {what}")).with_source(error)
    };
    let listener = listening(SocketAddr::new(host, port)).map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port whose last connections are in TIME_WAIT can be bound again. Windows gives the option another meaning: there
    // it would let two processes share the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves with the default bounds, see [`serve_within`].
pub(crate) async fn serve<F, R>(listener: TcpListener, stop: CancellationToken, respond: F)
where
    F: Fn(hyper::Request<RequestBody>) -> R + Clone + Send + Unpin + 'static,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    serve_within(listener, stop, (Bounds::default(), None), Arc::default(), respond).await;
}

/// Serves until `stop`, then gives the responses in flight [`GRACE`] to finish. Dropping the future ends every connection
/// at once.
///
/// With `tls` every connection begins with a handshake. `respond` answers one request. Its error ends the connection.
pub(crate) async fn serve_within<F, R>(
    listener: TcpListener,
    stop: CancellationToken,
    (bounds, tls): (Bounds, Option<TlsIdentity>),
    counts: Arc<Counts>,
    respond: F,
) where
    F: Fn(hyper::Request<RequestBody>) -> R + Clone + Send + Unpin + 'static,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    let state = Arc::new(ListenerState::new(bounds, counts, tls));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if state.has_capacity() => {
                    connections.spawn(serve_connection(stream, stop.clone(), state.clone(), respond.clone()));
                }
                Ok((stream, _)) => {
                    state.counts.refuse();
                    // To a client of TLS an answer would cost a handshake: it is closed without one.
                    if state.tls.is_none() && state.start_refusal() {
                        connections.spawn(refuse(stream, state.clone()));
                    }
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    // Connections that do not end within the grace period are dropped with the set.
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(GRACE, drained).await;
}

/// Answers a connection 503. Its request is read for a while: closed with unread bytes, the system would send a reset, and
/// the client would lose the response.
async fn refuse(mut stream: TcpStream, state: Arc<ListenerState>) {
    let refuse = async {
        stream.write_all(REFUSED).await?;
        stream.shutdown().await?;
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).await? > 0 {}
        io::Result::Ok(())
    };
    // The client may have disconnected already.
    let _ = timeout(state.bounds.timeouts.linger, refuse).await;
    state.end_refusal();
}
