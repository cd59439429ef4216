//! One connection: which HTTP it speaks, and how it ends.

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
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::Body;
use super::listener::{GRACE, Room};
use super::reading::Reading;
use super::sliced::{Done, Sliced};
use super::upload::Upload;
use super::wire::{Busy, Wire};
use crate::http::KEEPALIVE;
#[cfg(target_os = "linux")]
use crate::http::UNHEARD;

/// What is buffered of HTTP/1.1, each way, in bytes.
const BUFFER: usize = 64 * 1024;
/// What HTTP/2 begins with: its preface, and the head of a frame.
const BEGINNING: u64 = 24 + 9;

/// What the system waits for a client longer than an answer does: by then the answer was dropped, and counted.
#[cfg(target_os = "linux")]
const SLACK: Duration = Duration::from_secs(5);

/// Closes a connection however it ends.
struct Closing(Wire);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Serves one connection to its end.
pub(super) async fn serve_connection<F, R>(stream: TcpStream, stop: CancellationToken, room: Arc<Room>, respond: F)
where
    F: Fn(hyper::Request<Upload>) -> R,
    R: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    // A long-poll's small answer must not wait for Nagle; an error here only costs time.
    let _ = stream.set_nodelay(true);
    watch(&stream, room.bounds.times.unread);
    let closing = Closing(Wire::new(stream, room.clone()));
    let wire = &closing.0;
    let serving = async {
        // A client that goes away is no event for the server.
        let Some(is_http2) = protocol(wire, &room, &stop).await else { return };
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let busy = wire.begin();
            let request = detached(request).map(|body| Upload::new(body, wire));
            let version = request.version();
            Answering { respond: Box::pin(respond(request)), under_way: Some((busy, wire.clone())), version }
        });
        if is_http2 {
            let mut builder = http2::Builder::new(Reading::new(room.clone()));
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(room.bounds.streams)
                .max_header_list_size(u32::try_from(room.bounds.header_bytes).unwrap_or(u32::MAX))
                .keep_alive_interval(room.bounds.times.idle);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(wire.clone()), service));
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.cancelled() => {}
                begun = idle(wire, &room) => if !begun { return },
            }
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GRACE, connection).await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(room.bounds.times.idle)
                .max_header_size(room.bounds.header_bytes)
                .max_buf_size(BUFFER.max(room.bounds.header_bytes));
            let mut connection = pin!(builder.serve_connection(TokioIo::new(wire.clone()), service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
    };
    let mut serving = pin!(serving);
    poll_fn(|cx| wire.poll_serving(cx, serving.as_mut())).await;
}

/// Has the system find out that a client vanished without a word, as one does that lost its network: whoever is told little
/// or nothing would be held for a quarter of an hour. An error here only costs that.
pub(super) fn watch(stream: &TcpStream, unread: Duration) {
    let socket = SockRef::from(stream);
    let (idle, interval, retries) = KEEPALIVE;
    let probes = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(retries);
    let _ = socket.set_tcp_keepalive(&probes);
    // It holds for a client that takes nothing, too, whose own time comes first.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNHEARD.max(unread.saturating_add(SLACK))));
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
}

/// Which HTTP a client speaks; `None` where it leaves, says nothing for too long, or the server stops.
async fn protocol(wire: &Wire, room: &Room, stop: &CancellationToken) -> Option<bool> {
    let times = room.bounds.times;
    let late = async {
        sleep(times.head).await;
        // Whoever said something began.
        if wire.came() == 0 {
            sleep(times.idle.saturating_sub(times.head)).await;
        }
    };
    tokio::select! {
        is_http2 = poll_fn(|cx| wire.poll_protocol(cx)) => is_http2.ok(),
        () = late => None,
        () = stop.cancelled() => None,
    }
}

/// Waits until an HTTP/2 connection was idle for too long; whether it ever began.
async fn idle(wire: &Wire, room: &Room) -> bool {
    let times = room.bounds.times;
    sleep(times.head).await;
    if wire.came() < BEGINNING {
        return false;
    }
    loop {
        match wire.idle_since().map(|since| since + times.idle) {
            Some(due) if due <= tokio::time::Instant::now() => return true,
            Some(due) => sleep_until(due).await,
            None => sleep(times.idle).await,
        }
    }
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

/// One request's answer, until it is given.
struct Answering<R> {
    respond: Pin<Box<R>>,
    /// Until then.
    under_way: Option<(Busy, Wire)>,
    version: Version,
}

impl<R: Future<Output = io::Result<Response<Body>>>> Future for Answering<R> {
    type Output = io::Result<Response<Sliced>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(answer) = self.respond.as_mut().poll(cx) else {
            Done::waits();
            return Poll::Pending;
        };
        let Some((busy, wire)) = self.under_way.take() else { return Poll::Pending };
        let is_http2 = self.version == Version::HTTP_2;
        Poll::Ready(answer.map(|mut answer| {
            if !is_http2 && wire.cut_short() {
                answer.headers_mut().remove("keep-alive");
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer.map(|body| Sliced::new(body, is_http2, busy))
        }))
    }
}
