//! Long responses over HTTP/1.1: as bytes of a connection that serves others before and after.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, StatusCode, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bounds::{Bounds, Timeouts};
use super::counts::Counts;
use super::listener::{bind, serve_within};
use super::request_body::RequestBody;
use super::response::{Body, Response};
use crate::error::ErrorCode;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    /// One item for each body that was dropped.
    left: mpsc::UnboundedReceiver<()>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Tells on drop that a body was dropped.
struct Left(mpsc::UnboundedSender<()>);

impl Drop for Left {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// `/ended` is a long response of two parts, `/broken` one that breaks off after the first, `/open` one of one part that
/// lasts, `/much` one without end. Any other path is answered `ok`.
fn answer(path: &str, left: Left, stop: CancellationToken) -> Response {
    let part = |text: &'static str| io::Result::Ok(Bytes::from_static(text.as_bytes()));
    let parts = match path {
        "/ended" => stream::iter(vec![part("first"), part(""), part("second")]).boxed(),
        "/broken" => stream::iter(vec![part("first"), Err(io::Error::other("broken"))]).boxed(),
        "/open" => stream::iter(vec![part("first")])
            .chain(stream::once(stop.cancelled_owned()).map(move |()| part("last")))
            .boxed(),
        "/much" => stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 1 << 20]))).boxed(),
        _ => return Response::text(StatusCode::OK, "ok"),
    };
    Response::events_live(parts.map(move |part| {
        let _ = &left;
        part
    }))
}

async fn start() -> Server {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
    let (tell, left) = mpsc::unbounded_channel();
    let bounds =
        Bounds { timeouts: Timeouts { send: Duration::from_millis(200), ..Timeouts::default() }, ..Bounds::default() };
    let stopped = stop.clone();
    let respond = move |request: hyper::Request<RequestBody>| {
        let answer = answer(request.uri().path(), Left(tell.clone()), stopped.clone());
        let response: http::Response<Body> = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
        async move { Ok(response) }
    };
    tokio::spawn(serve_within(listener, stop.clone(), (bounds, None), counts.clone(), respond));
    Server { address, counts, left, stop }
}

impl Server {
    async fn ask(&self, requests: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.expect("a connection");
        client.write_all(requests.as_bytes()).await.expect("room");
        client
    }

    async fn left(&mut self) {
        timeout(LONG, self.left.recv()).await.expect("in time").expect("a body");
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

/// Reads until the text ends so; to the end of the connection for `None`.
async fn read(client: &mut TcpStream, end: Option<&str>) -> String {
    let mut text = String::new();
    let mut part = vec![0; 4096];
    while !end.is_some_and(|end| text.ends_with(end)) {
        match timeout(LONG, client.read(&mut part)).await.expect("in time") {
            Ok(read @ 1..) => text.push_str(&String::from_utf8_lossy(&part[..read])),
            Ok(_) | Err(_) => break,
        }
    }
    text
}

const CHUNKS: &str = "\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_other_requests_before_and_after_a_long_response() {
    let server = start().await;
    let last = "GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let all = [&get("/"), &get("/ended"), &get("/"), &get("/ended"), &get("/ended"), last].concat();
    let text = read(&mut server.ask(&all).await, None).await;
    let answers: Vec<_> = text.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(answers.len(), 6, "{text}");
    for (index, answer) in answers.iter().enumerate() {
        assert!(answer.matches("date: ").count() == 1, "{answer}");
        if [1, 3, 4].contains(&index) {
            assert!(answer.ends_with(CHUNKS) && answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
            assert!(answer.contains("connection: keep-alive\r\n"), "{answer}");
        } else {
            assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_request_that_comes_amid_a_long_response_is_answered_after_it() {
    let mut server = start().await;
    let mut client = server.ask(&get("/open")).await;
    assert!(read(&mut client, Some("5\r\nfirst\r\n")).await.starts_with("HTTP/1.1 200 OK\r\n"));
    // The response ends as the server stops, and with it the connection.
    client.write_all(get("/").as_bytes()).await.expect("room");
    server.stop.cancel();
    assert_eq!(read(&mut client, None).await, "4\r\nlast\r\n0\r\n\r\n");
    server.left().await;
}

#[tokio::test]
async fn a_client_that_keeps_no_connection_gets_the_same() {
    let server = start().await;
    for (request, end) in [
        ("GET /ended HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", CHUNKS),
        ("GET /ended HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n", CHUNKS),
        ("GET /ended HTTP/1.0\r\n\r\n", "\r\n\r\nfirstsecond"),
    ] {
        let text = read(&mut server.ask(request).await, None).await;
        assert!(text.ends_with(end), "{text}");
    }
}

#[tokio::test]
async fn a_long_response_that_breaks_off_ends_the_connection_without_the_last_chunk() {
    let server = start().await;
    let text = read(&mut server.ask(&(get("/broken") + &get("/"))).await, None).await;
    assert!(text.ends_with("5\r\nfirst\r\n"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_long_response() {
    let mut server = start().await;
    let mut client = server.ask(&get("/open")).await;
    read(&mut client, Some("5\r\nfirst\r\n")).await;
    drop(client);
    server.left().await;
}

#[tokio::test]
async fn a_long_response_that_is_not_read_is_dropped_and_counted() {
    let mut server = start().await;
    let _unread = server.ask(&get("/much")).await;
    server.left().await;
    assert_eq!(server.counts.send_timeouts(), 1);
}
