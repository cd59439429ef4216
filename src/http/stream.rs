//! A body that is read as it comes: a GET whose silence is watched (defect 11).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::client;
use super::echo::Echo;
use super::headers::{ClientOptions, call_headers};
use super::line::{Body, Sent, open};
use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Kind, Result};

/// The longest body of a refusal that is read, in bytes.
const LONGEST_REFUSAL: usize = 64 * 1024;

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

/// How a request went.
#[derive(Debug)]
pub enum Opened {
    /// A status below 400: the body follows.
    Open(StreamBody),
    /// A status from 400, whole.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The headers, without the key.
        headers: HeaderMap,
        /// The body, cut at 64 KiB and without the key.
        body: Bytes,
    },
    /// No answer.
    Connect(Error),
    /// Not a byte for the whole silence time.
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

/// What the body comes from.
#[derive(Debug)]
enum Source {
    Line(Box<Body>),
    /// Where a line does not know the way.
    Client(Box<reqwest::Response>),
}

impl StreamBody {
    /// The next bytes, `None` at the end. What is not asked for stays on the wire. May be dropped
    /// before it is ready: nothing is lost.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match &mut self.source {
            Source::Line(body) => body.chunk().await,
            Source::Client(response) => response.chunk().await.map_err(Error::from),
        }
    }

    /// It said nothing: nothing new goes out on the same connection (defect 11).
    pub fn abandon(&self) {
        match &self.source {
            Source::Line(body) => body.abandon(),
            // It is this body's alone.
            Source::Client(_) => {}
        }
    }

    /// As [`StreamBody::chunk`], of what has come already; `None` where nothing has.
    pub async fn ready(&mut self) -> Option<Result<Option<Bytes>>> {
        if let Some(chunk) = self.chunk().now_or_never() {
            return Some(chunk);
        }
        match &self.source {
            Source::Line(_) => None,
            Source::Client(_) => {
                // Who reads the connection hands over one chunk at a time, on a task of its own.
                yield_now().await;
                self.chunk().now_or_never()
            }
        }
    }
}

/// Sends a GET for a stream.
///
/// # Errors
/// Only what no retry can mend: a request or a client that cannot be built.
pub async fn open_stream(url: &str, headers: HeaderMap, silence: Duration) -> Result<Opened> {
    let echo = Echo::of(&headers);
    let mut body = match open(url, &headers, silence).await? {
        Sent::Head(head, body) => {
            StreamBody { status: head.status.as_u16(), headers: head.headers, source: Source::Line(body) }
        }
        Sent::Connect(error) => return Ok(Opened::Connect(error)),
        Sent::Silent(error) => return Ok(Opened::Silent(error)),
        Sent::Elsewhere => {
            match timeout(silence, client::long().attempt(url)?.client().get(url).headers(headers).send()).await {
                Ok(Ok(response)) => {
                    let (status, headers) = (response.status().as_u16(), response.headers().clone());
                    StreamBody { status, headers, source: Source::Client(Box::new(response)) }
                }
                Ok(Err(error)) => {
                    let error = Error::from(error);
                    return if error.kind() == Kind::Config { Err(error) } else { Ok(Opened::Connect(error)) };
                }
                Err(_) => return Ok(Opened::Silent(silent(silence))),
            }
        }
    };
    if body.status < 400 {
        return Ok(Opened::Open(body));
    }
    let mut text = BytesMut::new();
    // A refusal whose body breaks is still a refusal.
    while let Ok(Ok(Some(chunk))) = timeout(silence, body.chunk()).await {
        text.extend_from_slice(&chunk);
        if text.len() >= LONGEST_REFUSAL {
            text.truncate(LONGEST_REFUSAL);
            break;
        }
    }
    let status = body.status;
    let (headers, body) = echo.hide(status, body.headers, text.freeze());
    Ok(Opened::Refused { status, headers, body })
}

/// The error of a connection that says nothing.
pub(crate) fn silent(silence: Duration) -> Error {
    Error::new(ErrorCode::Silent, format!("the server sent nothing for {} ms", silence.as_millis()))
}
