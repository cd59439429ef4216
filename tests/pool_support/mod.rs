//! A server for tests of the connection pool: HTTP/2 or HTTP/1.1 over TLS, with a cap on streams. It
//! counts its connections, and the requests that are open on each.

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
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use trigger_native::http::{LongPollClient, PollOutcome};

pub mod frames;
#[path = "../support/serving.rs"]
mod serving;

use serving::{Panics, Serving, serving};

pub const FAILSAFE: Duration = Duration::from_secs(20);
/// The silence time of polls: longer than any response takes.
pub const SILENCE: Duration = Duration::from_secs(15);

pub type Body = BoxBody<Bytes, Infallible>;

pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// A certificate for 127.0.0.1. The process trusts its issuer by `NODE_EXTRA_CA_CERTS`, as a user's would.
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

/// The version of HTTP that a server prefers.
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

/// The requests of each connection: open now, at most open at once, and in all; and whether it ended.
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

/// The server. Dropping it ends its connections, and fails the test if a handler panicked.
pub struct Server {
    address: SocketAddr,
    load: Arc<watch::Sender<Load>>,
    shut: watch::Sender<usize>,
    _panics: Panics,
    _task: Serving,
}

/// How a server behaves.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    pub protocol: Protocol,
    /// The most streams of a connection.
    pub cap: u32,
    /// Whether a connection of HTTP/1.1 ends after each response.
    pub close: bool,
}

pub const HTTP1: ServerOptions = ServerOptions { protocol: Protocol::Http1, cap: 1, close: false };

pub fn http2(cap: u32) -> ServerOptions {
    ServerOptions { protocol: Protocol::Http2, cap, close: false }
}

impl Server {
    /// Answers every request with the response of `handler`, which also gets the number of the connection.
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
        let panics = Panics::default();
        let watched = panics.guard();
        let task = serving(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let number = counts.borrow().open.len();
                counts.send_modify(|load| {
                    load.open.push(0);
                    load.peak.push(0);
                    load.requests.push(0);
                    load.ended.push(false);
                });
                let (acceptor, counts, shutting) = (acceptor.clone(), counts.clone(), shutting.clone());
                let (handler, watched) = (handler.clone(), watched.clone());
                let handler = move |number, request| {
                    let (handler, watched) = (handler.clone(), watched.clone());
                    async move {
                        let _watched = watched;
                        handler(number, request).await
                    }
                };
                connections.spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        serve(server_options, stream, number, handler, counts.clone(), shutting).await;
                    }
                    counts.send_modify(|load| load.ended[number] = true);
                });
            }
        });
        Self { address, load, shut, _panics: panics, _task: task }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn load(&self) -> Load {
        self.load.borrow().clone()
    }

    /// Waits until the load satisfies `so`.
    pub async fn until(&self, so: impl FnMut(&Load) -> bool) -> Load {
        let mut load = self.load.subscribe();
        tokio::time::timeout(FAILSAFE, load.wait_for(so)).await.expect("in time").expect("running").clone()
    }

    /// Ends all present connections, those of HTTP/2 with GOAWAY. Open requests are still answered.
    pub fn shut_connections(&self) {
        self.shut.send_modify(|times| *times += 1);
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
            // A request is open until its response's body is over.
            Ok::<_, Infallible>(answer.map(|body| Guarded { body, _guard: guard }))
        }
    });
    // Some tests are about a client that is gone.
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

/// A client for `url` with the headers of a feed.
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

/// The body of a poll's response.
pub fn text(polled: PollOutcome) -> String {
    match polled {
        PollOutcome::Response { status, body, .. } => {
            assert_eq!(status, 200);
            String::from_utf8(body.to_vec()).expect("text")
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// Advances the clock by `seconds` at once. No request may be under way.
pub async fn advance_clock(seconds: u64) {
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Advances the clock until every connection has ended; gives the seconds that this took.
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

/// Runs the client's and the server's part of a test at the same time.
pub async fn together<A, B>(client: impl Future<Output = A>, server: impl Future<Output = B>) -> (A, B) {
    let both = async { tokio::join!(client, server) };
    tokio::time::timeout(FAILSAFE, Box::pin(both)).await.expect("in time")
}
