//! A body that is read as it comes: a GET whose silence is watched (defect 11).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::timeout;

use super::client;
use super::echo::Echo;
use super::headers::{ClientOptions, call_headers};
use crate::config::Endpoint;
use crate::error::{Error, Kind, Result};

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
    response: reqwest::Response,
}

impl StreamBody {
    /// The next bytes, `None` at the end. What is not asked for stays on the wire. May be dropped
    /// before it is ready: nothing is lost.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.response.chunk().await.map_err(Error::from)
    }
}

/// Sends a GET for a stream.
///
/// # Errors
/// Only what no retry can mend: a request or a client that cannot be built.
pub async fn open_stream(url: &str, headers: HeaderMap, silence: Duration) -> Result<Opened> {
    let echo = Echo::of(&headers);
    let sent = timeout(silence, client::streams()?.get(url).headers(headers).send()).await;
    let mut response = match sent {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let error = Error::from(error);
            return if error.kind() == Kind::Config { Err(error) } else { Ok(Opened::Connect(error)) };
        }
        Err(_) => return Ok(Opened::Silent(silent(silence))),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    if status < 400 {
        return Ok(Opened::Open(StreamBody { status, headers, response }));
    }
    let mut body = BytesMut::new();
    // A refusal whose body breaks is still a refusal.
    while let Ok(Ok(Some(chunk))) = timeout(silence, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() >= LONGEST_REFUSAL {
            body.truncate(LONGEST_REFUSAL);
            break;
        }
    }
    let (headers, body) = echo.hide(status, headers, body.freeze());
    Ok(Opened::Refused { status, headers, body })
}

/// The error of a connection that says nothing.
pub(crate) fn silent(silence: Duration) -> Error {
    Error::new(Kind::Timeout, "ERR_SILENT", format!("the server sent nothing for {} ms", silence.as_millis()))
}
