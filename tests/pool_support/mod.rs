//! A server for the clients' tests: HTTP/2 or HTTP/1.1 over TLS, with a cap on streams, that counts
//! its connections and what is open on each.

#![allow(dead_code, unreachable_pub, clippy::panic, reason = "each test file uses its part; a test fails by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use trigger_native::http::{LongPollClient, PollOutcome};

pub mod frames;

pub const FAILSAFE: Duration = Duration::from_secs(20);
/// Longer than anything here takes.
pub const SILENCE: Duration = Duration::from_secs(15);

pub type Body = BoxBody<Bytes, Infallible>;

pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// A certificate for 127.0.0.1, whose issuer this process trusts as a user would have it.
static TLS: LazyLock<ServerConfig> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).expect("a CA");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ca-{}.pem", std::process::id()));
    std::fs::write(&file, ca.pem()).expect("written");
    // SAFETY: every test of a file that uses this comes here before it does anything else, and the
    // others wait for it: nothing reads the environment meanwhile.
    #[allow(unsafe_code, reason = "the stores are read once a process, from where Node's variable says")]
    unsafe {
        std::env::set_var("NODE_EXTRA_CA_CERTS", &file);
    }
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let cert = params.signed_by(&key, &issuer).expect("signed").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .expect("a certificate")
});

/// What a server protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// A TLS acceptor that offers `protocol`, and HTTP/1.1.
pub fn acceptor(protocol: Protocol) -> TlsAcceptor {
    let mut config = TLS.clone();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    TlsAcceptor::from(Arc::new(config))
}

/// A port of this machine, and the URL to it.
pub async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

/// Accepts one connection.
pub async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> TlsStream<TcpStream> {
    let (socket, _) = listener.accept().await.expect("a connection");
    acceptor.accept(socket).await.expect("a handshake")
}

/// What is open on each connection: now, at most so far, and how many there were in all.
#[derive(Clone, Debug, Default)]
pub struct Load {
    pub open: Vec<usize>,
    pub peak: Vec<usize>,
    pub requests: Vec<usize>,
    pub ended: Vec<bool>,
}

impl Load {
    pub fn all_open(&self) -> usize {
        self.open.iter().sum()
    }
}

/// The server. Dropping it ends its connections.
pub struct Server {
    address: SocketAddr,
    load: Arc<watch::Sender<Load>>,
    shut: watch::Sender<usize>,
    task: JoinHandle<()>,
}

/// How a server is.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    pub protocol: Protocol,
    /// The most streams of a connection.
    pub cap: u32,
    /// A connection of HTTP/1.1 ends after each answer.
    pub close: bool,
}

pub const HTTP1: ServerOptions = ServerOptions { protocol: Protocol::Http1, cap: 1, close: false };

pub fn http2(cap: u32) -> ServerOptions {
    ServerOptions { protocol: Protocol::Http2, cap, close: false }
}

impl Server {
    /// Answers every request with what `handler` gives; the number is that of its connection.
    pub async fn start<H, F>(server_options: ServerOptions, handler: H) -> Self
    where
        H: Fn(usize, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let acceptor = acceptor(server_options.protocol);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let load = Arc::new(watch::Sender::new(Load::default()));
        let (shut, shutting) = watch::channel(0);
        let counts = load.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let number = counts.borrow().open.len();
                counts.send_modify(|load| {
                    load.open.push(0);
                    load.peak.push(0);
                    load.requests.push(0);
                    load.ended.push(false);
                });
                let (acceptor, handler, counts, shutting) =
                    (acceptor.clone(), handler.clone(), counts.clone(), shutting.clone());
                connections.spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        serve(server_options, stream, number, handler, counts.clone(), shutting).await;
                    }
                    counts.send_modify(|load| load.ended[number] = true);
                });
            }
        });
        Self { address, load, shut, task }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn load(&self) -> Load {
        self.load.borrow().clone()
    }

    /// Until the load is so.
    pub async fn until(&self, so: impl FnMut(&Load) -> bool) -> Load {
        let mut load = self.load.subscribe();
        tokio::time::timeout(FAILSAFE, load.wait_for(so)).await.expect("in time").expect("running").clone()
    }

    /// Lets all present connections end: those of HTTP/2 with GOAWAY. What is open is answered still.
    pub fn shut_connections(&self) {
        self.shut.send_modify(|times| *times += 1);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<H, F>(
    server_options: ServerOptions,
    stream: TlsStream<TcpStream>,
    number: usize,
    handler: H,
    counts: Arc<watch::Sender<Load>>,
    mut shutting: watch::Receiver<usize>,
) where
    H: Fn(usize, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    shutting.mark_unchanged();
    let handler = Arc::new(handler);
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, guard) = (handler.clone(), Guard::new(counts.clone(), number));
        async move {
            let mut answer = handler(number, request).await;
            if server_options.close {
                answer.headers_mut().insert("connection", "close".parse().expect("a value"));
            }
            // The stream is open until its body is over.
            Ok::<_, Infallible>(answer.map(|body| Guarded { body, _guard: guard }))
        }
    });
    // A client that goes away is what some tests are about.
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(server_options.cap)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            _ = shutting.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    } else {
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            _ = shutting.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// A request that is open.
struct Guard(Arc<watch::Sender<Load>>, usize);

impl Guard {
    fn new(load: Arc<watch::Sender<Load>>, number: usize) -> Self {
        load.send_modify(|load| {
            load.open[number] += 1;
            load.requests[number] += 1;
            load.peak[number] = load.peak[number].max(load.open[number]);
        });
        Self(load, number)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_modify(|load| load.open[self.1] -= 1);
    }
}

struct Guarded {
    body: Body,
    _guard: Guard,
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// A client to `url` with headers of a feed.
pub fn client(url: &str) -> LongPollClient {
    let mut client = LongPollClient::new(url);
    client
        .set_headers(0, || {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", "Bearer tr_dev_test".parse().expect("a value"));
            headers.insert("accept", "application/json".parse().expect("a value"));
            Ok(headers)
        })
        .expect("headers");
    client
}

/// The body of a poll that was answered.
pub fn text(polled: PollOutcome) -> String {
    match polled {
        PollOutcome::Response { status, body, .. } => {
            assert_eq!(status, 200);
            String::from_utf8(body.to_vec()).expect("text")
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// Lets so many seconds pass at once. Nothing may be under way.
pub async fn advance_clock(seconds: u64) {
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Lets time pass until the server has no connection; how many seconds it was.
pub async fn until_ended(server: &Server) -> u64 {
    let mut load = server.load.subscribe();
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    let ended = load.wait_for(|load| load.ended.iter().all(|ended| *ended));
    drop(tokio::time::timeout(Duration::from_secs(3_600), ended).await.expect("within an hour").expect("running"));
    let passed = since.elapsed().as_secs();
    tokio::time::resume();
    passed
}

/// What the client and its server do at the same time.
pub async fn together<A, B>(client: impl Future<Output = A>, server: impl Future<Output = B>) -> (A, B) {
    let both = async { tokio::join!(client, server) };
    tokio::time::timeout(FAILSAFE, Box::pin(both)).await.expect("in time")
}
