//! The relay on a port of its own, served by the runtime's threads.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use http::header::{HOST, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use http::{Method, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::authorizer::Grant;
use super::relay::Relay;
use crate::error::{ErrorCode, Result};
use crate::serve::{Body, Bounds, RequestBody, Response, Timeouts, TlsIdentity, listener};

/// The result of `authorize` for a request.
pub enum Authorized {
    /// The viewer's rights.
    Granted(Grant),
    /// An answer of the app's own, in place of the relay's.
    Answer(Box<http::Response<Body>>),
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(grant) => f.debug_tuple("Granted").field(grant).finish(),
            Self::Answer(answer) => f.debug_tuple("Answer").field(&answer.status()).finish(),
        }
    }
}

/// Calls the app's `authorize` for a request.
pub type Authorize = Arc<dyn Fn(&Parts) -> Pin<Box<dyn Future<Output = Authorized> + Send>> + Send + Sync>;

/// Where a relay listens, and how it authorizes.
pub struct Listen {
    /// An address of this machine.
    pub host: IpAddr,
    /// The port; 0 is any free one.
    pub port: u16,
    /// The app's `authorize`, called for each request but preflights and the metrics.
    pub authorize: Option<Authorize>,
    /// The certificate to serve TLS with; `None` serves without.
    pub tls: Option<TlsIdentity>,
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listen").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// A relay that listens, until it is stopped or dropped.
pub struct Listening {
    address: SocketAddr,
    is_tls: bool,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

async fn answer(
    relay: &Arc<Relay>,
    authorize: Option<&Authorize>,
    request: Request<RequestBody>,
) -> http::Response<Body> {
    let (head, body) = request.into_parts();
    if head.version == Version::HTTP_11 && head.uri.authority().is_none() && !head.headers.contains_key(HOST) {
        let refusal = Response::api_error(StatusCode::BAD_REQUEST, "The request names no host");
        return refused(relay, refusal.into_http(&head.headers, head.version));
    }
    if let Some(refusal) = relay.options.authorizes.then(|| relay.refusal(&head, None)).flatten() {
        return refused(relay, refusal);
    }
    let body = body.map_err(io::Error::other).boxed_unsync();
    let mut grant = None;
    if let Some(authorize) = authorize.filter(|_| wants_grant(relay, &head.method, head.uri.path())) {
        match authorize(&head).await {
            Authorized::Granted(granted) => grant = Some(granted),
            Authorized::Answer(answer) => {
                relay.count_refusal(answer.status());
                return *answer;
            }
        }
    }
    let mut answer = relay.respond(Request::from_parts(head, body), grant).await;
    for_this_origin(&mut answer);
    answer
}

/// The relay's refusal of a request that goes no further.
fn refused(relay: &Relay, mut refusal: http::Response<Body>) -> http::Response<Body> {
    relay.count_refusal(refusal.status());
    for_this_origin(&mut refusal);
    refusal
}

/// Whether `authorize` is called for a request: not for preflights, which carry no cookie, nor for the metrics.
fn wants_grant(relay: &Relay, method: &Method, path: &str) -> bool {
    *method != Method::OPTIONS && !relay.is_metrics(path)
}

/// Drops `Strict-Transport-Security`: the server speaks of its own origin, and the app decides for the app's.
pub fn for_this_origin(answer: &mut http::Response<Body>) {
    answer.headers_mut().remove(STRICT_TRANSPORT_SECURITY);
}

impl Listening {
    /// Listens, over HTTP/1.1 and HTTP/2, with TLS or without. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// `ERR_RELAY_PORT` when the port is taken or the address is not one of this machine's.
    pub async fn start(relay: Arc<Relay>, listen: Listen) -> Result<Self> {
        let (socket, address) = listener::bind(listen.host, listen.port, ErrorCode::RelayPort).await?;
        let stop = relay.stop.child_token();
        let limits = relay.options.limits;
        let bounds = Bounds {
            connections: limits.connections,
            streams: limits.streams_per_connection,
            header_bytes: limits.header_bytes,
            timeouts: Timeouts { send: limits.send_timeout, ..Timeouts::default() },
        };
        let counts = relay.stats.listeners.clone();
        let Listen { authorize, tls, .. } = listen;
        let is_tls = tls.is_some();
        let task = tokio::spawn(listener::serve_within(socket, stop.clone(), (bounds, tls), counts, move |request| {
            let (relay, authorize) = (relay.clone(), authorize.clone());
            async move { Ok(answer(&relay, authorize.as_ref(), request).await) }
        }));
        Ok(Self { address, is_tls, stop, task: Some(task) })
    }

    /// The address it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of that: of its address, whatever names its certificate has.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Stops listening. No new connections are taken; answers in flight may take another second.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // The only error is a panic of the server task, which has nothing left to do.
            let _ = task.await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("address", &self.address).finish_non_exhaustive()
    }
}
