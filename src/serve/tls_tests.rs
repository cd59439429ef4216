//! A listener that speaks TLS: what it offers, and clients that exhaust resources.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::bounds::{Bounds, Timeouts};
use super::counts::Counts;
use super::listener::{bind, serve_within};
use super::plain_peer::PlainPeer;
use super::request_body::RequestBody;
use super::response::Body;
use super::tls_identity::TlsIdentity;
use crate::error::ErrorCode;

const SOON: Duration = Duration::from_millis(200);
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    certificate: Option<CertificateDer<'static>>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// `/large` is 16 MiB; any other path says the peer that is known to be short of connections.
async fn answer(request: hyper::Request<RequestBody>) -> io::Result<Response<Body>> {
    let body: Bytes = match request.uri().path() {
        "/large" => vec![b'x'; 16 << 20].into(),
        _ => format!("{:?}", request.extensions().get::<PlainPeer>()).into(),
    };
    Ok(Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync()))
}

async fn start(bounds: Bounds, is_tls: bool) -> Server {
    let (listener, address) = bind(Ipv4Addr::LOCALHOST.into(), 0, ErrorCode::RelayPort).await.expect("a port");
    let key = KeyPair::generate().expect("a key");
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name").self_signed(&key).expect("signed");
    let tls =
        is_tls.then(|| TlsIdentity::from_pem(cert.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("taken"));
    let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
    tokio::spawn(serve_within(listener, stop.clone(), (bounds, tls), counts.clone(), answer));
    Server { address, counts, certificate: is_tls.then(|| cert.der().clone()), stop }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn shake(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone().expect("TLS")).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, self.connect().await).await.expect("a handshake")
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let checks = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, checks).await.expect(what);
}

/// What a request of HTTP/1.1 is answered.
async fn get(client: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin)) -> String {
    client.write_all(GET).await.expect("room");
    let mut text = String::new();
    while !text.contains("\r\n\r\n") || text.ends_with("\r\n\r\n") {
        let mut part = [0; 4096];
        let read = timeout(LONG, client.read(&mut part)).await.expect("in time").expect("bytes");
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    text
}

#[tokio::test]
async fn clients_get_the_protocol_that_they_ask_for_and_are_not_short_of_connections() {
    let server = start(Bounds::default(), true).await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut client = server.shake(protocols).await;
        let answer = get(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("None"), "{answer}");
    }
    let client = server.shake(&["h2", "http/1.1"]).await;
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(client);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get("https://localhost/").body(http_body_util::Empty::<Bytes>::new()).expect("one");
    let body = sender.send_request(request).await.expect("an answer").into_body().collect().await.expect("whole");
    assert_eq!(body.to_bytes(), "None");
    drop(sender);
    let _ = timeout(LONG, connection).await.expect("closed");
}

#[tokio::test]
async fn who_comes_over_http_1_without_tls_is_known_by_its_address() {
    let server = start(Bounds::default(), false).await;
    let answer = get(&mut server.connect().await).await;
    assert!(answer.ends_with("Some(PlainPeer(Some(127.0.0.1)))"), "{answer}");
}

#[tokio::test]
async fn a_connection_counts_from_accept_on_and_a_handshake_that_does_not_come_ends_it() {
    let timeouts = Timeouts { handshake: SOON, ..Timeouts::default() };
    let server = start(Bounds { timeouts, ..Bounds::default() }, true).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    // The head of a record that never becomes whole.
    slow.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("room");
    until("they count", || server.counts.connections() == 2).await;
    for client in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let _ = timeout(LONG, client.read_to_end(&mut rest)).await.expect("closed in time");
    }
    until("they are gone", || server.counts.connections() == 0).await;
    // One that does not speak TLS is closed at once, and the server goes on.
    let mut plain = server.connect().await;
    plain.write_all(GET).await.expect("room");
    let mut rest = Vec::new();
    let _ = timeout(LONG, plain.read_to_end(&mut rest)).await.expect("closed in time");
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"));
    assert!(get(&mut server.shake(&[]).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_handshake_under_way_makes_way_and_one_too_many_is_closed() {
    let server = start(Bounds { connections: 1, ..Bounds::default() }, true).await;
    let mut silent = server.connect().await;
    until("it counts", || server.counts.connections() == 1).await;
    let mut client = server.shake(&[]).await;
    let mut rest = Vec::new();
    let _ = timeout(LONG, silent.read_to_end(&mut rest)).await.expect("evicted");
    assert_eq!(server.counts.evicted(), 1);
    // The connection is busy now: the next one is closed without an answer.
    client.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("room");
    let mut first = [0; 1];
    client.read_exact(&mut first).await.expect("an answer begins");
    let mut refused = server.connect().await;
    let read = timeout(LONG, refused.read_to_end(&mut rest)).await.expect("closed in time");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!(server.counts.refused(), 1);
}

#[tokio::test]
async fn an_answer_over_tls_that_is_not_read_is_dropped_and_one_that_is_read_slowly_is_not() {
    let timeouts = Timeouts { send: SOON, ..Timeouts::default() };
    let server = start(Bounds { timeouts, ..Bounds::default() }, true).await;
    let large = b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut unread = server.shake(&[]).await;
    unread.write_all(large).await.expect("room");
    until("it is dropped", || server.counts.send_timeouts() == 1).await;
    let mut slow = server.shake(&[]).await;
    slow.write_all(large).await.expect("room");
    let (mut read, mut part) = (0, vec![0; 1 << 20]);
    loop {
        match timeout(LONG, slow.read(&mut part)).await.expect("in time").expect("bytes") {
            0 => break,
            more => read += more,
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(read > 16 << 20, "{read}");
    assert_eq!(server.counts.send_timeouts(), 1);
}
