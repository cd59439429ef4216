//! How one poll of a feed went; silence is watched (defect 11).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::time::timeout;

use super::echo::Echo;
use super::pool::Pool;
use super::stream::silent;
use crate::error::{Error, Kind, Result};

/// The longest body of one poll, in bytes, after decompression.
pub(super) const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// How a poll went.
#[derive(Debug)]
pub enum Polled {
    /// A whole answer, whatever its status.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The headers. Those of an error do not repeat the key.
        headers: HeaderMap,
        /// The decoded body. That of an error does not repeat the key.
        body: Bytes,
    },
    /// No connection, or it broke before the headers.
    Connect(Error),
    /// Not a byte for the whole silence time.
    Silent(Error),
    /// The body broke off.
    Cut(Error),
    /// The body is longer than 64 MiB.
    TooLarge(Error),
}

/// Polls `url` through a client of `pool`, which follows redirections and knows proxies.
///
/// # Errors
/// Only what no retry can mend: a request that cannot be built.
pub(super) async fn by_client(pool: &Pool, url: &str, headers: HeaderMap, silence: Duration) -> Result<Polled> {
    let echo = Echo::of(&headers);
    let attempt = pool.attempt(url)?;
    let mut response = match timeout(silence, attempt.client().get(url).headers(headers).send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let error = Error::from(error);
            return if error.kind() == Kind::Config { Err(error) } else { Ok(Polled::Connect(error)) };
        }
        Err(_) => return Ok(Polled::Silent(silent(silence))),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = BytesMut::new();
    loop {
        match timeout(silence, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > LONGEST_BODY => return Ok(too_large()),
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => {
                let (headers, body) = echo.hide(status, headers, body.freeze());
                return Ok(Polled::Answer { status, headers, body });
            }
            Ok(Err(error)) => return Ok(Polled::Cut(Error::from(error))),
            Err(_) => return Ok(Polled::Silent(silent(silence))),
        }
    }
}

pub(super) fn too_large() -> Polled {
    Polled::TooLarge(Error::protocol(
        "an answer of the feed is longer than 64 MiB: skipColumns can leave out what is not needed",
    ))
}
