//! Passing a request through to the server with the viewer's own token, and the answer back, part by part.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::http::{Attempt, pass_through};
use crate::lock::lock;
use crate::secret::Secret;
use crate::serve::{Body, Response};

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Until the server answers, from when it has what the viewer sent so far.
    pub(crate) head: Duration,
    /// While a body is silent, either way.
    pub(crate) idle: Duration,
}

impl Times {
    /// For what viewers send. A stream pings every 15 s.
    pub(crate) const VIEWER: Self = Self { head: Duration::from_secs(60), idle: Duration::from_secs(120) };
}

/// A request to pass.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Its method.
    pub(crate) method: Method,
    /// Where it goes: the base URL, a path of [`Route`](super::route::Route), and the query.
    pub(crate) url: String,
    /// The viewer's headers.
    pub(crate) headers: HeaderMap,
    /// How long is waited for the server, and for the viewer's body.
    pub(crate) times: Times,
}

/// Why there is no answer of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The request's body is too long.
    TooLarge,
    /// The request's body broke off.
    Broken,
    /// `Authorization` comes more than once: which one counts is anyone's guess.
    Ambiguous,
    /// The server was not reached, or broke off.
    Unreachable,
    /// The server did not answer in time.
    Late,
}

impl Failed {
    /// What the viewer is told.
    pub(crate) fn answer(self) -> Response {
        let (status, text) = match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Broken => (StatusCode::BAD_REQUEST, "The request body broke off"),
            Self::Ambiguous => (StatusCode::BAD_REQUEST, "More than one Authorization header"),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The server could not be reached"),
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, "The server did not answer in time"),
        };
        Response::api_error(status, text)
    }
}

/// A token as a header; `None` for one that no header can carry.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

/// Passes a request with its body, of at most `most` bytes.
///
/// # Errors
/// Why there is no answer. An answer of the server's is one, whatever its status.
pub(crate) async fn pass(request: Passed, body: Body, most: u64) -> Result<http::Response<Body>, Failed> {
    let hint = body.size_hint();
    if hint.lower() > most {
        return Err(Failed::TooLarge);
    }
    let times = request.times;
    let headers = forward(request.headers)?;
    let attempt = attempt(&request.url)?;
    let mut builder = attempt.client().request(request.method, &request.url).headers(headers);
    let trouble = Arc::new(Trouble::default());
    if !body.is_end_stream() {
        // Told by the body itself: a header could say otherwise.
        if let Some(length) = hint.exact() {
            builder = builder.header(CONTENT_LENGTH, length);
        }
        builder = builder.body(reqwest::Body::wrap_stream(limited(body, most, times.idle, trouble.clone())));
    }
    let mut sending = pin!(builder.send());
    let sent = loop {
        let due = trouble.waiting_since().unwrap_or_else(Instant::now) + times.head;
        match timeout_at(due, &mut sending).await {
            Ok(sent) => break sent,
            // Meanwhile more of the body went out, or the viewer is what is waited for.
            Err(_) if trouble.waiting_since().is_none_or(|since| Instant::now() < since + times.head) => {}
            Err(_) => {
                attempt.timed_out();
                return Err(Failed::Late);
            }
        }
    };
    sent.map(|response| answer(response, times.idle)).map_err(|error| trouble.failed(&error))
}

/// Asks with `GET` or `HEAD` and the viewer's headers: streams and feeds that memory does not have.
///
/// # Errors
/// As [`pass`].
pub(crate) async fn get(request: Passed) -> Result<http::Response<Body>, Failed> {
    let times = request.times;
    let headers = forward(request.headers)?;
    let attempt = attempt(&request.url)?;
    let builder = attempt.client().request(request.method, &request.url).headers(headers);
    let sent = in_time(attempt, times.head, builder).await?;
    sent.map(|response| answer(response, times.idle)).map_err(|error| Trouble::default().failed(&error))
}

fn attempt(url: &str) -> Result<Attempt<'static>, Failed> {
    pass_through().attempt(url).map_err(|_| Failed::Unreachable)
}

/// The head of the answer. Where none comes in time, nothing else goes out on that connection. The
/// request itself is sent once, whatever becomes of it: the viewer knows whether it may be repeated.
async fn in_time(
    attempt: Attempt<'_>,
    head: Duration,
    builder: reqwest::RequestBuilder,
) -> Result<reqwest::Result<reqwest::Response>, Failed> {
    timeout(head, builder.send()).await.map_err(|_| {
        attempt.timed_out();
        Failed::Late
    })
}

/// What became of a request's body.
#[derive(Debug)]
struct Trouble {
    too_large: AtomicBool,
    broken: AtomicBool,
    /// Since when the server has all there is of it; none while the viewer is waited for.
    waiting_since: Mutex<Option<Instant>>,
}

