//! Opens connections: TCP with happy eyeballs, TLS with ALPN for HTTP/2 and HTTP/1.1.

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::TokioIo;
use once_cell::sync::OnceCell;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service as _;

use super::error::connection_error;
use crate::error::Result;
use crate::http::lookup::Resolver;
use crate::http::settings::{CONNECT_TIMEOUT, keep_alive};
use crate::http::tls;

/// An open connection: tests have some in memory, too.
#[cfg(not(test))]
pub(super) type Socket = NetworkSocket;
#[cfg(test)]
pub(super) use super::memory::Socket;

/// A connection over the network.
pub(super) type NetworkSocket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// One connector, and so one TLS session cache, for all origins.
static CONNECTOR: OnceCell<HttpsConnector<HttpConnector<Resolver>>> = OnceCell::new();

/// Connects to `uri`. True when the server chose HTTP/2.
///
/// # Errors
/// `ERR_CONNECTION` when there is no connection within 10 s, TLS included.
pub(super) async fn connect(uri: Uri) -> Result<(NetworkSocket, bool)> {
    if uri.scheme() == Some(&Scheme::HTTP) {
        // Plain HTTP must not pay for the set-up of TLS.
        return match timeout(CONNECT_TIMEOUT, tcp().call(uri)).await {
            Ok(Ok(socket)) => Ok((MaybeHttpsStream::Http(socket), false)),
            Ok(Err(error)) => Err(connection_error().with_source(error)),
            Err(elapsed) => Err(connection_error().with_source(elapsed)),
        };
    }
    let mut connector = connector()?.clone();
    match timeout(CONNECT_TIMEOUT, connector.call(uri)).await {
        Ok(Ok(socket)) => {
            let http2 = socket.connected().is_negotiated_h2();
            Ok((socket, http2))
        }
        Ok(Err(error)) => Err(tls::certificate_error(&*error).unwrap_or_else(connection_error).with_source(error)),
        Err(elapsed) => Err(connection_error().with_source(elapsed)),
    }
}

fn connector() -> Result<&'static HttpsConnector<HttpConnector<Resolver>>> {
    CONNECTOR.get_or_try_init(|| {
        Ok(HttpsConnectorBuilder::new()
            .with_tls_config(tls::config()?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp()))
    })
}

fn tcp() -> HttpConnector<Resolver> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    keep_alive(&mut tcp);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}
