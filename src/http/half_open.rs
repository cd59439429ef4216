//! A test server that leaves its connections half open, as a NAT or a resumed machine does: it reads
//! nothing more on them, and closes none.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::serving::{Panics, Serving, serving};

/// The version of HTTP that the server speaks, without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// The server. Its response to each request is the number of the connection.
pub(super) struct HalfOpenServer {
    pub(super) url: String,
    /// Connections with a lower number are half open.
    half_open: watch::Sender<usize>,
    opened: Arc<Mutex<usize>>,
    _panics: Panics,
    _task: Serving,
}

impl HalfOpenServer {
    pub(super) async fn start(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (half_open, bound) = watch::channel(0);
        let opened = Arc::new(Mutex::new(0));
        let count = opened.clone();
        let panics = Panics::default();
        let guard = panics.guard();
        let task = serving(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                let number = {
                    let mut count = count.lock().expect("whole");
                    *count += 1;
                    *count - 1
                };
                let (mut bound, guard) = (bound.clone(), guard.clone());
                connections.spawn(async move {
                    let _guard = guard;
                    let serving = async {
                        match version {
                            Version::Http1 => http1(socket, number).await,
                            Version::Http2 => http2(socket, number).await,
                        }
                    };
                    let mut serving = std::pin::pin!(serving);
                    tokio::select! {
                        () = serving.as_mut() => {}
                        () = async { drop(bound.wait_for(|below| number < *below).await) } => {
                            // The socket stays open, and is not read.
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
        Self { url, half_open, opened, _panics: panics, _task: task }
    }

    /// How many connections were opened.
    pub(super) fn opened(&self) -> usize {
        *self.opened.lock().expect("whole")
    }

    /// Leaves all present connections half open.
    pub(super) fn stop_reading(&self) {
        self.half_open.send_replace(self.opened());
    }
}

/// The head of the next request; `None` at the end of the connection.
pub(super) async fn head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn http1(mut socket: TcpStream, number: usize) {
    while head(&mut socket).await.is_some() {
        let body = number.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn http2(socket: TcpStream, number: usize) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    while let Some(Ok((_, mut answer))) = connection.accept().await {
        let mut response = Response::new(());
        *response.headers_mut() = HeaderMap::new();
        if let Ok(mut body) = answer.send_response(response, false) {
            let _ = body.send_data(Bytes::from(number.to_string()), true);
        }
    }
}