impl Default for Trouble {
    fn default() -> Self {
        let waiting_since = Mutex::new(Some(Instant::now()));
        Self { too_large: AtomicBool::new(false), broken: AtomicBool::new(false), waiting_since }
    }
}

impl Trouble {
    fn waiting_since(&self) -> Option<Instant> {
        *lock(&self.waiting_since)
    }

    fn set_waiting(&self, since: Option<Instant>) {
        *lock(&self.waiting_since) = since;
    }

    fn failed(&self, error: &reqwest::Error) -> Failed {
        if self.too_large.load(Ordering::SeqCst) {
            Failed::TooLarge
        } else if self.broken.load(Ordering::SeqCst) {
            Failed::Broken
        } else if error.is_timeout() {
            Failed::Late
        } else {
            Failed::Unreachable
        }
    }
}

fn limited(
    body: Body,
    most: u64,
    idle: Duration,
    trouble: Arc<Trouble>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    unfold(Some((body, most)), move |state| {
        let trouble = trouble.clone();
        async move {
            let (mut body, left) = state?;
            loop {
                trouble.set_waiting(None);
                let frame = timeout(idle, body.frame()).await;
                trouble.set_waiting(Some(Instant::now()));
                let frame = match frame {
                    Ok(None) => return None,
                    Ok(Some(Ok(frame))) => frame,
                    Ok(Some(Err(_))) | Err(_) => {
                        trouble.broken.store(true, Ordering::SeqCst);
                        return Some((Err(io::Error::other("the request body broke off")), None));
                    }
                };
                // Trailers end with the hop.
                let Ok(data) = frame.into_data() else { continue };
                return Some(if let Some(left) = left.checked_sub(data.len() as u64) {
                    (Ok(data), Some((body, left)))
                } else {
                    trouble.too_large.store(true, Ordering::SeqCst);
                    (Err(io::Error::other("the request body is too long")), None)
                });
            }
        }
    })
}

/// The headers that go on to the server.
fn forward(mut headers: HeaderMap) -> Result<HeaderMap, Failed> {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Failed::Ambiguous);
    }
    // Whom it is from is the viewer's token alone, even where it names that in `Connection`.
    let authorization = headers.remove(AUTHORIZATION);
    drop_hops(&mut headers);
    for name in [HOST, COOKIE, FORWARDED, CONTENT_LENGTH, EXPECT] {
        headers.remove(name);
    }
    let told: Vec<HeaderName> = headers.keys().filter(|name| is_of_proxies(name.as_str())).cloned().collect();
    for name in told {
        headers.remove(name);
    }
    if let Some(mut authorization) = authorization {
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
    }
    Ok(headers)
}

/// What proxies tell servers of a request: whom it is from, and what it was before. Coming from a viewer it is made up.
fn is_of_proxies(name: &str) -> bool {
    const BEGIN: [&str; 5] = ["x-forwarded-", "x-original-", "x-rewrite-", "x-http-method", "cf-"];
    const WHOLE: [&str; 7] =
        ["x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "x-host", "x-method-override", "via"];
    BEGIN.iter().any(|begin| name.starts_with(begin)) || WHOLE.contains(&name)
}

/// The server's answer, as the viewer gets it.
fn answer(response: reqwest::Response, idle: Duration) -> http::Response<Body> {
    let (status, mut headers) = (response.status(), response.headers().clone());
    drop_hops(&mut headers);
    // These are of the server's host, not of this one.
    for name in [SET_COOKIE, STRICT_TRANSPORT_SECURITY, ALT_SVC] {
        headers.remove(name);
    }
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

/// An answer whose body breaks off when `stop` is cancelled: whoever reads it comes back with its place.
pub(crate) fn until(stop: CancellationToken, answer: http::Response<Body>) -> http::Response<Body> {
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

/// Drops what ends with the hop (RFC 9110, 7.6.1), and what `Connection` names.
fn drop_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn what_belongs_to_the_hop_or_the_app_does_not_reach_the_server() {
        let sent = forward(headers(&[
            ("authorization", "Bearer viewer"),
            ("connection", "x-secret, Authorization, close"),
            ("x-secret", "1"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-original-url", "/api/v1/auth/jwt"),
            ("x-http-method-override", "DELETE"),
            ("via", "1.1 a"),
            ("forwarded", "for=10.0.0.1"),
            ("host", "app.example"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("x-trigger-client", "browser"),
        ]))
        .expect("unambiguous");
        let mut left: Vec<_> =
            sent.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        left.sort_unstable();
        assert_eq!(left, [("authorization", "Bearer viewer"), ("x-trigger-client", "browser")]);
    }

    #[test]
    fn two_tokens_in_one_request_are_refused() {
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(forward(twice).expect_err("ambiguous"), Failed::Ambiguous);
    }
}
