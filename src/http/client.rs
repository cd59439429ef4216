//! The process's HTTP clients: one for calls, one for feeds, so that a call never queues behind
//! long-polls on one connection.

use std::time::Duration;

use once_cell::sync::OnceCell;
use reqwest::{Client, ClientBuilder};

use super::tls;
use crate::error::{Error, Kind, Result};

/// How long a connection may take to open, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How we call ourselves.
pub(super) const AGENT: &str = concat!("trigger-native/", env!("CARGO_PKG_VERSION"));

static CALLS: OnceCell<Client> = OnceCell::new();
static FEEDS: OnceCell<Client> = OnceCell::new();
static STREAMS: OnceCell<Client> = OnceCell::new();

/// What a stream may have under way over HTTP/2 while nobody reads, in bytes (defect 9).
const STREAM_WINDOW: u32 = 256 * 1024;
/// What all streams of a connection may have under way: so much that a stream nobody reads never
/// stops its neighbours.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// For calls that are answered at once. As the others it is built on first use, for most processes need
/// one of them; a failure is not kept: the next call tries again.
///
/// # Errors
/// `ERR_HTTP_CLIENT` when it cannot be built, as with a proxy variable that is no URL.
pub(super) fn calls() -> Result<&'static Client> {
    CALLS.get_or_try_init(|| build(builder()?))
}

/// For long-polls that a line does not know the way of.
///
/// # Errors
/// As [`calls`].
pub(super) fn feeds() -> Result<&'static Client> {
    FEEDS.get_or_try_init(|| build(builder()?))
}

/// For streams, whose readers may be slow.
///
/// # Errors
/// As [`calls`].
pub(super) fn streams() -> Result<&'static Client> {
    STREAMS.get_or_try_init(|| {
        build(
            builder()?
                .http2_initial_stream_window_size(STREAM_WINDOW)
                .http2_initial_connection_window_size(CONNECTION_WINDOW),
        )
    })
}

fn builder() -> Result<ClientBuilder> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls::config()?)
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(30)))
}

fn build(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|error| {
        Error::new(Kind::Config, "ERR_HTTP_CLIENT", "the HTTP client could not be built: check the proxy variables")
            .with_source(error.without_url())
    })
}
