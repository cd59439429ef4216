//! A port that can refuse for a while, and is still nobody else's.

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const BACKLOG: i32 = 1_024;

pub struct Listener {
    socket: Socket,
    /// What accepts connections; made anew after each pause, since tokio holds a socket that hung up for closed for good.
    accepting: watch::Sender<Option<Arc<TcpListener>>>,
}

impl Listener {
    /// A free port of 127.0.0.1. It is named when it is bound: the system keeps a port that was named while it is down.
    pub fn bind() -> std::io::Result<Self> {
        loop {
            let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            // Another process may have taken it meanwhile.
            if socket.bind(&free.into()).is_err() {
                continue;
            }
            let listener = Self { socket, accepting: watch::Sender::new(None) };
            if listener.up().is_ok() {
                return Ok(listener);
            }
        }
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| std::io::Error::other("no address"))
    }

    /// Refuses connections from now on.
    pub fn down(&self) -> std::io::Result<()> {
        self.accepting.send_replace(None);
        self.socket.shutdown(Shutdown::Both)
    }

    /// Accepts connections.
    pub fn up(&self) -> std::io::Result<()> {
        self.socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(self.socket.try_clone()?.into())?;
        self.accepting.send_replace(Some(Arc::new(listener)));
        Ok(())
    }

    /// The next connection.
    pub async fn accept(&self) -> TcpStream {
        let mut changes = self.accepting.subscribe();
        loop {
            let accepting = changes.borrow_and_update().clone();
            let Some(listener) = accepting else {
                // The sender lives as long as this.
                let _ = changes.changed().await;
                continue;
            };
            tokio::select! {
                accepted = listener.accept() => if let Ok((socket, _)) = accepted { return socket },
                _ = changes.changed() => {}
            }
        }
    }
}
