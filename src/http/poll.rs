//! The outcome of one poll of a feed, and a poll through the general client. Silence ends a poll (defect 11).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::time::timeout;

use super::client_slot::ClientSlot;
use super::error::silent;
use super::redaction::Redaction;
use crate::error::{Error, Kind, Result};

/// The longest body of one poll, in bytes, after decompression.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// How a poll went.
#[derive(Debug)]
pub enum PollOutcome {
    /// A whole response, whatever its status.
    Response {
        /// The HTTP status.
        status: u16,
        /// The headers. Those of an error do not repeat the key.
        headers: HeaderMap,
        /// The decoded body. That of an error does not repeat the key.
        body: Bytes,
    },
    /// No connection, or it broke before the head of the response.
    Connect(Error),
    /// Not a byte within the silence time.
    Silent(Error),
    /// The body broke off.
    Cut(Error),
    /// The body is longer than 64 MiB.
    TooLarge(Error),
}

/// Polls `url` with the client in `slot`, which follows redirections and uses proxies.
///
/// # Errors
/// Only errors that no retry can mend: a request that cannot be built.
pub(super) async fn poll_with_client(
    slot: &ClientSlot,
    url: &str,
    headers: HeaderMap,
    silence: Duration,
) -> Result<PollOutcome> {
    let redaction = Redaction::of(&headers);
    let attempt = slot.attempt(url)?;
    let mut response = match timeout(silence, attempt.client().get(url).headers(headers).send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let error = Error::from(error);
            return if error.kind() == Kind::Config { Err(error) } else { Ok(PollOutcome::Connect(error)) };
        }
        Err(_) => return Ok(PollOutcome::Silent(silent(silence))),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = BytesMut::new();
    loop {
        match timeout(silence, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > MAX_BODY_BYTES => return Ok(too_large()),
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => {
                let (headers, body) = redaction.redact(status, headers, body.freeze());
                return Ok(PollOutcome::Response { status, headers, body });
            }
            Ok(Err(error)) => return Ok(PollOutcome::Cut(Error::from(error))),
            Err(_) => return Ok(PollOutcome::Silent(silent(silence))),
        }
    }
}

pub(super) fn too_large() -> PollOutcome {
    PollOutcome::TooLarge(Error::protocol(
        "an answer of the feed is longer than 64 MiB: skipColumns can leave out what is not needed",
    ))
}
