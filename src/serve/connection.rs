//! One connection: its TLS handshake if any, then HTTP/1.1 or HTTP/2, whichever it begins with, and the idle timeout.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::bounds::GRACE;
use super::connection_io::{ConnectionIo, InFlight};
use super::listener_state::ListenerState;
use super::listener_stop::ListenerStop;
use super::long_response::{Handover, may_last_long};
use super::plain_peer::PlainPeer;
use super::read_deadline::ReadDeadlineExecutor;
use super::request_body::RequestBody;
use super::response::{Body, LastsLong};
use super::split_body::{Progress, SplitBody};
use super::transport::Transport;
use crate::http::KEEPALIVE;
#[cfg(target_os = "linux")]
use crate::http::TCP_USER_TIMEOUT;

/// The size of HTTP/1.1's read and write buffers, in bytes.
const BUFFER: usize = 64 * 1024;
/// The bytes of an HTTP/2 connection's start: the preface, and the header of the first frame.
const HTTP2_START: u64 = 24 + 9;

/// How much longer the system waits for a client than the send timeout: the response is dropped, and counted, first.
#[cfg(target_os = "linux")]
const SLACK: Duration = Duration::from_secs(5);

/// Counts a connection as closed, however it ends.
struct Closing(ConnectionIo);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Serves one connection to its end.
pub(super) async fn serve_connection<F, R>(
    stream: TcpStream,
    stop: CancellationToken,
    listener: Arc<ListenerState>,
    respond: F,
) where
    F: Fn(hyper::Request<RequestBody>) -> R + Unpin,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    // Nagle's algorithm would delay the small responses of long polls. An error here only costs time.
    let _ = stream.set_nodelay(true);
    detect_dead_peer(&stream, listener.bounds.timeouts.send);
    let peer = PlainPeer(stream.peer_addr().ok().map(|peer| peer.ip()));
    let is_plain = listener.tls.is_none();
    let closing = Closing(ConnectionIo::new(Transport::new(stream, listener.tls.as_ref()), listener.clone()));
    let io = &closing.0;
    let serving = async {
        if !is_plain && !handshake(io, &listener, &stop).await {
            return;
        }
        // A client that disconnects before its first request is no error.
        let Some(is_http2) = protocol(io, &listener, &stop).await else { return };
        let long = Handover::default();
        let handover = long.clone();
        let listener_stop = ListenerStop(stop.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let in_flight = io.start_request();
            let mut request = detached(request).map(|body| RequestBody::new(body, io));
            let version = request.version();
            request.extensions_mut().insert(listener_stop.clone());
            if is_plain && !is_http2 {
                request.extensions_mut().insert(peer);
            }
            let may_last_long = may_last_long(version, request.method(), request.headers());
            let handover = may_last_long.then(|| handover.clone());
            let respond = Box::pin(respond(request));
            Responding { respond, in_flight: Some((in_flight, io.clone())), version, handover }
        });
        if is_http2 {
            let mut builder = http2::Builder::new(ReadDeadlineExecutor::new(listener.clone()));
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(listener.bounds.streams)
                .max_header_list_size(u32::try_from(listener.bounds.header_bytes).unwrap_or(u32::MAX))
                .keep_alive_interval(listener.bounds.timeouts.idle);
            // Boxed, so that connections of HTTP/1.1 do not have its size.
            let mut connection = Box::pin(builder.serve_connection(TokioIo::new(io.clone()), service));
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.cancelled() => {}
                has_started = idle(io, &listener) => if !has_started { return },
            }
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GRACE, connection).await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(listener.bounds.timeouts.idle)
                .max_header_size(listener.bounds.header_bytes)
                .max_buf_size(BUFFER.max(listener.bounds.header_bytes));
            let mut stopped = pin!(stop.cancelled());
            let (mut is_stopping, mut service) = (false, service);
            loop {
                // Boxed, so that a long response does not keep its memory.
                let mut connection = Box::new(builder.serve_connection(TokioIo::new(io.clone()), service));
                let response = poll_fn(|cx| {
                    if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
                        is_stopping = true;
                        Pin::new(&mut *connection).graceful_shutdown();
                    }
                    if Pin::new(&mut *connection).poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    long.take(io).map_or(Poll::Pending, |response| Poll::Ready(Some(response)))
                });
                let Some(response) = response.await else { return };
                let parts = (*connection).into_parts();
                service = parts.service;
                io.unread(&parts.read_buf);
                drop(parts.read_buf);
                if response.send(io).await.is_err() {
                    return;
                }
                if is_stopping || stop.is_cancelled() {
                    let _ = poll_fn(|cx| Pin::new(&mut io.clone()).poll_shutdown(cx)).await;
                    return;
                }
            }
        }
    };
    let mut serving = pin!(serving);
    poll_fn(|cx| io.poll_serving(cx, serving.as_mut())).await;
}

