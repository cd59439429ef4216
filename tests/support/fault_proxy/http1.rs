//! The half of the proxy that speaks HTTP/1.1, by hand: what goes out is known to the byte.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::exchange;
use super::proxy::Shared;
use super::responder::{Gone, Responder};
use super::rule::How;
use super::upstream::Ask;
use super::wire::Wire;

/// Answers one request after another, until the connection ends.
pub async fn serve(shared: Arc<Shared>, mut io: DuplexStream, wire: Arc<Wire>) {
    let mut buffer = BytesMut::new();
    while let Some(ask) = read(&mut io, &mut buffer).await {
        let _request = shared.request();
        let mut to = Http1 { io: &mut io, wire: &wire, chunked: false };
        if exchange::run(&shared, &ask, &mut to).await.is_err() {
            return;
        }
    }
}

async fn more(io: &mut DuplexStream, buffer: &mut BytesMut) -> Option<()> {
    matches!(io.read_buf(buffer).await, Ok(1..)).then_some(())
}

/// The next request; `None` when the client has gone.
async fn read(io: &mut DuplexStream, buffer: &mut BytesMut) -> Option<Ask> {
    let end = loop {
        match buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(io, buffer).await?,
        }
    };
    let head = String::from_utf8(buffer.split_to(end).to_vec()).ok()?;
    buffer.advance(4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let method: Method = first.next()?.parse().ok()?;
    let path = first.next()?.to_owned();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?);
    }
    let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let body = if headers.contains_key("transfer-encoding") {
        chunks(io, buffer).await?
    } else {
        take(io, buffer, length.unwrap_or(0)).await?
    };
    Some(Ask { method, path, headers, body })
}

async fn take(io: &mut DuplexStream, buffer: &mut BytesMut, length: usize) -> Option<Bytes> {
    while buffer.len() < length {
        more(io, buffer).await?;
    }
    Some(buffer.split_to(length).freeze())
}

/// A body in chunks, without extensions and trailers.
async fn chunks(io: &mut DuplexStream, buffer: &mut BytesMut) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let end = loop {
            match buffer.windows(2).position(|two| two == b"\r\n") {
                Some(end) => break end,
                None => more(io, buffer).await?,
            }
        };
        let size = usize::from_str_radix(std::str::from_utf8(&buffer[..end]).ok()?.trim(), 16).ok()?;
        buffer.advance(end + 2);
        let chunk = take(io, buffer, size + 2).await?;
        if size == 0 {
            return Some(body.freeze());
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

struct Http1<'a> {
    io: &'a mut DuplexStream,
    wire: &'a Wire,
    chunked: bool,
}

impl Http1<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.io.write_all(bytes).await.map_err(|_| Gone)
    }
}

impl Responder for Http1<'_> {
    async fn head(&mut self, head: Parts) -> Result<(), Gone> {
        self.chunked = !head.headers.contains_key("content-length") && head.status != 204 && head.status != 304;
        let mut text =
            format!("HTTP/1.1 {} {}\r\n", head.status.as_u16(), head.status.canonical_reason().unwrap_or(""));
        for (name, value) in &head.headers {
            if name != "transfer-encoding" && name != "connection" {
                let _ = write!(text, "{name}: {}\r\n", value.to_str().unwrap_or_default());
            }
        }
        text.push_str(if self.chunked { "transfer-encoding: chunked\r\n\r\n" } else { "\r\n" });
        self.write(text.as_bytes()).await
    }

    async fn data(&mut self, bytes: Bytes) -> Result<(), Gone> {
        if !self.chunked {
            return self.write(&bytes).await;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(&bytes);
        chunk.extend_from_slice(b"\r\n");
        self.write(&chunk).await
    }

    async fn end(&mut self) -> Result<(), Gone> {
        if self.chunked {
            self.write(b"0\r\n\r\n").await?;
        }
        Ok(())
    }

    fn break_off(&mut self, _: How) {
        self.wire.end(How::Reset);
    }

    /// No client of ours sends a request before it has the answer to the one before: what can be read is the end.
    async fn gone(&mut self) {
        let mut byte = [0];
        let _ = self.io.read(&mut byte).await;
    }

    fn wire(&self) -> &Wire {
        self.wire
    }

    fn go_away(&mut self) {}
}
