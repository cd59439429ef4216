//! The bytes of one connection, between its client and the half of the proxy that speaks HTTP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::frames::Frames;
use super::rule::How;

/// A client's connection: TCP, or TLS over it.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Has the connection end with RST once it is dropped.
    fn reset(&self);
}

impl Socket for tokio::net::TcpStream {
    fn reset(&self) {
        // A socket that is gone needs no RST.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Socket for tokio_rustls::server::TlsStream<tokio::net::TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

#[derive(Debug, Default)]
struct State {
    sent: usize,
    /// The connection breaks off once so many bytes were sent in all.
    limit: Option<(usize, How)>,
    frozen: bool,
    ended: Option<How>,
    drip: Option<(usize, Duration)>,
    /// Frames of HTTP/2 that go out between others.
    injected: VecDeque<Bytes>,
    /// Of the SETTINGS that went out and are not acknowledged: whether they were injected.
    settings: VecDeque<bool>,
}

/// What is to happen to the bytes of a connection.
#[derive(Debug, Default)]
pub struct Wire {
    state: Mutex<State>,
    changed: Notify,
}

impl Wire {
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().expect("the wire's state"));
        self.changed.notify_waiters();
        changed
    }

    /// Breaks off after so many more bytes.
    pub fn break_after(&self, bytes: usize, how: How) {
        self.update(|state| state.limit = Some((state.sent + bytes, how)));
    }

    /// Breaks off now.
    pub fn end(&self, how: How) {
        self.update(|state| if how == How::Stall { state.frozen = true } else { state.ended = Some(how) });
    }

    pub fn drip(&self, drip: Option<(usize, Duration)>) {
        self.update(|state| state.drip = drip);
    }

    /// Sends a frame of HTTP/2 between others.
    pub fn inject(&self, frame: Bytes) {
        self.update(|state| state.injected.push_back(frame));
    }

    pub fn is_frozen(&self) -> bool {
        self.update(|state| state.frozen)
    }

    /// Resolves once the connection has broken off.
    pub async fn ended(&self) -> How {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(how) = self.state.lock().expect("the wire's state").ended {
                return how;
            }
            changed.await;
        }
    }
}

/// Carries bytes until the connection ends, in the way that the wire says.
pub async fn carry<S: Socket>(socket: S, front: DuplexStream, wire: Arc<Wire>, http2: bool) {
    let (from_client, to_client) = tokio::io::split(socket);
    let (from_front, to_front) = tokio::io::split(front);
    let mut out = Outward { to: to_client, from: from_front, wire: wire.clone(), frames: http2.then(Frames::default) };
    let mut inward = Inward { from: from_client, to: to_front, wire: wire.clone(), http2 };
    let how = tokio::select! {
        how = wire.ended() => how,
        () = inward.run() => How::Close,
        () = out.run() => How::Close,
    };
    let socket = inward.from.unsplit(out.to);
    if how == How::Reset {
        socket.reset();
    }
}

struct Outward<S> {
    from: ReadHalf<DuplexStream>,
    to: WriteHalf<S>,
    wire: Arc<Wire>,
    frames: Option<Frames>,
}

impl<S: Socket> Outward<S> {
    async fn run(&mut self) {
        let mut buffer = BytesMut::with_capacity(65_536);
        let wire = self.wire.clone();
        loop {
            let mut changed = std::pin::pin!(wire.changed.notified());
            changed.as_mut().enable();
            while let Some(frame) = self.wire.update_quietly(|state| state.injected.pop_front()) {
                self.wire.update_quietly(|state| {
                    if frame[3] == 4 {
                        state.settings.push_back(true);
                    }
                });
                if self.send(&frame).await.is_err() {
                    return;
                }
            }
            let read = tokio::select! {
                read = self.from.read_buf(&mut buffer) => read,
                () = changed => continue,
            };
            if !matches!(read, Ok(1..)) {
                // The answer said that the connection ends; a frozen one is silent all the same.
                if self.wire.is_frozen() {
                    std::future::pending::<()>().await;
                }
                let _ = self.to.shutdown().await;
                return;
            }
            let bytes = buffer.split().freeze();
            if self.pass(&bytes).await.is_err() {
                return;
            }
        }
    }

    /// Whole frames of HTTP/2, so that others can go out between them; else the bytes as they are.
    async fn pass(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let Some(mut frames) = self.frames.take() else { return self.send(bytes).await };
        frames.extend(bytes);
        let mut sent = Ok(());
        while let (Ok(()), Some(frame)) = (&sent, frames.next()) {
            if frame.is_settings() {
                self.wire.update_quietly(|state| state.settings.push_back(false));
            }
            sent = self.send(&frame.bytes).await;
        }
        self.frames = Some(frames);
        sent
    }

    async fn send(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let (allowed, drip, frozen) = self.wire.update_quietly(|state| {
                let left = state.limit.map_or(usize::MAX, |(limit, _)| limit - state.sent.min(limit));
                (left, state.drip, state.frozen)
            });
            if frozen {
                std::future::pending::<()>().await;
            }
            if allowed == 0 {
                let how = self.wire.update_quietly(|state| state.limit.take()).map_or(How::Reset, |(_, how)| how);
                self.to.flush().await?;
                self.wire.end(how);
                std::future::pending::<()>().await;
            }
            let part = bytes.len().min(allowed).min(drip.map_or(usize::MAX, |(size, _)| size));
            self.to.write_all(&bytes[..part]).await?;
            self.to.flush().await?;
            self.wire.update_quietly(|state| state.sent += part);
            bytes = &bytes[part..];
            if let Some((_, every)) = drip {
                tokio::time::sleep(every).await;
            }
        }
        Ok(())
    }
}

impl Wire {
    /// As `update`, by the task that carries the bytes: it wakes nobody.
    fn update_quietly<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("the wire's state"))
    }
}

struct Inward<S> {
    from: ReadHalf<S>,
    to: WriteHalf<DuplexStream>,
    wire: Arc<Wire>,
    http2: bool,
}

impl<S: Socket> Inward<S> {
    /// Ends when the client has gone, also of a frozen connection.
    async fn run(&mut self) {
        let mut frames = self.http2.then(Frames::of_client);
        let mut buffer = BytesMut::with_capacity(65_536);
        while let Ok(1..) = self.from.read_buf(&mut buffer).await {
            let bytes = buffer.split().freeze();
            if self.wire.is_frozen() {
                continue;
            }
            let Some(frames) = &mut frames else {
                if self.to.write_all(&bytes).await.is_err() {
                    return;
                }
                continue;
            };
            frames.extend(&bytes);
            while let Some(frame) = frames.next() {
                // The server would take the acknowledgement of SETTINGS that it did not send for an error.
                let injected = frame.is_settings_ack()
                    && self.wire.update_quietly(|state| state.settings.pop_front()) == Some(true);
                if !injected && self.to.write_all(&frame.bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
