//! Requests to the server behind the proxy: each has a connection of its own, so that one that is dropped ends there, too.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A client's request, read whole.
#[derive(Debug)]
pub struct Ask {
    pub method: http::Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    /// What rules match: `<method> <path>?<query>`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Headers of a connection, which go no further.
const HOP_BY_HOP: [&str; 5] = ["connection", "host", "content-length", "transfer-encoding", "keep-alive"];

/// The server's answer. Compression is not asked for: the proxy compresses where a rule says so.
pub async fn send(server: SocketAddr, ask: &Ask) -> Option<Response<Incoming>> {
    let socket = TcpStream::connect(server).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.ok()?;
    // It ends with the answer's body, or with the sender.
    tokio::spawn(connection);
    let mut request = Request::builder().method(ask.method.clone()).uri(&ask.path).header("host", server.to_string());
    for (name, value) in &ask.headers {
        if !HOP_BY_HOP.contains(&name.as_str()) && name != "accept-encoding" {
            request = request.header(name, value);
        }
    }
    sender.send_request(request.body(Full::new(ask.body.clone())).ok()?).await.ok()
}
