//! A proxy: its port, its rules, and what it has open.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::cache::{Cache, Whole};
use super::listener::Listener;
use super::rule::{Action, How, Rule, Rules};
use super::wire::{self, Socket, Wire};
use super::{http1, http2};

/// Bytes between the two halves of a connection.
const BETWEEN: usize = 65_536;

/// What clients speak: HTTP/1.1 in the clear, or HTTP/2 over TLS.
#[derive(Clone)]
pub enum Protocol {
    Http1,
    Http2(TlsAcceptor),
}

/// What clients have open now, and had so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    pub requests: usize,
    pub connections: usize,
    pub all_requests: usize,
    pub all_connections: usize,
    /// How many requests rules with a number have still to hit.
    pub left: usize,
}

#[derive(Debug, Default)]
struct Count {
    now: AtomicUsize,
    all: AtomicUsize,
}

impl Count {
    fn enter(self: &Arc<Self>) -> Counted {
        self.now.fetch_add(1, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }
}

/// Something that is open.
pub struct Counted(Arc<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the connections of a proxy share.
pub struct Shared {
    server: SocketAddr,
    rules: Mutex<Rules>,
    cache: Mutex<Cache>,
    wires: Mutex<Vec<std::sync::Weak<Wire>>>,
    cuts: watch::Sender<usize>,
    requests: Arc<Count>,
    connections: Arc<Count>,
    /// What happens to connections as they are accepted.
    accepting: Mutex<Option<How>>,
    log: Mutex<Vec<String>>,
}

impl Shared {
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    pub fn take(&self, line: &str, under_way: bool) -> Option<Action> {
        self.rules.lock().expect("the rules").take(line, under_way)
    }

    pub fn cached(&self, path: &str, first: bool) -> Option<Whole> {
        self.cache.lock().expect("the cache").get(path, first)
    }

    pub fn keep(&self, line: &str, answer: &Whole) {
        let path = line.split_once(' ').map_or(line, |(_, path)| path);
        self.cache.lock().expect("the cache").put(path, answer);
    }

    pub fn request(&self) -> Counted {
        self.requests.enter()
    }

    /// Resolves when the requests that are under way now are to break off.
    pub async fn cut(&self) {
        let mut cuts = self.cuts.subscribe();
        if cuts.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Dropping it ends its port and its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    url: String,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub fn start(server: SocketAddr, protocol: Protocol) -> std::io::Result<Self> {
        let listener = Arc::new(Listener::bind()?);
        let scheme = if matches!(protocol, Protocol::Http1) { "http" } else { "https" };
        let url = format!("{scheme}://{}", listener.address()?);
        let shared = Arc::new(Shared {
            server,
            rules: Mutex::default(),
            cache: Mutex::default(),
            wires: Mutex::default(),
            cuts: watch::Sender::new(0),
            requests: Arc::default(),
            connections: Arc::default(),
            accepting: Mutex::default(),
            log: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener.clone(), shared.clone(), protocol));
        Ok(Self { shared, listener, url, accepting })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the rules.
    pub fn set(&self, rules: Vec<Rule>) {
        *self.shared.rules.lock().expect("the rules") = Rules::new(rules);
    }

    /// What happens to connections from now on as they are accepted.
    pub fn accepting(&self, how: Option<How>) {
        *self.shared.accepting.lock().expect("the way") = how;
    }

    /// Ends all connections that are open now, or has them fall silent.
    pub fn end(&self, how: How) {
        for wire in self.shared.wires.lock().expect("the wires").drain(..).filter_map(|wire| wire.upgrade()) {
            wire.end(how);
        }
    }

    /// Breaks off the requests that are under way; idle connections stay.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Refuses connections, and ends those that are open.
    pub fn down(&self) -> std::io::Result<()> {
        self.listener.down()?;
        self.end(How::Reset);
        Ok(())
    }

    pub fn up(&self) -> std::io::Result<()> {
        self.listener.up()
    }

    pub fn open(&self) -> Open {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        Open {
            requests: read(&self.shared.requests.now),
            connections: read(&self.shared.connections.now),
            all_requests: read(&self.shared.requests.all),
            all_connections: read(&self.shared.connections.all),
            left: self.shared.rules.lock().expect("the rules").left(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: Arc<Listener>, shared: Arc<Shared>, protocol: Protocol) {
    let mut connections = JoinSet::new();
    loop {
        let socket = tokio::select! {
            socket = listener.accept() => socket,
            Some(_) = connections.join_next() => continue,
        };
        let _ = socket.set_nodelay(true);
        let (shared, protocol) = (shared.clone(), protocol.clone());
        let counted = shared.connections.enter();
        connections.spawn(async move {
            let _counted = counted;
            connection(socket, shared, protocol).await;
        });
    }
}

async fn connection(socket: tokio::net::TcpStream, shared: Arc<Shared>, protocol: Protocol) {
    let wire = Arc::new(Wire::default());
    {
        let mut wires = shared.wires.lock().expect("the wires");
        wires.retain(|wire| wire.strong_count() > 0);
        wires.push(Arc::downgrade(&wire));
    }
    let accepting = *shared.accepting.lock().expect("the way");
    match accepting {
        Some(How::Stall) => {
            // It is open as long as the client keeps it.
            let mut socket = socket;
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
            return;
        }
        Some(_) => return socket.reset(),
        None => {}
    }
    let (front, back) = tokio::io::duplex(BETWEEN);
    match protocol {
        Protocol::Http1 => {
            let serving = http1::serve(shared, front, wire.clone());
            tokio::join!(serving, wire::carry(socket, back, wire.clone(), false));
        }
        Protocol::Http2(acceptor) => {
            let accepted = tokio::select! {
                accepted = acceptor.accept(socket) => accepted,
                _ = wire.ended() => return,
            };
            let Ok(socket) = accepted else { return };
            let serving = http2::serve(shared, front, wire.clone());
            tokio::join!(serving, wire::carry(socket, back, wire.clone(), true));
        }
    }
}
