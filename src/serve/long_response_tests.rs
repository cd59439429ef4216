//! Long responses over HTTP/1.1: as bytes of a connection that serves others before and after.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, StatusCode, Version};
use http_body_util::BodyExt as _;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::bounds::{Bounds, Timeouts};
use super::connection_io::ConnectionIo;
use super::counts::Counts;
use super::listener::{bind, serve_within};
use super::listener_state::ListenerState;
use super::long_response::Handover;
use super::request_body::RequestBody;
use super::response::{Body, Response};
use super::tls_identity::TlsIdentity;
use super::transport::Transport;
use crate::error::ErrorCode;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    /// One item for each body that was dropped.
    left: mpsc::UnboundedReceiver<()>,
    stop: CancellationToken,
    /// Ends the bodies of `/open`, as `stop` does.
    finish: CancellationToken,
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
fn answer(path: &str, left: Left, finish: CancellationToken) -> Response {
    let part = |text: &'static str| io::Result::Ok(Bytes::from_static(text.as_bytes()));
    let parts = match path {
        "/ended" => stream::iter(vec![part("first"), part(""), part("second")]).boxed(),
        "/broken" => stream::iter(vec![part("first"), Err(io::Error::other("broken"))]).boxed(),
        "/open" => stream::iter(vec![part("first")])
            .chain(stream::once(finish.cancelled_owned()).map(move |()| part("last")))
            .boxed(),
        "/much" => stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 1 << 20]))).boxed(),
        "/large" => return Response::bytes("text/plain", vec![b'l'; LARGE].into()),
        _ => return Response::text(StatusCode::OK, "ok"),
    };
    Response::events_live(parts.map(move |part| {
        let _ = &left;
        part
    }))
}

async fn start() -> Server {
    start_with(None).await
}

