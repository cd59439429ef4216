//! The process's general HTTP clients: one for calls, one for long requests where a line does not
//! know the way, so that a call never queues behind those on one connection.

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
static LONG: OnceCell<Client> = OnceCell::new();
static PASSING: OnceCell<Client> = OnceCell::new();

/// For calls that are answered at once. As the other it is built on first use, for most processes need
/// one of them; a failure is not kept: the next call tries again.
///
/// # Errors
/// `ERR_HTTP_CLIENT` when it cannot be built, as with a proxy variable that is no URL.
pub(super) fn calls() -> Result<&'static Client> {
    CALLS.get_or_try_init(|| build(builder(&[b"h2", b"http/1.1"])?))
}

/// For long-polls and streams that a line does not know the way of. It speaks HTTP/1.1: each has a
/// connection of its own, where HTTP/2 would queue them in silence beyond the server's cap.
///
/// # Errors
/// As [`calls`].
pub(super) fn long() -> Result<&'static Client> {
    LONG.get_or_try_init(|| build(builder(&[b"http/1.1"])?.http1_only()))
}

/// For requests that are passed through: bodies stay as they are encoded, and redirects are the viewer's to follow.
///
/// # Errors
/// As [`calls`].
pub(crate) fn passing() -> Result<&'static Client> {
    PASSING.get_or_try_init(|| {
        let redirects = reqwest::redirect::Policy::none();
        build(builder(&[b"h2", b"http/1.1"])?.redirect(redirects).no_gzip().no_zstd().retry(reqwest::retry::never()))
    })
}

fn builder(protocols: &[&[u8]]) -> Result<ClientBuilder> {
    let mut tls = tls::config()?;
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
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
