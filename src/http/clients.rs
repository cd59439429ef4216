//! The general HTTP clients of the process: one for calls; one for long requests that the pool cannot
//! send, so that no call queues behind one of those on its connection; and one for requests that the
//! relay passes through.

use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use super::client_slot::ClientSlot;
use super::lookup::Resolver;
use super::settings::{AGENT, CONNECT_TIMEOUT, IDLE_TIMEOUT, KEEPALIVE};
use super::{proxy, tls};
use crate::error::{Error, ErrorCode, Result};

/// When the connections of a client end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long an idle connection is kept.
    pub(super) idle: Duration,
    /// A connection of HTTP/2 is pinged when nothing was received on it for this long.
    pub(super) ping_after: Duration,
    /// A ping without an answer for this long closes the connection, and fails every request on it.
    pub(super) ping_timeout: Duration,
}

/// The protocols that a server may choose from.
pub(super) const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The most redirections that a request follows. The key goes to no other origin.
pub(super) const MAX_REDIRECTS: usize = 10;

/// The longest headers of an answer over HTTP/2, in bytes. Over HTTP/1.1 it may have 100 headers in 400 KiB.
pub(super) const MAX_HEADER_BYTES: u32 = 256 * 1024;

impl Limits {
    pub(super) const DEFAULT: Self =
        Self { idle: IDLE_TIMEOUT, ping_after: Duration::from_secs(5), ping_timeout: Duration::from_secs(10) };
}

static CALLS: ClientSlot = ClientSlot::new(|| build(builder(&PROTOCOLS, Limits::DEFAULT)?));
static LONG: ClientSlot = ClientSlot::new(|| build(builder(&[b"http/1.1"], Limits::DEFAULT)?.http1_only()));
static PASS_THROUGH: ClientSlot = ClientSlot::new(|| {
    let redirects = reqwest::redirect::Policy::none();
    let builder = builder(&PROTOCOLS, Limits::DEFAULT)?.redirect(redirects).no_gzip().no_zstd();
    build(builder.retry(reqwest::retry::never()))
});

/// The client of calls, which are answered at once. Like the others it is made on first use: most
/// processes need only one of them.
pub(super) fn calls() -> &'static ClientSlot {
    &CALLS
}

/// The client of long-polls and streams that the pool cannot send. It speaks HTTP/1.1, so that each has
/// a connection of its own: over HTTP/2 those beyond the server's cap would queue in silence.
pub(super) fn long() -> &'static ClientSlot {
    &LONG
}

/// The client of requests that the relay passes through: bodies stay encoded as they are, the viewer
/// follows redirections, and no request is sent twice.
pub(crate) fn pass_through() -> &'static ClientSlot {
    &PASS_THROUGH
}

/// A builder for clients that offer `protocols` in ALPN.
pub(super) fn builder(protocols: &[&[u8]], limits: Limits) -> Result<ClientBuilder> {
    let mut tls = tls::config()?;
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let (idle, interval, retries) = KEEPALIVE;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(AGENT)
        .dns_resolver(Resolver)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(limits.idle)
        .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keep_alive_interval(limits.ping_after)
        .http2_keep_alive_timeout(limits.ping_timeout)
        .http2_keep_alive_while_idle(true)
        .tcp_keepalive(idle)
        .tcp_keepalive_interval(interval)
        .tcp_keepalive_retries(retries)
        .no_proxy();
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(super::settings::TCP_USER_TIMEOUT);
    Ok(proxy::apply(builder))
}

pub(super) fn build(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|error| {
        Error::new(ErrorCode::HttpClient, "the HTTP client could not be built: check the proxy variables")
            .with_source(error.without_url())
    })
}
