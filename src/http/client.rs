//! The process's general HTTP clients: one for calls, one for long requests where a line does not
//! know the way, so that a call never queues behind those on one connection, and one for what is
//! passed through.

use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use super::pool::Pool;
use super::{proxy, tls};
use crate::error::{Error, ErrorCode, Result};

/// How long a connection may take to open, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that nobody uses is trusted, as Node's own clients have it. Whatever lies
/// between here and the server (a NAT, a load balancer, a server of old) forgets such connections
/// without a word, and the next request on one would wait for its time-out.
pub(super) const IDLE: Duration = Duration::from_secs(4);

/// A connection on which nothing was sent is probed by the system after this time, so often, and as
/// often again before it is given up.
pub(crate) const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);

/// How long what was sent may stay without the other system's receipt, or unsent because the server takes
/// nothing: as long as an attempt, so that a server that only pauses is not cut off.
#[cfg(target_os = "linux")]
pub(crate) const UNHEARD: Duration = Duration::from_secs(30);

/// How we call ourselves.
pub(super) const AGENT: &str = concat!("trigger-native/", env!("CARGO_PKG_VERSION"));

/// How a pool looks after its connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long a connection is kept that nobody uses.
    pub(super) idle: Duration,
    /// A connection of HTTP/2 that said nothing for so long is pinged,
    pub(super) ping_after: Duration,
    /// and closed when it does not answer for so long: all requests on it hear of it.
    pub(super) ping_timeout: Duration,
}

impl Limits {
    const USUAL: Self = Self { idle: IDLE, ping_after: Duration::from_secs(5), ping_timeout: Duration::from_secs(10) };
}

static CALLS: Pool = Pool::new(|| build(builder(&[b"h2", b"http/1.1"], Limits::USUAL)?));
static LONG: Pool = Pool::new(|| build(builder(&[b"http/1.1"], Limits::USUAL)?.http1_only()));
static PASSING: Pool = Pool::new(|| {
    let redirects = reqwest::redirect::Policy::none();
    let builder = builder(&[b"h2", b"http/1.1"], Limits::USUAL)?.redirect(redirects).no_gzip().no_zstd();
    build(builder.retry(reqwest::retry::never()))
});

/// For calls that are answered at once. As the others it is made on first use, for most processes
/// need one of them.
pub(super) fn calls() -> &'static Pool {
    &CALLS
}

/// For long-polls and streams that a line does not know the way of. It speaks HTTP/1.1: each has a
/// connection of its own, where HTTP/2 would queue them in silence beyond the server's cap.
pub(super) fn long() -> &'static Pool {
    &LONG
}

/// For requests that are passed through: bodies stay as they are encoded, redirects are the viewer's
/// to follow, and nothing is sent twice.
pub(crate) fn passing() -> &'static Pool {
    &PASSING
}

pub(super) fn builder(protocols: &[&[u8]], limits: Limits) -> Result<ClientBuilder> {
    let mut tls = tls::config()?;
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let (idle, interval, retries) = KEEPALIVE;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(limits.idle)
        .http2_keep_alive_interval(limits.ping_after)
        .http2_keep_alive_timeout(limits.ping_timeout)
        .http2_keep_alive_while_idle(true)
        .tcp_keepalive(idle)
        .tcp_keepalive_interval(interval)
        .tcp_keepalive_retries(retries)
        .no_proxy();
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNHEARD);
    Ok(proxy::apply(builder))
}

/// The same of a connection that is not of a client's.
pub(super) fn keep_alive(tcp: &mut hyper_util::client::legacy::connect::HttpConnector) {
    let (idle, interval, retries) = KEEPALIVE;
    tcp.set_keepalive(Some(idle));
    tcp.set_keepalive_interval(Some(interval));
    tcp.set_keepalive_retries(Some(retries));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNHEARD));
}

pub(super) fn build(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|error| {
        Error::new(ErrorCode::HttpClient, "the HTTP client could not be built: check the proxy variables")
            .with_source(error.without_url())
    })
}