/// Sets TCP keep-alive and the user timeout, so that the system closes the connection of a client that lost its network. A
/// quiet response would else be held for a quarter of an hour. An error here only costs that.
pub(super) fn detect_dead_peer(stream: &TcpStream, send_timeout: Duration) {
    let socket = SockRef::from(stream);
    let (idle, interval, retries) = KEEPALIVE;
    let probes = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(retries);
    let _ = socket.set_tcp_keepalive(&probes);
    // The user timeout also covers a client that does not read: the send timeout has to come first.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT.max(send_timeout.saturating_add(SLACK))));
    #[cfg(not(target_os = "linux"))]
    let _ = send_timeout;
}

/// Waits for the TLS handshake; false where it fails, takes too long, or the server stops.
async fn handshake(io: &ConnectionIo, listener: &ListenerState, stop: &CancellationToken) -> bool {
    let shaken = timeout(listener.bounds.timeouts.handshake, poll_fn(|cx| io.poll_handshake(cx)));
    stop.run_until_cancelled(shaken).await.is_some_and(|shaken| matches!(shaken, Ok(Ok(()))))
}

/// Whether the client speaks HTTP/2. `None` where it disconnects, sends nothing in time, or the server stops.
async fn protocol(io: &ConnectionIo, listener: &ListenerState, stop: &CancellationToken) -> Option<bool> {
    let timeouts = listener.bounds.timeouts;
    let late = async {
        sleep(timeouts.header).await;
        // A client that sent a byte has the header timeout, one that sent none the idle timeout.
        if io.received() == 0 {
            sleep(timeouts.idle.saturating_sub(timeouts.header)).await;
        }
    };
    tokio::select! {
        is_http2 = poll_fn(|cx| io.poll_protocol(cx)) => is_http2.ok(),
        () = late => None,
        () = stop.cancelled() => None,
    }
}

/// Waits until an HTTP/2 connection reached the idle timeout. False where it never sent a preface and a frame.
async fn idle(io: &ConnectionIo, listener: &ListenerState) -> bool {
    let timeouts = listener.bounds.timeouts;
    sleep(timeouts.header).await;
    if io.received() < HTTP2_START {
        return false;
    }
    loop {
        match io.idle_since().map(|since| since + timeouts.idle) {
            Some(due) if due <= tokio::time::Instant::now() => return true,
            Some(due) => sleep_until(due).await,
            None => sleep(timeouts.idle).await,
        }
    }
}

/// The same request with header values of its own. hyper's are slices of the connection's read buffer: a held request
/// would keep that buffer alive, and hyper would allocate a second one, most of the memory of thousands of long polls.
fn detached(mut request: hyper::Request<Incoming>) -> hyper::Request<Incoming> {
    for value in request.headers_mut().values_mut() {
        // The bytes came from a valid value.
        let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        own.set_sensitive(value.is_sensitive());
        *value = own;
    }
    if let Ok(own) = request.uri().to_string().parse() {
        *request.uri_mut() = own;
    }
    request
}

/// One request's handler, until its response is ready.
struct Responding<R> {
    respond: Pin<Box<R>>,
    /// `None` once the response was returned.
    in_flight: Option<(InFlight, ConnectionIo)>,
    version: Version,
    /// Where a response goes that the connection itself is to send; `None` where it may not.
    handover: Option<Handover>,
}

impl<R: Future<Output = io::Result<Response<Body>>>> Future for Responding<R> {
    type Output = io::Result<Response<SplitBody>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(response) = self.respond.as_mut().poll(cx) else {
            Progress::note_pending();
            return Poll::Pending;
        };
        let Some((in_flight, io)) = self.in_flight.take() else { return Poll::Pending };
        let is_http2 = self.version == Version::HTTP_2;
        let response = match (response, &self.handover) {
            (Ok(response), Some(handover))
                if response.extensions().get::<LastsLong>().is_some() && !io.reject_unread_body() =>
            {
                handover.leave(response, in_flight);
                return Poll::Pending;
            }
            (response, _) => response,
        };
        Poll::Ready(response.map(|mut response| {
            if !is_http2 && io.reject_unread_body() {
                response.headers_mut().remove("keep-alive");
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response.map(|body| SplitBody::new(body, is_http2, in_flight))
        }))
    }
}
