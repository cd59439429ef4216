//! The response of a feed, as the viewers of the benchmarks read it: the next cursor, and the update in it.

#![allow(dead_code, reason = "each program uses its part")]

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What a benchmark fails with.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One response.
#[derive(Debug)]
pub(crate) struct FeedResponse {
    pub(crate) status: u16,
    /// Empty where the response has none.
    pub(crate) handle: String,
    pub(crate) offset: String,
    /// The number of the update in it, if any.
    pub(crate) version: Option<u64>,
    /// Whether the run in it is over.
    pub(crate) is_final: bool,
}

/// Reads one response with a `content-length`.
pub(crate) async fn receive(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<FeedResponse> {
    buffer.clear();
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        fill(socket, buffer).await?;
    };
    let text = std::str::from_utf8(&buffer[..head])?.to_owned();
    let value = |name: &str| {
        let found =
            text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let status = text.split(' ').nth(1).ok_or("a response without a status")?.parse()?;
    let length: usize = value("content-length").ok_or("a response without a length")?.parse()?;
    while buffer.len() < head + length {
        fill(socket, buffer).await?;
    }
    let body = std::str::from_utf8(&buffer[head..head + length])?;
    Ok(FeedResponse {
        status,
        handle: value("electric-handle").unwrap_or_default(),
        offset: value("electric-offset").unwrap_or_default(),
        // `bench/peer/row.rs` writes the number of the update into this column.
        version: body.split_once(r#""usageDurationMs":""#).and_then(|(_, rest)| rest.split('"').next()?.parse().ok()),
        is_final: body.contains(r#""status":"COMPLETED_SUCCESSFULLY""#),
    })
}

async fn fill(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<()> {
    if socket.read_buf(buffer).await? == 0 {
        return Err("the relay closed a connection amid a response".into());
    }
    Ok(())
}
