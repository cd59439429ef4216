//! The bytes of one connection: those of its socket, or of TLS over it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::tls_identity::TlsIdentity;

/// A connection's bytes.
pub(super) enum Transport {
    Plain(Socket),
    /// The TLS handshake is under way; `None` once it failed.
    Handshake(Option<Box<Accept<Socket>>>),
    Tls(Box<TlsStream<Socket>>),
}

/// A socket that counts the bytes that it took.
pub(super) struct Socket {
    stream: TcpStream,
    sent: u64,
}

impl Transport {
    /// The bytes of a socket; with `tls` after a handshake.
    pub(super) fn new(stream: TcpStream, tls: Option<&TlsIdentity>) -> Self {
        let socket = Socket { stream, sent: 0 };
        match tls {
            None => Self::Plain(socket),
            Some(tls) => Self::Handshake(Some(Box::new(TlsAcceptor::from(tls.config()).accept(socket)))),
        }
    }

    /// Goes on with the handshake, if there is one.
    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Handshake(handshake) = self else { return Poll::Ready(Ok(())) };
        let Some(accept) = handshake else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let shaken = ready!(Pin::new(&mut **accept).poll(cx));
        *handshake = None;
        *self = Self::Tls(Box::new(shaken?));
        Poll::Ready(Ok(()))
    }

    /// How many bytes the socket took. While a handshake is under way nothing waits for it.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Self::Plain(socket) => socket.sent,
            Self::Handshake(_) => 0,
            Self::Tls(stream) => stream.get_ref().0.sent,
        }
    }

    /// Whether bytes that were written wait for the socket to take them.
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Handshake(_) => false,
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            Self::Handshake(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
            Self::Handshake(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
            Self::Handshake(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Handshake(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Handshake(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Socket {
    fn count(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(taken)) = &polled {
            self.sent += *taken as u64;
        }
        polled
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_a_socket_took_is_counted_together() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let mut transport = Transport::new(stream, None);
        transport.write_all(b"four").await.expect("written");
        transport.write_all(b"and six").await.expect("written");
        assert_eq!((transport.sent(), transport.has_unsent()), (11, false));
    }
}
