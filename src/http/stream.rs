//! A GET whose body is read as it arrives, and ends in silence (defect 11).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::clients;
use super::error::silent;
use super::headers::{ClientOptions, call_headers};
use super::pool::{Body, OpenOutcome, open};
use super::reconnects::ReconnectLimiter;
use super::redaction::Redaction;
use crate::config::Endpoint;
use crate::error::{Error, Kind, Result};

/// The most of a refusal's body that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// The headers of every request of a stream: those of a call, which carries no body.
///
/// # Errors
/// `ERR_INVALID_HEADER` when something in the configuration cannot stand in a header.
pub fn stream_headers(endpoint: &Endpoint, options: &ClientOptions) -> Result<HeaderMap> {
    let mut headers = call_headers(endpoint, options, "")?;
    headers.remove(CONTENT_TYPE);
    headers.remove("x-trigger-request-idempotency-key");
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    Ok(headers)
}

/// How the request for a stream went.
#[derive(Debug)]
pub enum StreamOutcome {
    /// A status below 400: the body follows.
    Open(StreamBody),
    /// A status from 400: the whole response.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The headers, without the key.
        headers: HeaderMap,
        /// The body, cut at 64 KiB and without the key.
        body: Bytes,
    },
    /// No response.
    Connect(Error),
    /// Not a byte within the silence time.
    Silent(Error),
}

/// A body that is read chunk by chunk. Dropping it ends the request.
#[derive(Debug)]
pub struct StreamBody {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    source: Source,
}

/// Where the body comes from.
#[derive(Debug)]
enum Source {
    Pool(Box<Body>),
    /// Where the pool does not reach the server.
    Client(Box<reqwest::Response>),
}

impl StreamBody {
    /// The next bytes, `None` at the end. Bytes that are not asked for stay on the wire. Cancel safe:
    /// dropping the future loses nothing.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match &mut self.source {
            Source::Pool(body) => body.chunk().await,
            Source::Client(response) => response.chunk().await.map_err(Error::from),
        }
    }

    /// Takes a connection that fell silent out of use (defect 11).
    pub fn abandon(&self) {
        match &self.source {
            Source::Pool(body) => body.abandon(),
            // No other request has this connection.
            Source::Client(_) => {}
        }
    }

    /// As [`StreamBody::chunk`], without waiting: `None` where no bytes have arrived.
    pub async fn ready(&mut self) -> Option<Result<Option<Bytes>>> {
        if let Some(chunk) = self.chunk().now_or_never() {
            return Some(chunk);
        }
        match &self.source {
            Source::Pool(_) => None,
            Source::Client(_) => {
                // hyper reads the connection on a task of its own, and hands over one chunk at a time.
                yield_now().await;
                self.chunk().now_or_never()
            }
        }
    }
}

/// Whether a stream is opened for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The first request of a stream.
    First,
    /// The stream goes on: the request waits for its turn among all reconnects to the server.
    Again,
}

/// Sends a GET for a stream.
///
/// # Errors
/// Only errors that no retry can mend: a request or a client that cannot be built.
pub async fn open_stream(url: &str, opening: Opening, headers: HeaderMap, silence: Duration) -> Result<StreamOutcome> {
    let redaction = Redaction::of(&headers);
    if opening == Opening::Again {
        ReconnectLimiter::of(url).turn().await;
    }
    let mut body = match open(url, &headers, silence).await? {
        OpenOutcome::Head(head, body) => {
            StreamBody { status: head.status.as_u16(), headers: head.headers, source: Source::Pool(body) }
        }
        OpenOutcome::Connect(error) => return Ok(StreamOutcome::Connect(error)),
        OpenOutcome::Silent(error) => return Ok(StreamOutcome::Silent(error)),
        OpenOutcome::Fallback => {
            match timeout(silence, clients::long().attempt(url)?.client().get(url).headers(headers).send()).await {
                Ok(Ok(response)) => {
                    let (status, headers) = (response.status().as_u16(), response.headers().clone());
                    StreamBody { status, headers, source: Source::Client(Box::new(response)) }
                }
                Ok(Err(error)) => {
                    let error = Error::from(error);
                    return if error.kind() == Kind::Config { Err(error) } else { Ok(StreamOutcome::Connect(error)) };
                }
                Err(_) => return Ok(StreamOutcome::Silent(silent(silence))),
            }
        }
    };
    if body.status < 400 {
        return Ok(StreamOutcome::Open(body));
    }
    let mut text = BytesMut::new();
    // A refusal whose body breaks is still a refusal.
    while let Ok(Ok(Some(chunk))) = timeout(silence, body.chunk()).await {
        text.extend_from_slice(&chunk);
        if text.len() >= MAX_REFUSAL_BYTES {
            text.truncate(MAX_REFUSAL_BYTES);
            break;
        }
    }
    let status = body.status;
    let (headers, body) = redaction.redact(status, body.headers, text.freeze());
    Ok(StreamOutcome::Refused { status, headers, body })
}
