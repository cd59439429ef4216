//! Servers in memory, for tests in simulated time: a connection to one is a pair of buffers, and never a socket, whose
//! waits no simulated clock knows.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use once_cell::sync::Lazy;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connect::{NetworkSocket, connect as network};
use super::error::connection_error;
use crate::error::Result;
use crate::lock::lock;

/// The ending of the host of every server in memory.
const DOMAIN: &str = ".memory.invalid";
/// The bytes that either side may send before the other reads.
const BUFFER: usize = 16 * 1024;

/// The servers that listen; `None` for one that refuses connections for now.
static LISTENERS: Lazy<Mutex<HashMap<String, Option<UnboundedSender<DuplexStream>>>>> = Lazy::new(Mutex::default);
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A server in memory. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct MemoryListener {
    host: String,
    sender: UnboundedSender<DuplexStream>,
    sockets: UnboundedReceiver<DuplexStream>,
}

impl MemoryListener {
    /// A server under a name that no other has had.
    pub(crate) fn bind() -> Self {
        let host = format!("s{}{DOMAIN}", COUNT.fetch_add(1, Relaxed));
        let (sender, sockets) = unbounded_channel();
        lock(&LISTENERS).insert(host.clone(), Some(sender.clone()));
        Self { host, sender, sockets }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The switch by which it refuses connections, and accepts them again.
    pub(crate) fn switch(&self) -> Switch {
        Switch { host: self.host.clone(), sender: self.sender.clone() }
    }

    /// The next connection.
    pub(crate) async fn accept(&mut self) -> DuplexStream {
        self.sockets.recv().await.expect("the listener holds a sender itself")
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        lock(&LISTENERS).remove(&self.host);
    }
}

/// Lets a server refuse connections.
#[derive(Debug)]
pub(crate) struct Switch {
    host: String,
    sender: UnboundedSender<DuplexStream>,
}

impl Switch {
    pub(crate) fn set(&self, accepts: bool) {
        if let Some(entry) = lock(&LISTENERS).get_mut(&self.host) {
            *entry = accepts.then(|| self.sender.clone());
        }
    }
}

/// Connects to the server in memory that `uri` names, or over the network.
///
/// # Errors
/// `ERR_CONNECTION`.
pub(super) async fn connect(uri: Uri) -> Result<(Socket, bool)> {
    let Some(host) = uri.host().filter(|host| host.ends_with(DOMAIN)) else {
        return network(uri).await.map(|(socket, is_http2)| (Socket::Network(Box::new(socket)), is_http2));
    };
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let sender = lock(&LISTENERS).get(host).cloned().flatten();
    match sender.map(|sender| sender.send(theirs)) {
        Some(Ok(())) => Ok((Socket::Memory(TokioIo::new(ours)), false)),
        Some(Err(_)) | None => Err(connection_error().with_source(io::Error::from(io::ErrorKind::ConnectionRefused))),
    }
}

/// A connection over the network, or in memory.
#[derive(Debug)]
pub(crate) enum Socket {
    Network(Box<NetworkSocket>),
    Memory(TokioIo<DuplexStream>),
}

impl Read for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(socket) => Pin::new(&mut **socket).poll_read(cx, buf),
            Self::Memory(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Network(socket) => Pin::new(&mut **socket).poll_write(cx, buf),
            Self::Memory(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(socket) => Pin::new(&mut **socket).poll_flush(cx),
            Self::Memory(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
            Self::Memory(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
