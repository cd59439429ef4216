//! A listener against clients that exhaust resources: raw bytes, with timeouts short enough for tests.

use std::future::{pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::bounds::{Bounds, Timeouts};
use super::connection::{detect_dead_peer, serve_connection};
use super::counts::Counts;
use super::listener::{bind, serve_within};
use super::listener_state::ListenerState;
use super::request_body::RequestBody;
use super::response::Body;
use crate::error::ErrorCode;
use crate::serving::Panics;

const SOON: Duration = Duration::from_millis(100);
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn quick() -> Bounds {
    let timeouts = Timeouts { idle: 3 * SOON, handshake: SOON, header: SOON, send: SOON, linger: LONG };
    Bounds { timeouts, ..Bounds::default() }
}

struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    /// One item for each request that ended without a response.
    left: mpsc::UnboundedReceiver<()>,
    stop: CancellationToken,
    _panics: Panics,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Reports on drop that a request ended.
struct EndOnDrop(mpsc::UnboundedSender<()>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// `/hold` gets no response, `/large` 16 MiB, `/refuse` a response before its body is read, any other path `ok`.
async fn answer(request: hyper::Request<RequestBody>, on_end: EndOnDrop) -> io::Result<Response<Body>> {
    match request.uri().path() {
        "/hold" => {
            let _on_end = on_end;
            pending().await
        }
        "/large" => Ok(whole(StatusCode::OK, vec![b'x'; 16 << 20])),
        "/refuse" => Ok(whole(StatusCode::PAYLOAD_TOO_LARGE, "no")),
        _ => {
            let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
            Ok(whole(StatusCode::OK, [b"ok ", &body[..]].concat()))
        }
    }
}

async fn start(bounds: Bounds) -> Server {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
    let (tell, left) = mpsc::unbounded_channel();
    let panics = Panics::default();
    let guard = panics.guard();
    tokio::spawn(serve_within(listener, stop.clone(), (bounds, None), counts.clone(), move |request| {
        let (answered, guard) = (answer(request, EndOnDrop(tell.clone())), guard.clone());
        async move {
            let _guard = guard;
            answered.await
        }
    }));
    Server { address, counts, left, stop, _panics: panics }
}

impl Server {
    async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.expect("a connection");
        client.write_all(bytes).await.expect("room");
        client
    }
}

/// Reads to the end of the connection; a reset is an end, too.
async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 << 10];
    while let Ok(read @ 1..) = timeout(LONG, client.read(&mut part)).await.expect("in time") {
        bytes.extend_from_slice(&part[..read]);
    }
    bytes
}

async fn first(client: &mut TcpStream) -> String {
    let mut part = vec![0; 4096];
    let read = timeout(LONG, client.read(&mut part)).await.expect("in time").expect("bytes");
    String::from_utf8_lossy(&part[..read]).into_owned()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HTTP/2's preface, and a window of so many bytes for each stream.
fn hello(window: u32) -> Vec<u8> {
    [PREFACE, &frame(4, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat()), &frame(4, 1, 0, &[])].concat()
}

/// A GET without a body.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("short");
    // `:method GET` and `:scheme http` of the static table, then `:authority` and `:path` as literals.
    let block = [&[0x82, 0x86, 0x01, 1, b'x', 0x04, length][..], path.as_bytes()].concat();
    frame(1, 5, stream, &block)
}

/// The types of the frames in `bytes`, with their streams.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut seen = Vec::new();
    while let [a, b, c, kind, _, d, e, f, g, after @ ..] = bytes {
        let size = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        seen.push((*kind, u32::from_be_bytes([*d, *e, *f, *g])));
        bytes = after.get(size..).unwrap_or_default();
    }
    seen
}

#[tokio::test]
async fn whoever_only_begins_is_let_go() {
    let server = start(quick()).await;
    let half_settings = [PREFACE, &[0, 0, 6, 4]].concat();
    let half_headers = [hello(100), vec![0, 1, 0, 1, 4, 0, 0, 0, 1, 0]].concat();
    let beginnings: [&[u8]; 9] =
        [b"", b"P", b"PRI ", &PREFACE[..23], PREFACE, &half_settings, &half_headers, b"G", b"GET / HTTP/1.1\r\nhost"];
    let mut clients = Vec::new();
    for bytes in beginnings {
        clients.push(server.connect(bytes).await);
    }
    for client in &mut clients {
        // Whatever the server answers, the connection ends.
        rest(client).await;
    }
    drop(clients);
    until("all places are free", || server.counts.connections() == 0).await;
    assert_eq!(server.counts.peak(), 9);
}

