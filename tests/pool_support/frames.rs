//! HTTP/2 frame by frame, for faults that a correct server does not have.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

pub const NO_ERROR: u32 = 0;
pub const REFUSED_STREAM: u32 = 7;

/// A server that leaves each connection to the test.
pub struct FrameServer {
    pub url: String,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl FrameServer {
    pub async fn start() -> Self {
        let (listener, url) = super::listen().await;
        Self { url, listener, acceptor: super::acceptor(super::Protocol::Http2) }
    }

    /// Accepts one connection that may have `cap` streams.
    pub async fn accept(&self, cap: u32) -> Raw {
        let mut raw = Raw { stream: super::accept(&self.listener, &self.acceptor).await };
        let mut preface = [0; 24];
        raw.stream.read_exact(&mut preface).await.expect("a preface");
        raw.settings(cap).await;
        raw
    }
}

/// The server's end of a connection. Dropping it closes the connection.
pub struct Raw {
    stream: TlsStream<TcpStream>,
}

impl Raw {
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // Some tests are about a client that is gone.
        let _ = self.stream.write_all(&frame).await;
        let _ = self.stream.flush().await;
    }

    /// Allows `cap` streams from now on.
    pub async fn settings(&mut self, cap: u32) {
        let mut payload = 3_u16.to_be_bytes().to_vec();
        payload.extend(cap.to_be_bytes());
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    async fn frame(&mut self) -> Option<(u8, u8, u32)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("short")];
        self.stream.read_exact(&mut payload).await.ok()?;
        let (kind, flags) = (head[3], head[4]);
        if kind == SETTINGS && flags & 1 == 0 {
            self.send(SETTINGS, 1, 0, &[]).await;
        } else if kind == PING && flags & 1 == 0 {
            self.send(PING, 1, 0, &payload).await;
        }
        Some((kind, flags, u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]])))
    }

    /// The stream of the next request; `None` when the client is gone.
    pub async fn request(&mut self) -> Option<u32> {
        loop {
            let (kind, _, stream) = self.frame().await?;
            if kind == HEADERS {
                return Some(stream);
            }
        }
    }

    /// Waits until the client has acknowledged `times` settings.
    pub async fn acknowledged(&mut self, times: usize) {
        let mut seen = 0;
        while seen < times {
            let (kind, flags, _) = self.frame().await.expect("a frame");
            seen += usize::from(kind == SETTINGS && flags & 1 == 1);
        }
    }

    /// Sends the head of a response, and the first part of its body.
    pub async fn begin(&mut self, stream: u32, headers: &[(&str, &str)], body: &str) {
        let mut block = vec![0x88];
        for (name, value) in headers {
            block.push(0);
            for text in [name, value] {
                // Lengths with a prefix of 7 bits.
                if let Some(more) = text.len().checked_sub(127) {
                    assert!(more < 16_384, "short");
                    let more = u8::try_from(more & 127).map(|low| (low, u8::try_from(more >> 7).expect("short")));
                    let (low, high) = more.expect("short");
                    block.extend([127, low | 128, high]);
                } else {
                    block.push(u8::try_from(text.len()).expect("short"));
                }
                block.extend(text.as_bytes());
            }
        }
        self.send(HEADERS, 4, stream, &block).await;
        self.send(DATA, 0, stream, body.as_bytes()).await;
    }

    /// Answers the next request with `body`.
    pub async fn respond(&mut self, body: &str) {
        let stream = self.request().await.expect("a request");
        self.answer(stream, &[], body).await;
    }

    /// Sends a whole response.
    pub async fn answer(&mut self, stream: u32, headers: &[(&str, &str)], body: &str) {
        self.begin(stream, headers, body).await;
        self.send(DATA, 1, stream, &[]).await;
    }

    pub async fn reset(&mut self, stream: u32, reason: u32) {
        self.send(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
    }

    /// Sends GOAWAY: the server acted on requests up to `last`.
    pub async fn go_away(&mut self, last: u32, reason: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(reason.to_be_bytes());
        self.send(GOAWAY, 0, 0, &payload).await;
    }
}
