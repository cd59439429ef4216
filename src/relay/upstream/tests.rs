//! Requests and answers through the client, against a server that records what reached it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Outbound, SendError, Timeouts, break_off_on, fetch, send};
use crate::error::ErrorCode;
use crate::serve::{Body, RequestBody, listener};
use crate::serving::{Panics, Serving, serving};

/// A request that reached the server.
pub(in crate::relay) struct Seen {
    pub(in crate::relay) path: String,
    pub(in crate::relay) headers: HeaderMap,
    body: Bytes,
}

/// A server that answers every request with `status`, hop-by-hop headers, and the request's body.
pub(in crate::relay) struct Server {
    pub(in crate::relay) url: String,
    seen: mpsc::UnboundedReceiver<Seen>,
    stop: CancellationToken,
    _panics: Panics,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    pub(in crate::relay) async fn start(status: u16) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let localhost = std::net::Ipv4Addr::LOCALHOST.into();
        let (listener, address) = listener::bind(localhost, 0, ErrorCode::RelayPort).await.expect("a port");
        let (tell, seen) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let panics = Panics::default();
        let guard = panics.guard();
        tokio::spawn(listener::serve(listener, stop.clone(), move |request: hyper::Request<RequestBody>| {
            let (tell, guard) = (tell.clone(), guard.clone());
            async move {
                let _guard = guard;
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let path = head.uri.to_string();
                tell.send(Seen { path, headers: head.headers, body: body.clone() }).map_err(io::Error::other)?;
                let response = Response::builder()
                    .status(status)
                    .header("set-cookie", "a=1")
                    .header("alt-svc", "h3=\":443\"")
                    .header("content-encoding", "gzip")
                    .header("location", "/elsewhere")
                    .header("retry-after", "9")
                    .header("access-control-allow-origin", "https://app.example")
                    .body(Full::new(body).map_err(|never| match never {}).boxed_unsync());
                response.map_err(io::Error::other)
            }
        }));
        Self { url: format!("http://{address}"), seen, stop, _panics: panics }
    }

    fn request(&self, path: &str) -> Outbound {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer viewer".parse().expect("a value"));
        headers.insert("accept-encoding", "br".parse().expect("a value"));
        Outbound { method: Method::POST, url: format!("{}{path}", self.url), headers, timeouts: Timeouts::VIEWER }
    }

    pub(in crate::relay) async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("a request")
    }

    /// How many further requests reached it.
    pub(in crate::relay) fn more(&mut self) -> usize {
        std::iter::from_fn(|| self.seen.try_recv().ok()).count()
    }
}

fn parts(parts: &'static [&'static str]) -> Body {
    let parts = parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes()))));
    StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync()
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_and_the_answer_comes_back_as_it_is() {
    let mut server = Server::start(302).await;
    let answer = send(server.request("/api/v1/tasks/a%20b/trigger?x=%2F"), parts(&["ab", "", "c"]), 3).await;
    let answer = answer.expect("an answer");
    let seen = server.next().await;
    assert_eq!((seen.path.as_str(), &seen.body[..]), ("/api/v1/tasks/a%20b/trigger?x=%2F", &b"abc"[..]));
    assert_eq!(seen.headers["authorization"], "Bearer viewer");
    assert_eq!(seen.headers["accept-encoding"], "br");
    assert_eq!(answer.status(), StatusCode::FOUND, "a redirect is the viewer's to follow");
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    for name in ["set-cookie", "alt-svc", "connection", "transfer-encoding", "keep-alive"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(&body[..], b"abc", "a body that calls itself gzip is not decoded");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_whether_its_length_was_told_or_not() {
    let server = Server::start(200).await;
    let told: Body = Full::new(Bytes::from_static(b"abcd")).map_err(|never| match never {}).boxed_unsync();
    for body in [told, parts(&["ab", "cd"])] {
        assert_eq!(send(server.request("/x"), body, 3).await.err(), Some(SendError::TooLarge));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_whole_request() {
    let server = Server::start(200).await;
    let broken = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"a"))), Err(io::Error::other("gone"))]);
    let body = StreamBody::new(broken).boxed_unsync();
    assert_eq!(send(server.request("/x"), body, 3).await.err(), Some(SendError::Broken));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_502() {
    let server = Server::start(200).await;
    let mut request = server.request("/x");
    request.url = "http://127.0.0.1:1/x".into();
    let failed = send(request, parts(&[]), 3).await.expect_err("nobody listens");
    assert_eq!(failed, SendError::Unreachable);
    let response = failed.answer().into_http(&HeaderMap::new(), http::Version::HTTP_11);
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

/// The timeout that a test waits for.
const SOON: Duration = Duration::from_millis(30);

/// A server that takes connections, sends `first` to each request, and then nothing.
async fn silent(first: &'static str) -> (String, Serving) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let task = serving(async move {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 1024]).await;
            let _ = connection.write_all(first.as_bytes()).await;
            open.push(connection);
        }
    });
    (url, task)
}

