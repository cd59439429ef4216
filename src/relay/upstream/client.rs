//! Sends a request to the server, and passes the answer back part by part. The client never repeats a request: only the
//! viewer knows whether it may be repeated.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::Method;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::SendError;
use super::headers::{for_server, for_viewer};
use crate::http::{Attempt, pass_through};
use crate::lock::lock;
use crate::serve::Body;

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Until the server answers, once it has all that the viewer has sent so far.
    pub(crate) head: Duration,
    /// Between two parts of a body, either way.
    pub(crate) idle: Duration,
}

impl Timeouts {
    /// For viewers' requests. A stream pings every 15 s.
    pub(crate) const VIEWER: Self = Self { head: Duration::from_secs(60), idle: Duration::from_secs(120) };
}

/// A request to the server.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) method: Method,
    /// The base URL, the path of a [`Route`](crate::relay::router::Route), and the query.
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) timeouts: Timeouts,
}

/// Sends a request with its body, of at most `max` bytes.
///
/// # Errors
/// The reason why the server gave no answer. An answer of any status is no error.
pub(crate) async fn send(request: Outbound, body: Body, max: u64) -> Result<http::Response<Body>, SendError> {
    let hint = body.size_hint();
    if hint.lower() > max {
        return Err(SendError::TooLarge);
    }
    let timeouts = request.timeouts;
    let headers = for_server(request.headers)?;
    let attempt = attempt(&request.url)?;
    let mut builder = attempt.client().request(request.method, &request.url).headers(headers);
    let upload = Arc::new(Upload::default());
    if !body.is_end_stream() {
        // The length is the body's own: the viewer's header could say another.
        if let Some(length) = hint.exact() {
            builder = builder.header(CONTENT_LENGTH, length);
        }
        builder = builder.body(reqwest::Body::wrap_stream(limited(body, max, timeouts.idle, upload.clone())));
    }
    let mut sending = pin!(builder.send());
    let sent = loop {
        let due = upload.waiting_since().unwrap_or_else(Instant::now) + timeouts.head;
        match timeout_at(due, &mut sending).await {
            Ok(sent) => break sent,
            // More of the body went out meanwhile, or the viewer is the slow one.
            Err(_) if upload.waiting_since().is_none_or(|since| Instant::now() < since + timeouts.head) => {}
            Err(_) => {
                attempt.timed_out();
                return Err(SendError::TimedOut);
            }
        }
    };
    sent.map(|response| answer(response, timeouts.idle)).map_err(|error| upload.error(&error))
}

/// Sends a request without a body: a `GET` or `HEAD`.
///
/// # Errors
/// As [`send`].
pub(crate) async fn fetch(request: Outbound) -> Result<http::Response<Body>, SendError> {
    let timeouts = request.timeouts;
    let headers = for_server(request.headers)?;
    let attempt = attempt(&request.url)?;
    let builder = attempt.client().request(request.method, &request.url).headers(headers);
    let sent = in_time(attempt, timeouts.head, builder).await?;
    sent.map(|response| answer(response, timeouts.idle)).map_err(|error| Upload::default().error(&error))
}

fn attempt(url: &str) -> Result<Attempt<'static>, SendError> {
    pass_through().attempt(url).map_err(|_| SendError::Unreachable)
}

/// The head of the answer. A connection that gives none in time gets no further request.
async fn in_time(
    attempt: Attempt<'_>,
    head: Duration,
    builder: reqwest::RequestBuilder,
) -> Result<reqwest::Result<reqwest::Response>, SendError> {
    timeout(head, builder.send()).await.map_err(|_| {
        attempt.timed_out();
        SendError::TimedOut
    })
}

/// The state of a request's body.
#[derive(Debug)]
struct Upload {
    too_large: AtomicBool,
    broken: AtomicBool,
    /// The time since which the server has all that the viewer sent of the body; `None` while the viewer is waited for.
    waiting_since: Mutex<Option<Instant>>,
}

impl Default for Upload {
    fn default() -> Self {
        let waiting_since = Mutex::new(Some(Instant::now()));
        Self { too_large: AtomicBool::new(false), broken: AtomicBool::new(false), waiting_since }
    }
}

impl Upload {
    fn waiting_since(&self) -> Option<Instant> {
        *lock(&self.waiting_since)
    }

    fn set_waiting(&self, since: Option<Instant>) {
        *lock(&self.waiting_since) = since;
    }

    fn error(&self, error: &reqwest::Error) -> SendError {
        if self.too_large.load(Ordering::SeqCst) {
            SendError::TooLarge
        } else if self.broken.load(Ordering::SeqCst) {
            SendError::Broken
        } else if error.is_timeout() {
            SendError::TimedOut
        } else {
            SendError::Unreachable
        }
    }
}

/// The parts of a request's body. They end with an error beyond `max` bytes, and after a silence of `idle`.
fn limited(
    body: Body,
    max: u64,
    idle: Duration,
    upload: Arc<Upload>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    unfold(Some((body, max)), move |state| {
        let upload = upload.clone();
        async move {
            let (mut body, left) = state?;
            loop {
                upload.set_waiting(None);
                let frame = timeout(idle, body.frame()).await;
                upload.set_waiting(Some(Instant::now()));
                let frame = match frame {
                    Ok(None) => return None,
                    Ok(Some(Ok(frame))) => frame,
                    Ok(Some(Err(_))) | Err(_) => {
                        upload.broken.store(true, Ordering::SeqCst);
                        return Some((Err(io::Error::other("the request body broke off")), None));
                    }
                };
                // Trailers are hop-by-hop.
                let Ok(data) = frame.into_data() else { continue };
                return Some(if let Some(left) = left.checked_sub(data.len() as u64) {
                    (Ok(data), Some((body, left)))
                } else {
                    upload.too_large.store(true, Ordering::SeqCst);
                    (Err(io::Error::other("the request body is too long")), None)
                });
            }
        }
    })
}

/// The server's answer, as the viewer gets it.
fn answer(response: reqwest::Response, idle: Duration) -> http::Response<Body> {
    let (status, headers) = (response.status(), for_viewer(response.headers().clone()));
    let parts = unfold(Some(response), move |state| async move {
        let mut response = state?;
        match timeout(idle, response.chunk()).await {
            Ok(Ok(None)) => None,
            Ok(Ok(Some(data))) => Some((Ok(Frame::data(data)), Some(response))),
            Ok(Err(_)) => Some((Err(io::Error::other("the server broke off")), None)),
            Err(_) => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
        }
    });
    let mut answer = http::Response::new(StreamBody::new(parts).boxed_unsync());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// An answer whose body breaks off when `stop` is cancelled, so that the viewer comes back with its place.
pub(crate) fn break_off_on(stop: CancellationToken, answer: http::Response<Body>) -> http::Response<Body> {
    answer.map(|body| {
        let parts = unfold(Some((body, stop)), |state| async move {
            let (mut body, stop) = state?;
            tokio::select! {
                biased;
                () = stop.cancelled() => Some((Err(io::Error::other("the relay stopped")), None)),
                frame = body.frame() => frame.map(|frame| (frame, Some((body, stop)))),
            }
        });
        StreamBody::new(parts).boxed_unsync()
    })
}
