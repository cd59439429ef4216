//! Responses, with the headers that the server sends on each family of routes.

use std::{fmt, io};

use bytes::Bytes;
use futures_util::stream::unfold;
use futures_util::{Stream, TryStreamExt as _};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ORIGIN, STRICT_TRANSPORT_SECURITY, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The pages of another origin that may read a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cors {
    /// No page: the call is for servers.
    Closed,
    /// The requesting page, with the token headers.
    Api,
    /// Every page, with every header: successful feeds.
    Open,
    /// The response to a preflight.
    Preflight,
    /// The requesting page, with its cookies: v2 streams.
    Stream,
}

/// A body, in one or more frames.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body, before it is sent.
enum Content {
    Whole(Bytes),
    Parts(Body),
}

impl Content {
    fn into_body(self) -> Body {
        match self {
            Self::Whole(body) => Full::new(body).map_err(|never| match never {}).boxed_unsync(),
            Self::Parts(body) => body,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Parts(_) => f.write_str("parts"),
        }
    }
}

/// Marks a response, among its extensions, as one that lasts for minutes and is nearly always silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastsLong;

/// One response.
#[derive(Debug)]
pub(crate) struct Response {
    status: StatusCode,
    /// Boxed, so that a response is small enough for the `Err` of a `Result`.
    headers: Box<HeaderMap>,
    body: Content,
    cors: Cors,
    /// See [`LastsLong`].
    lasts_long: bool,
}

