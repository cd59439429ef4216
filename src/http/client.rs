//! The process's HTTP clients: one for calls, one for feeds, so that a call never queues behind
//! long-polls on one connection.

use std::time::Duration;

use once_cell::sync::OnceCell;

use super::tls;
use crate::error::{Error, Kind, Result};

/// How long a connection may take to open, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

static CLIENTS: OnceCell<Clients> = OnceCell::new();

/// The clients of the process.
#[derive(Debug)]
pub struct Clients {
    /// For calls that are answered at once.
    pub calls: reqwest::Client,
    /// For long-polls and streams.
    pub feeds: reqwest::Client,
}

/// The clients, built on first use. A failure is not kept: the next call tries again.
///
/// # Errors
/// `ERR_HTTP_CLIENT` when a client cannot be built, as with a proxy variable that is no URL.
pub fn clients() -> Result<&'static Clients> {
    CLIENTS.get_or_try_init(|| Ok(Clients { calls: build()?, feeds: build()? }))
}

fn build() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config()?)
        .user_agent(concat!("trigger-native/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(30))
        .build()
        .map_err(|error| {
            Error::new(Kind::Config, "ERR_HTTP_CLIENT", "the HTTP client could not be built: check the proxy variables")
                .with_source(error.without_url())
        })
}