/// A request with a body has it read first; `?unread` leaves it.
async fn start_with(tls: Option<TlsIdentity>) -> Server {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
    let (tell, left) = mpsc::unbounded_channel();
    let bounds =
        Bounds { timeouts: Timeouts { send: Duration::from_millis(200), ..Timeouts::default() }, ..Bounds::default() };
    let finish = stop.child_token();
    let finished = finish.clone();
    let respond = move |request: hyper::Request<RequestBody>| {
        let answer = answer(request.uri().path(), Left(tell.clone()), finished.clone());
        let response: http::Response<Body> = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
        async move {
            if request.uri().query() != Some("unread") {
                request.into_body().collect().await.map_err(io::Error::other)?;
            }
            Ok(response)
        }
    };
    tokio::spawn(serve_within(listener, stop.clone(), (bounds, tls), counts.clone(), respond));
    Server { address, counts, left, stop, finish }
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
async fn read(client: &mut (impl AsyncRead + Unpin), end: Option<&str>) -> String {
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

/// Longer than what the sockets of a connection hold.
const LARGE: usize = 32 << 20;

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
    client.set_nodelay(true).expect("an option");
    assert!(read(&mut client, Some("5\r\nfirst\r\n")).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let next = [get("/"), get("/ended"), "GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into()].concat();
    // The last head comes in two halves: the second after the response.
    let (amid, after) = next.split_at(next.len() - 10);
    for piece in amid.as_bytes().chunks(9) {
        client.write_all(piece).await.expect("room");
        tokio::task::yield_now().await;
    }
    server.finish.cancel();
    server.left().await;
    let text = read(&mut client, Some(CHUNKS)).await;
    assert!(text.starts_with("4\r\nlast\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), "{text}");
    assert_eq!((text.matches("HTTP/1.1 200").count(), text.contains("\r\n\r\nokHTTP")), (2, true), "{text}");
    client.write_all(after.as_bytes()).await.expect("room");
    assert!(read(&mut client, None).await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn a_long_response_that_ends_with_the_server_ends_its_connection() {
    let mut server = start().await;
    let mut client = server.ask(&get("/open")).await;
    read(&mut client, Some("5\r\nfirst\r\n")).await;
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

#[tokio::test]
async fn the_head_is_what_hyper_writes() {
    let server = start().await;
    let told = async |headers: &str| {
        let request = format!("GET /ended HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let text = read(&mut server.ask(&request).await, Some(CHUNKS)).await;
        let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with("date: ")).map(str::to_owned).collect();
        lines[1..].sort();
        lines
    };
    // What says more than that it keeps the connection is left to hyper.
    assert_eq!(told("").await, told("connection: keep-alive, x-any\r\n").await);
}

#[tokio::test]
async fn a_body_and_what_follows_it_are_told_apart_however_they_come() {
    let server = start().await;
    let bodies = [
        "content-length: 40\r\n\r\nGET /broken HTTP/1.1\r\nhost: x\r\nx: abcd\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nGET /\r\n3;a=b\r\n\r\n\r\r\n0\r\nx-trailer: GET /broken\r\n\r\n",
        "content-length: 0\r\n\r\n",
    ];
    for body in bodies {
        let post = format!("POST /ended HTTP/1.1\r\nhost: x\r\n{body}");
        let last = "GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let all = [&post, &get("/ended"), &post, &post, last].concat();
        for size in [1, 7, 61, all.len()] {
            let mut client = server.ask("").await;
            client.set_nodelay(true).expect("an option");
            for piece in all.as_bytes().chunks(size) {
                client.write_all(piece).await.expect("room");
                tokio::task::yield_now().await;
            }
            let text = read(&mut client, None).await;
            let answers = text.matches("HTTP/1.1 200 OK\r\n").count();
            assert_eq!((answers, text.matches(CHUNKS).count(), text.ends_with("\r\n\r\nok")), (5, 4, true), "{text}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_read_is_not_taken_for_the_next_request() {
    let server = start().await;
    let inner = get("/ended");
    for body in [
        format!("content-length: {}\r\n\r\n{inner}", inner.len()),
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
    ] {
        let post = format!("POST /ended?unread HTTP/1.1\r\nhost: x\r\n{body}");
        let text = read(&mut server.ask(&post).await, None).await;
        assert!(text.contains("connection: close\r\n") && text.matches("HTTP/1.1").count() == 1, "{text}");
    }
}

#[tokio::test]
async fn a_client_that_sends_on_amid_a_long_response_is_held_no_more_of_than_fits() {
    let mut server = start().await;
    let mut client = server.ask(&get("/open")).await;
    read(&mut client, Some("5\r\nfirst\r\n")).await;
    let junk = vec![b'x'; 1 << 20];
    let sent = async { while client.write_all(&junk).await.is_ok() {} };
    timeout(LONG, sent).await.expect("it is disconnected");
    server.left().await;
}

#[tokio::test]
async fn over_tls_a_connection_serves_other_requests_before_and_after_a_long_response_and_ends_well() {
    let key = KeyPair::generate().expect("a key");
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name").self_signed(&key).expect("signed");
    let tls = TlsIdentity::from_pem(cert.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("taken");
    let mut server = start_with(Some(tls)).await;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = Arc::new(versions.expect("versions").with_root_certificates(roots).with_no_client_auth());
    let shake = async || {
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(config.clone()).connect(name, server.ask("").await).await.expect("a handshake")
    };
    let mut client = shake().await;
    let all = [get("/"), get("/ended"), get("/"), get("/open")].concat();
    client.write_all(all.as_bytes()).await.expect("room");
    let text = read(&mut client, Some("5\r\nfirst\r\n")).await;
    let answers = text.matches("HTTP/1.1 200 OK\r\n").count();
    assert_eq!((answers, text.matches(CHUNKS).count(), text.matches("\r\n\r\nok").count()), (4, 1, 2), "{text}");
    let mut gone = shake().await;
    gone.write_all(get("/open").as_bytes()).await.expect("room");
    read(&mut gone, Some("5\r\nfirst\r\n")).await;
    for _ in 0..3 {
        server.left().await;
    }
    // A client that says goodbye is gone, though its socket stays.
    gone.shutdown().await.expect("room");
    server.left().await;
    server.stop.cancel();
    let mut rest = String::new();
    // Without the goodbye of TLS this is an error.
    timeout(LONG, client.read_to_string(&mut rest)).await.expect("in time").expect("an end");
    assert_eq!(rest, "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_response_with_much_to_send_leaves_other_connections_their_turn() {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let _client = TcpStream::connect(address).await.expect("a connection");
    let (stream, _) = listener.accept().await.expect("a connection");
    let state = Arc::new(ListenerState::new(Bounds::default(), Arc::default(), None));
    let io = ConnectionIo::new(Transport::new(stream, None), state);
    let (tell, mut told) = mpsc::unbounded_channel();
    let parts = stream::repeat_with(move || {
        let _ = tell.send(());
        Ok(Bytes::from_static(b"x"))
    });
    let handover = Handover::default();
    let response = Response::events_live(parts).into_http(&HeaderMap::new(), Version::HTTP_11);
    handover.leave(response, io.start_request());
    io.clone().flush().await.expect("nothing to send");
    let mut sending = Box::pin(handover.take(&io).expect("a response").send(&io));
    assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut parts = 0;
    while told.try_recv().is_ok() {
        parts += 1;
    }
    assert!((1..=32).contains(&parts), "{parts}");
}

#[tokio::test]
async fn what_was_sent_before_a_long_response_comes_whole_however_much_of_it_waits() {
    let server = start().await;
    // More than the sockets hold: the long response begins as most of the one before it still waits.
    let mut client = server.ask(&[get("/large"), get("/ended")].concat()).await;
    let text = read(&mut client, Some(CHUNKS)).await;
    assert!(text.contains(&"l".repeat(LARGE)), "{} bytes", text.len());
}

#[tokio::test]
async fn an_idle_connection_ends_when_the_server_stops() {
    let server = start().await;
    let mut client = server.ask(&get("/")).await;
    assert!(read(&mut client, Some("ok")).await.ends_with("\r\n\r\nok"));
    server.stop.cancel();
    assert_eq!(read(&mut client, None).await, "");
}