impl Response {
    /// A JSON response for servers.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut headers = Box::new(HeaderMap::new());
        headers.insert(CONTENT_TYPE, JSON);
        Self { status, headers, body: Content::Whole(body.into()), cors: Cors::Closed, lasts_long: false }
    }

    /// A JSON response that the requesting page may read.
    pub(crate) fn api(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { cors: Cors::Api, ..Self::json(status, body) }
    }

    /// A successful response of a feed.
    pub(crate) fn feed(body: impl Into<Bytes>) -> Self {
        let answer = Self { cors: Cors::Open, ..Self::json(StatusCode::OK, body) };
        answer.with(CACHE_CONTROL, "no-store")
    }

    /// `{"error": …}`, which the requesting page may read.
    pub(crate) fn api_error(status: StatusCode, text: &str) -> Self {
        Self::api(status, json!({ "error": text }).to_string())
    }

    /// `{"error": …}` for servers.
    pub(crate) fn error(status: StatusCode, text: &str) -> Self {
        Self::json(status, json!({ "error": text }).to_string())
    }

    /// The body of the 403 for a caller without the scope (docs/server-protocol.md 3).
    pub(crate) fn forbidden() -> Value {
        json!({ "error": "Unauthorized", "code": "unauthorized", "param": "access_token", "type": "authorization" })
    }

    /// The 401 of a call without `Authorization` (recorded: `calls-trigger`).
    pub(crate) fn no_authorization() -> Self {
        let body = concat!(
            "{\n  \"title\": \"Unauthorized\",\n  \"status\": 401,\n",
            "  \"type\": \"https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/401\",\n",
            "  \"detail\": \"No authorization header provided\",\n  \"error\": \"No authorization header provided\"\n}",
        );
        let mut answer = Self::json(StatusCode::UNAUTHORIZED, body);
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json; charset=utf-8"));
        answer
    }

    /// The response to a method that the route has no handler for.
    pub(crate) fn wrong_method(status: StatusCode) -> Self {
        Self::json(status, r#"{"message":"Unexpected Server Error"}"#).with("x-remix-error", "yes")
    }

    /// The response to a preflight: it repeats the origin and the requested headers.
    pub(crate) fn preflight() -> Self {
        Self { cors: Cors::Preflight, ..Self::json(StatusCode::OK, "{}") }
    }

    /// The response to an unknown path.
    pub(crate) fn not_found() -> Self {
        let mut answer = Self::json(StatusCode::NOT_FOUND, "Not Found");
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
        answer
    }

    /// The redirect of a path with a trailing slash.
    pub(crate) fn moved(location: &str) -> Self {
        let body = format!("Moved Permanently. Redirecting to {location}");
        let mut answer = Self::json(StatusCode::MOVED_PERMANENTLY, body).with("location", location);
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer.with(VARY, "Accept, Accept-Encoding")
    }

    /// The 409 of a feed whose shape is gone: its reader starts over, with another handle (docs/server-protocol.md 4).
    pub(crate) fn must_refetch(handle: &str) -> Self {
        let body = r#"[{"headers":{"control":"must-refetch"}}]"#;
        let answer = Self { status: StatusCode::CONFLICT, ..Self::feed(body) };
        answer.with("electric-handle", &format!("{handle}-next"))
    }

    /// A sentence as plain text.
    pub(crate) fn text(status: StatusCode, body: &'static str) -> Self {
        let mut answer = Self::json(status, body);
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
        answer
    }

    /// Bytes with a content type.
    pub(crate) fn bytes(content_type: &str, body: Bytes) -> Self {
        Self { body: Content::Whole(body), ..Self::empty(StatusCode::OK) }.with(CONTENT_TYPE, content_type)
    }

    /// The response of a v1 stream.
    pub(crate) fn events_v1(parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self { cors: Cors::Api, ..Self::events(parts) }.with(CACHE_CONTROL, "no-cache")
    }

    /// The response of a v2 stream.
    pub(crate) fn events_v2(parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self { cors: Cors::Stream, ..Self::events(parts) }
            .with(CACHE_CONTROL, "no-cache, no-transform")
            .with("x-accel-buffering", "no")
            .with("x-stream-version", "v2")
    }

    /// The response of a relay's live stream, which the requesting page may read.
    pub(crate) fn events_live(parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        let events = Self { cors: Cors::Api, lasts_long: true, ..Self::events(parts) };
        events.with(CACHE_CONTROL, "no-store").with("x-accel-buffering", "no")
    }

    fn events(parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        let body = StreamBody::new(parts.map_ok(Frame::data)).boxed_unsync();
        Self { body: Content::Parts(body), ..Self::empty(StatusCode::OK) }
            .with(CONTENT_TYPE, "text/event-stream; charset=utf-8")
    }

    /// The same response, which the requesting page may read.
    pub(crate) fn open_to_pages(self) -> Self {
        Self { cors: Cors::Api, ..self }
    }

    /// The same response, whose body breaks off after so many bytes.
    pub(crate) fn cut(self, bytes: usize) -> Self {
        let parts = unfold((self.body.into_body(), Some(bytes)), async |(mut body, left)| {
            let left = left?;
            let next = if left == 0 { None } else { body.frame().await };
            match next {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let kept = data.slice(..left.min(data.len()));
                        let left = left - kept.len();
                        Some((Ok(Frame::data(kept)), (body, Some(left))))
                    }
                    Err(frame) => Some((Ok(frame), (body, Some(left)))),
                },
                Some(Err(error)) => Some((Err(error), (body, None))),
                None => {
                    // hyper flushes the earlier frames before the error closes the connection.
                    tokio::task::yield_now().await;
                    Some((Err(io::Error::other("cut on purpose")), (body, None)))
                }
            }
        });
        Self { body: Content::Parts(StreamBody::new(parts).boxed_unsync()), ..self }
    }

    /// The body, where it is in memory.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.body {
            Content::Whole(body) => Some(body),
            Content::Parts(_) => None,
        }
    }

    /// A response without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let body = Content::Whole(Bytes::new());
        Self { status, headers: Box::default(), body, cors: Cors::Closed, lasts_long: false }
    }

    /// Adds a header. An invalid value is left out.
    pub(crate) fn with<N: TryInto<HeaderName>>(mut self, name: N, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.try_into(), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds the rate-limit headers of API calls, as the server sends them. The emulator limits no rate.
    pub(crate) fn with_rate_limit(self, limit: u32, now_ms: u64) -> Self {
        self.with("x-ratelimit-limit", &limit.to_string())
            .with("x-ratelimit-remaining", &limit.saturating_sub(1).to_string())
            .with("x-ratelimit-reset", &now_ms.saturating_add(10_000).to_string())
    }

    /// The response for hyper, with the headers that depend on the request.
    pub(crate) fn into_http(mut self, request: &HeaderMap, version: Version) -> http::Response<Body> {
        let star = HeaderValue::from_static("*");
        let origin = request.get(ORIGIN).cloned();
        let vary = match (self.cors, &origin) {
            (Cors::Preflight, _) => "Origin, Access-Control-Request-Headers, Accept-Encoding",
            (Cors::Api, Some(_)) => "Origin, Accept-Encoding",
            (Cors::Stream, None) => "origin, access-control-request-method, access-control-request-headers",
            (Cors::Stream, Some(_)) => "origin, access-control-request-method, access-control-request-headers, Origin",
            (Cors::Api | Cors::Closed | Cors::Open, _) => "Accept-Encoding",
        };
        let is_empty = matches!(&self.body, Content::Whole(body) if body.is_empty());
        let headers = &mut self.headers;
        if !is_empty || self.cors != Cors::Closed {
            headers.entry(VARY).or_insert(HeaderValue::from_static(vary));
        }
        match self.cors {
            Cors::Closed => {}
            Cors::Open => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, star.clone());
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, star);
            }
            Cors::Api => {
                let exposed = HeaderValue::from_static("x-trigger-jwt,x-trigger-jwt-claims");
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
                if let Some(origin) = origin {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                }
            }
            Cors::Stream => {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                let exposed = HeaderValue::from_static("*, x-trigger-jwt,x-trigger-jwt-claims");
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
                if let Some(origin) = origin {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                }
            }
            Cors::Preflight => {
                if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
                let methods = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.unwrap_or(star));
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("300"));
            }
        }
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=3153600000"));
        headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
        // HTTP/2 has no connection headers.
        if version <= Version::HTTP_11 {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(KEEP_ALIVE, HeaderValue::from_static("timeout=65"));
        }
        let mut response = http::Response::new(self.body.into_body());
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        if self.lasts_long {
            response.extensions_mut().insert(LastsLong);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page at `https://app` is told: the origin that may read, the headers that it may read, and `vary`.
    fn told(answer: Response, origin: Option<&'static str>) -> [String; 3] {
        let mut request = HeaderMap::new();
        if let Some(origin) = origin {
            request.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        request.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization"));
        let answer = answer.into_http(&request, Version::HTTP_11);
        [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, VARY]
            .map(|name| answer.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned())
    }

    #[test]
    fn a_page_may_read_what_is_for_pages_and_nothing_that_is_for_servers() {
        let (page, jwt) = ("https://app", "x-trigger-jwt,x-trigger-jwt-claims");
        let stream = "origin, access-control-request-method, access-control-request-headers";
        let parts = || futures_util::stream::empty();
        let json = || Response::json(StatusCode::OK, "{}");
        assert_eq!(told(json(), Some(page)), ["", "", "Accept-Encoding"]);
        assert_eq!(told(Response::error(StatusCode::OK, "no"), Some(page)), ["", "", "Accept-Encoding"]);
        assert_eq!(told(Response::feed("[]"), Some(page)), ["*", "*", "Accept-Encoding"]);
        for answer in [
            || Response::api(StatusCode::OK, "{}"),
            || Response::api_error(StatusCode::OK, "no"),
            || Response::json(StatusCode::OK, "{}").open_to_pages(),
            || Response::events_v1(futures_util::stream::empty()),
            || Response::events_live(futures_util::stream::empty()),
        ] {
            assert_eq!(told(answer(), Some(page)), [page, jwt, "Origin, Accept-Encoding"]);
            assert_eq!(told(answer(), None), ["", jwt, "Accept-Encoding"]);
        }
        let exposed = format!("*, {jwt}");
        assert_eq!(told(Response::events_v2(parts()), Some(page)), [page, &exposed, &format!("{stream}, Origin")]);
        assert_eq!(told(Response::events_v2(parts()), None), ["", &exposed, stream]);
        let asked = "Origin, Access-Control-Request-Headers, Accept-Encoding";
        assert_eq!(told(Response::preflight(), Some(page)), [page, "", asked]);
        assert_eq!(told(Response::preflight(), None), ["*", "", asked]);
        assert_eq!(told(Response::empty(StatusCode::NO_CONTENT), Some(page)), ["", "", ""]);
    }

    #[test]
    fn a_connection_is_kept_over_http_1_and_not_spoken_of_over_http_2() {
        let kept = |version| {
            let answer = Response::json(StatusCode::OK, "{}").into_http(&HeaderMap::new(), version);
            answer.headers().contains_key(CONNECTION) && answer.headers().contains_key(KEEP_ALIVE)
        };
        assert_eq!([Version::HTTP_10, Version::HTTP_11, Version::HTTP_2].map(kept), [true, true, false]);
    }

    #[tokio::test]
    async fn a_response_that_is_cut_breaks_off_after_just_so_many_bytes() {
        let parts = ["ab", "cd", "ef"].map(|part| Ok(Bytes::from(part)));
        let answer = Response::events_v1(futures_util::stream::iter(parts)).cut(3);
        assert!(answer.whole().is_none());
        let mut body = answer.into_http(&HeaderMap::new(), Version::HTTP_11).into_body();
        let mut read = Vec::new();
        let broken = loop {
            match body.frame().await {
                Some(Ok(frame)) => read.extend(frame.into_data().expect("data")),
                other => break other.is_some(),
            }
        };
        assert_eq!((read.as_slice(), broken), (b"abc".as_slice(), true));
    }

    #[test]
    fn a_limited_caller_is_told_what_is_left_and_until_when() {
        let answer = Response::json(StatusCode::OK, "{}").with_rate_limit(5, 1_000);
        let answer = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
        let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(
            ["limit", "remaining", "reset"].map(|part| text(&format!("x-ratelimit-{part}")).to_owned()),
            ["5", "4", "11000"]
        );
    }
}