fn silent_body() -> Body {
    StreamBody::new(futures_util::stream::pending()).boxed_unsync()
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_as_504() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let timeouts = Timeouts { head: SOON, ..Timeouts::VIEWER };
    let (url, _server) = silent("").await;
    let request = || Outbound { method: Method::GET, url: format!("{url}/x"), headers: HeaderMap::new(), timeouts };
    assert_eq!(fetch(request()).await.err(), Some(SendError::TimedOut));
    assert_eq!(send(request(), parts(&[]), 3).await.err(), Some(SendError::TimedOut));
    let response = SendError::TimedOut.answer().into_http(&HeaderMap::new(), http::Version::HTTP_11);
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn an_upload_may_take_longer_than_the_server_may_take_to_answer() {
    let server = Server::start(200).await;
    let mut request = server.request("/x");
    request.timeouts.head = Duration::from_millis(300);
    // Each part comes within that time, and all of them together do not. The last silence is longer, and is the
    // viewer's.
    let parts = futures_util::stream::unfold(0, async |sent| {
        tokio::time::sleep(Duration::from_millis([60, 60, 60, 60, 60, 400][sent % 6])).await;
        (sent < 6).then(|| (Ok(Frame::data(Bytes::from_static(b"a"))), sent + 1))
    });
    let answer = send(request, StreamBody::new(parts).boxed_unsync(), 10).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("whole").to_bytes(), "aaaaaa");
}

#[tokio::test]
async fn an_answer_that_falls_silent_breaks_off() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let timeouts = Timeouts { idle: SOON, ..Timeouts::VIEWER };
    let (url, _server) = silent("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
    let request = Outbound { method: Method::GET, url: format!("{url}/x"), headers: HeaderMap::new(), timeouts };
    let answer = fetch(request).await.expect("a head");
    let error = answer.into_body().collect().await.expect_err("no body follows");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn an_answer_breaks_off_when_the_relay_stops() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (url, _server) = silent("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhere").await;
    let request = Outbound {
        method: Method::GET,
        url: format!("{url}/x"),
        headers: HeaderMap::new(),
        timeouts: Timeouts::VIEWER,
    };
    let stop = CancellationToken::new();
    let mut body = break_off_on(stop.clone(), fetch(request).await.expect("a head")).into_body();
    let first = body.frame().await.expect("a part").expect("whole").into_data().expect("data");
    assert_eq!(&first[..], b"here", "what came before is passed on");
    stop.cancel();
    body.frame().await.expect("no end").expect_err("no whole body");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_viewer_that_falls_silent_within_its_body_is_not_waited_for() {
    let server = Server::start(200).await;
    let mut request = server.request("/x");
    request.timeouts.idle = SOON;
    assert_eq!(send(request, silent_body(), 3).await.err(), Some(SendError::Broken));
}

#[tokio::test]
async fn a_trigger_whose_connection_breaks_is_told_and_not_sent_again() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/trigger", server.local_addr().expect("an address"));
    let request =
        || Outbound { method: Method::POST, url: url.clone(), headers: HeaderMap::new(), timeouts: Timeouts::VIEWER };
    let serving = tokio::spawn(async move {
        let mut seen = 0;
        while let Ok((mut socket, _)) = server.accept().await {
            // Answers the first request that comes; reads the second on the same connection, and closes.
            for answer in [&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..], b""] {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\nab") {
                    let Ok(byte) = socket.read_u8().await else { return seen };
                    head.push(byte);
                }
                seen += 1;
                socket.write_all(answer).await.expect("written");
            }
        }
        seen
    });
    let body = || Full::new(Bytes::from_static(b"ab")).map_err(|never| match never {}).boxed_unsync();
    let answer = send(request(), body(), 1_000).await.expect("an answer");
    answer.into_body().collect().await.expect("a body");
    assert_eq!(send(request(), body(), 1_000).await.map(drop).expect_err("broken"), SendError::Unreachable);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!serving.is_finished());
    // The server saw two requests: a repeated one would be a third.
    let probe = tokio::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/trigger")).await;
    drop(probe);
    assert_eq!(serving.await.expect("served"), 2);
}
