//! The process's HTTP clients: one for calls, one for feeds, so that a call never queues behind
//! long-polls on one connection.

use std::time::Duration;

use once_cell::sync::OnceCell;

use super::tls;
use crate::error::{Error, Kind, Result};

/// How long a connection may take to open, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How we call ourselves.
pub(super) const AGENT: &str = concat!("trigger-native/", env!("CARGO_PKG_VERSION"));

static CLIENTS: OnceCell<Clients> = OnceCell::new();

/// The clients of the process.
#[derive(Debug)]
pub struct Clients {
    /// For calls that are answered at once.
    pub calls: reqwest::Client,
    /// For long-polls that a line does not know the way of.
    pub feeds: reqwest::Client,
    /// For streams, whose readers may be slow.
    pub streams: reqwest::Client,
}

/// What a stream may have under way over HTTP/2 while nobody reads, in bytes (defect 9).
const STREAM_WINDOW: u32 = 256 * 1024;
/// What all streams of a connection may have under way: so much that a stream nobody reads never
/// stops its neighbours.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// The clients, built on first use. A failure is not kept: the next call tries again.
///
/// # Errors
/// `ERR_HTTP_CLIENT` when a client cannot be built, as with a proxy variable that is no URL.
pub fn clients() -> Result<&'static Clients> {
    CLIENTS.get_or_try_init(|| {
        let streams = builder()?
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW);
        Ok(Clients { calls: build(builder()?)?, feeds: build(builder()?)?, streams: build(streams)? })
    })
}

fn builder() -> Result<reqwest::ClientBuilder> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config()?)
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(30)))
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| {
        Error::new(Kind::Config, "ERR_HTTP_CLIENT", "the HTTP client could not be built: check the proxy variables")
            .with_source(error.without_url())
    })
}