#[tokio::test]
async fn a_connection_that_sent_one_byte_is_not_looked_at_again() {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let (stream, _) = listener.accept().await.expect("a connection");
    let serving = serve_connection(stream, CancellationToken::new(), Arc::new(ListenerState::default()), |_| async {
        Ok(whole(StatusCode::OK, ""))
    });
    let (mut serving, mut polls) = (pin!(serving), 0);
    client.write_all(b"P").await.expect("room");
    let counted = poll_fn(|cx| {
        polls += 1;
        serving.as_mut().poll(cx)
    });
    timeout(4 * SOON, counted).await.expect_err("it is waited for the rest");
    assert!(polls <= 4, "{polls} wake-ups");
}

#[tokio::test]
async fn a_connection_that_is_sent_much_at_once_lets_the_others_have_their_turn() {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let (stream, _) = listener.accept().await.expect("a connection");
    // Frames of an unknown type, and a ping behind them.
    let flood = frame(0x77, 0, 0, &[]).repeat(12_000);
    client.write_all(&[hello(1_000), flood, frame(6, 0, 0, &[0; 8])].concat()).await.expect("room");
    let serving = serve_connection(stream, CancellationToken::new(), Arc::new(ListenerState::default()), |_| async {
        Ok(whole(StatusCode::OK, ""))
    });
    let (mut serving, mut turns) = (pin!(serving), 0);
    let counted = poll_fn(|cx| {
        turns += 1;
        serving.as_mut().poll(cx)
    });
    let answered = async {
        let mut bytes = Vec::new();
        while !frames(&bytes).contains(&(6, 0)) {
            bytes.push(client.read_u8().await.expect("a byte"));
        }
    };
    tokio::select! {
        () = counted => panic!("it goes on"),
        answered = timeout(LONG, answered) => answered.expect("in time"),
    }
    assert!(turns >= 6, "{turns} turns");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_vanishes_without_a_word_is_found_dead_by_the_system() {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let _client = TcpStream::connect(address).await.expect("a connection");
    let (stream, _) = listener.accept().await.expect("a connection");
    let socket = socket2::SockRef::from(&stream);
    for (unread, unheard) in [(1, 30), (30, 35), (600, 605)] {
        detect_dead_peer(&stream, Duration::from_secs(unread));
        // The send timeout comes first: a client that only pauses is not disconnected.
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(Duration::from_secs(unheard)));
    }
    assert!(socket.keepalive().expect("an option"));
    let (idle, interval) = (socket.tcp_keepalive_time(), socket.tcp_keepalive_interval());
    let probes = socket.tcp_keepalive_retries().expect("an option");
    assert!(idle.expect("an option") + interval.expect("an option") * probes <= Duration::from_secs(30));
}

#[tokio::test]
async fn a_large_answer_that_is_not_read_is_dropped() {
    let server = start(quick()).await;
    let mut client = server.connect(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until("it is dropped", || server.counts.send_timeouts() == 1).await;
    assert!(rest(&mut client).await.len() < 16 << 20, "not all of it came");
}

#[tokio::test]
async fn answers_over_http2_that_are_not_read_are_dropped_however_small_the_window() {
    for (window, path) in [(0, "/"), (1, "/"), (0, "/large"), (1, "/large"), (20_000, "/large")] {
        let server = start(quick()).await;
        let mut client = server.connect(&hello(window)).await;
        for stream in [1, 3, 5] {
            client.write_all(&get(stream, path)).await.expect("room");
        }
        until("they are dropped", || server.counts.send_timeouts() == 3).await;
        let seen = frames(&rest(&mut client).await);
        for stream in [1, 3, 5] {
            assert!(seen.contains(&(3, stream)), "a reset of {stream} with a window of {window}, {path}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_over_http2_that_is_read_slowly_is_not_dropped() {
    let mut bounds = quick();
    bounds.timeouts.send = 10 * SOON;
    let server = start(bounds).await;
    let mut client = server.connect(&[hello(1_000), get(1, "/large")].concat()).await;
    for _ in 0..15 {
        sleep(SOON).await;
        // The window grows by one more frame.
        let more = 16_384_u32.to_be_bytes();
        client.write_all(&[frame(8, 0, 1, &more), frame(8, 0, 0, &more)].concat()).await.expect("room");
    }
    assert_eq!(server.counts.send_timeouts(), 0);
}

#[tokio::test]
async fn more_streams_than_one_connection_may_have_are_refused() {
    let server = start(Bounds { streams: 2, ..quick() }).await;
    let mut client = server.connect(&hello(1_000)).await;
    for stream in [1, 3, 5] {
        client.write_all(&get(stream, "/hold")).await.expect("room");
    }
    let mut bytes = Vec::new();
    while !frames(&bytes).contains(&(3, 5)) {
        let mut part = [0; 1024];
        let read = timeout(LONG, client.read(&mut part)).await.expect("in time").expect("bytes");
        assert_ne!(read, 0, "it goes on");
        bytes.extend_from_slice(&part[..read]);
    }
}

#[tokio::test]
async fn a_refusal_reaches_whoever_is_still_sending() {
    let server = start(quick()).await;
    let body = vec![b'x'; 4 << 20];
    for _ in 0..10 {
        let mut client = server.connect(b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 4194304\r\n\r\n").await;
        client.write_all(&body).await.expect("it is read on");
        let answer = rest(&mut client).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close") && !answer.contains("keep-alive"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_left_is_seen_behind_bytes_that_nobody_wants_yet() {
    let mut server = start(quick()).await;
    for behind in ["", "G", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let client = server.connect(format!("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n{behind}").as_bytes()).await;
        // Bytes of a later request are read ahead, too.
        sleep(SOON / 2).await;
        drop(client);
        timeout(LONG, server.left.recv()).await.expect("in time");
    }
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_turn_and_too_much_of_them_is_not_kept() {
    let mut server = start(quick()).await;
    let posts = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabcde".repeat(100);
    let last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut client = server.connect([&posts, last].concat().as_bytes()).await;
    let answers = rest(&mut client).await;
    assert_eq!(String::from_utf8_lossy(&answers).matches("ok abcde").count(), 100);

    let mut client = server.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // The bytes beyond the read-ahead.
    let _ = client.write_all(&vec![b'x'; 1 << 20]).await;
    timeout(LONG, server.left.recv()).await.expect("the request ends with its connection");
    rest(&mut client).await;
}

#[tokio::test]
async fn a_full_listener_lets_idle_connections_make_way_and_else_says_when_to_come_back() {
    let bounds =
        Bounds { connections: 2, timeouts: Timeouts { header: LONG, ..Timeouts::default() }, ..Bounds::default() };
    let server = start(bounds).await;
    let mut idle = server.connect(b"").await;
    let _held = server.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(SOON).await;
    let mut third = server.connect(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(first(&mut third).await.starts_with("HTTP/1.1 200"));
    assert!(rest(&mut idle).await.is_empty());
    // The third connection is idle now: a new one evicts it.
    let _held = server.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rest(&mut third).await;
    until("both are busy", || server.counts.connections() == 2 && server.counts.evicted() == 2).await;
    sleep(SOON).await;
    let mut refused = server.connect(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    refused.shutdown().await.expect("open");
    let answer = String::from_utf8(rest(&mut refused).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    assert_eq!((server.counts.refused(), server.counts.evicted()), (1, 2));
}

#[tokio::test]
async fn headers_over_the_bound_are_refused_over_either_protocol() {
    let server = start(Bounds { header_bytes: 4_096, ..quick() }).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(6_000));
    let mut client = server.connect(long.as_bytes()).await;
    assert!(first(&mut client).await.starts_with("HTTP/1.1 431"));
    // One long value, and 40 references to it.
    let value = [&[0x40, 6][..], b"x-long", &[0x7f, 0x81, 0x01], &[b'x'; 256]].concat();
    let block = [&[0x82, 0x86, 0x84, 0x01, 1, b'x'][..], &value, &[0xbe; 40]].concat();
    let mut client = server.connect(&[hello(1_000), frame(1, 5, 1, &block)].concat()).await;
    let bytes = rest(&mut client).await;
    let seen = frames(&bytes);
    assert!(seen.contains(&(1, 1)) && !seen.contains(&(0, 1)), "a head and nothing else: {seen:?}");
}

#[test]
fn a_connection_is_kept_for_longer_than_is_announced() {
    let answer = super::response::Response::empty(StatusCode::OK);
    let response = answer.into_http(&http::HeaderMap::new(), http::Version::HTTP_11);
    let announced = response.headers()["keep-alive"].to_str().expect("text").strip_prefix("timeout=").expect("a time");
    assert!(Duration::from_secs(announced.parse().expect("seconds")) < Timeouts::default().idle);
}

#[tokio::test]
async fn nine_hundred_connections_wait_to_be_accepted() {
    let (_unread, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let waiting = (0..900).map(|_| timeout(LONG, TcpStream::connect(address)));
    assert!(futures_util::future::join_all(waiting).await.iter().all(|waiting| matches!(waiting, Ok(Ok(_)))));
}
