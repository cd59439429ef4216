//! From a viewer's request to its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};

use super::base::{is_meant, server_path};
use super::door;
use super::limits::{self, Seat};
use super::pass::{self, Passed, Times};
use super::route::{Found, Route, Target};
use super::stats::{Bound, Refusal, Stats};
use super::under_way::Load;
use super::viewer::token_of;
use super::{Relay, metrics};
use crate::secret::Secret;
use crate::serve::{self, Body, Response};

/// What the app granted a viewer whose request it looked at itself (`authorize`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Scopes as in a token.
    pub scopes: Vec<String>,
    /// Columns that are left out for it.
    pub skip_columns: Vec<String>,
    /// The app's name for it: what counts in the place of a token for the limit of one.
    pub id: Option<String>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer made here.
    Answer(Response),
    /// An answer made here that goes on for as long as something is kept: a stream's viewer counts until it leaves.
    Held(Response, Seat),
    /// The server's answer, which counts until it ends.
    Passed(http::Response<Body>, Option<Seat>),
}

impl From<Response> for Outcome {
    fn from(answer: Response) -> Self {
        Self::Answer(answer)
    }
}

impl From<Result<http::Response<Body>, pass::Failed>> for Outcome {
    fn from(passed: Result<http::Response<Body>, pass::Failed>) -> Self {
        match passed {
            Ok(response) => Self::Passed(response, None),
            Err(failed) => Self::Answer(failed.answer()),
        }
    }
}

impl Relay {
    /// Answers one request. `grant` is what `authorize` said, where the app has one: then the request's own token
    /// counts for nothing but passing through.
    ///
    /// Dropping the future ends what was asked for: the viewer is gone.
    pub async fn respond(self: &Arc<Self>, request: Request<Body>, grant: Option<Grant>) -> http::Response<Body> {
        let (head, body) = request.into_parts();
        let page = head.headers.get(header::ORIGIN).cloned();
        let ambiguous = self.unreadable(&head.headers, &head.uri);
        let origin = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let mut request = serve::Request {
            method: head.method,
            origin: format!("http://{origin}"),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
        };
        let found = ambiguous.map_or_else(|| self.route(&request, head.uri.path()), Err);
        // A poll is held for long, by thousands of viewers: it keeps no more of its request than it needs, and what is
        // rare or short keeps its state elsewhere.
        drop(head.uri);
        let outcome = match found {
            Err(answer) => answer.into(),
            Ok(route) if route.target == Target::Pass => Box::pin(self.pass(&request, &route, body)).await,
            Ok(route) => {
                drop(body);
                request.headers = needed(&request.headers);
                self.view(&mut request, &route, grant).await
            }
        };
        let (mut response, kept) = match outcome {
            Outcome::Answer(answer) => self.kept(answer, None, &request.headers, head.version),
            Outcome::Held(answer, seat) => self.kept(answer, Some(seat), &request.headers, head.version),
            Outcome::Passed(response, seat) => (response, Kept { seat, load: None }),
        };
        door::open_to(&self.options, page.as_ref(), &mut response);
        self.count(response, kept)
    }

    /// The refusal of a request that could be read in two ways, or is too long to be.
    fn unreadable(&self, headers: &HeaderMap, uri: &http::Uri) -> Option<Response> {
        let limits = &self.options.limits;
        let (bound, status, text) = if size_of(headers) > limits.header_bytes {
            (Bound::HeaderBytes, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
        } else if uri.query().is_some_and(|query| query.len() > limits.query_bytes) {
            (Bound::QueryBytes, StatusCode::URI_TOO_LONG, "Request query too long")
        } else {
            return door::ambiguous(headers, uri);
        };
        self.stats.limit(bound);
        Some(Response::api_error(status, text))
    }

    /// Whether one more call of `authorize` may be under way; it counts then, until [`Relay::authorized`].
    pub fn authorizes(&self) -> bool {
        let may = self.stats.authorizing.try_enter(self.options.limits.authorizing);
        if !may {
            self.stats.limit(Bound::Authorizing);
        }
        may
    }

    /// A call of `authorize` is over.
    pub fn authorized(&self) {
        self.stats.authorizing.leave();
    }

    /// The refusal of a request that is told before anything else, the app included. `own` is the app's host where it is
    /// known from elsewhere than the request's headers.
    pub fn refuses(&self, head: &http::request::Parts, own: Option<&str>) -> Option<http::Response<Body>> {
        let refusal = self
            .unreadable(&head.headers, &head.uri)
            .or_else(|| door::foreign(&self.options, &head.headers, &head.uri, own))?;
        Some(refusal.into_http(&head.headers, head.version))
    }

    /// Whose a request is.
    ///
    /// # Errors
    /// The answer to one that is nobody's, or that is answered without looking further.
    fn route(&self, request: &serve::Request, path: &str) -> Result<Route, Response> {
        if self.options.metrics_path.as_deref() == Some(path) && request.method == Method::GET {
            let text = metrics::render(&self.stats, self.gauges());
            return Err(Response::bytes(metrics::CONTENT_TYPE, text.into()).with("cache-control", "no-store"));
        }
        let Some(server_path) = server_path(self.options.base_path.as_deref(), path) else {
            return Err(self.nowhere(path));
        };
        let route = match Route::find(&request.method, server_path) {
            Found::Route(route) => route,
            Found::Preflight => return Err(Response::preflight()),
            Found::WrongMethod => return Err(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED)),
            Found::Unknown => return Err(nobodys("No route of Trigger.dev's API that a relay serves is at this path")),
        };
        let is_allowed = |allow: &Arc<[String]>| allow.iter().any(|family| family == route.family.name());
        if !self.options.allow.as_ref().is_none_or(is_allowed) {
            return Err(nobodys("The relay's option allow leaves this route out"));
        }
        self.refused_trigger(request, &route).map_or(Ok(route), Err)
    }

    /// The 404 of a path that the relay is not at, told from that of an unknown run where somebody meant it.
    fn nowhere(&self, path: &str) -> Response {
        match (&self.options.base_path, is_meant(path)) {
            (_, false) => Response::not_found(),
            (Some(base), true) => {
                nobodys(&format!("The relay is at {base}: set its basePath to the path of its route"))
            }
            (None, true) => {
                nobodys("The relay is behind no plain mount point: set its basePath to the path of its route")
            }
        }
    }

    /// Passes a request through, with the viewer's own token: never with the relay's key.
    async fn pass(&self, request: &serve::Request, route: &Route, body: Body) -> Outcome {
        if !request.headers.contains_key("authorization") {
            return Response::no_authorization().open_to_pages().into();
        }
        let token = token_of(&request.headers).unwrap_or_default();
        let Some(bearer) = pass::bearer(&Secret::new(token)).filter(|_| !token.is_empty()) else {
            return Response::api_error(StatusCode::UNAUTHORIZED, "Invalid API key").into();
        };
        let mut headers = request.headers.clone();
        headers.insert(header::AUTHORIZATION, bearer);
        // A stream counts as one that is shared does: its viewer stays.
        let digest = self.judge.digest(token);
        let entered = if route.is_stream(&request.method) {
            self.gate.enter(Some(digest), route.path.as_str().into())
        } else {
            self.gate.pass(digest)
        };
        let Ok(seat) = entered else { return limits::full().into() };
        let body = match seat.wait() {
            Some(wait) => wait.sent(body),
            None => body,
        };
        self.stats.passed.fetch_add(1, Relaxed);
        let _under_way = self.stats.asking();
        let passed = Passed {
            method: request.method.clone(),
            url: self.upstream(&route.path, request.query.as_deref()),
            headers,
            times: Times::VIEWER,
        };
        match pass::pass(passed, body, self.options.limits.body_bytes).await {
            Ok(response) => {
                let response = match seat.wait() {
                    Some(wait) => response.map(|body| wait.read(body)),
                    None => response,
                };
                Outcome::Passed(response, Some(seat))
            }
            Err(_) if seat.wait().is_some_and(|wait| wait.is_over()) => limits::full().into(),
            Err(failed) => {
                if failed == pass::Failed::TooLarge {
                    self.stats.limit(Bound::BodyBytes);
                }
                failed.answer().into()
            }
        }
    }

    /// Where the server has a path.
    pub(super) fn upstream(&self, path: &str, query: Option<&str>) -> String {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{path}{query}", self.options.endpoint.base_url())
    }

    /// The response that an answer becomes, and what its viewer holds: its seat, and the bytes of a body that is not read.
    fn kept(
        &self,
        answer: Response,
        seat: Option<Seat>,
        request: &HeaderMap,
        version: Version,
    ) -> (http::Response<Body>, Kept) {
        let owner = seat.as_ref().and_then(Seat::token);
        match answer.whole().map(|body| self.under_way.enter(body, owner)) {
            None => (answer.into_http(request, version), Kept { seat, load: None }),
            Some(Ok(load)) => (answer.into_http(request, version), Kept { seat, load }),
            Some(Err(_)) => {
                self.stats.limit(Bound::BytesUnderWay);
                (limits::full().into_http(request, version), Kept::default())
            }
        }
    }

    /// Counts what leaves, and keeps a viewer's seat until its body ends.
    fn count(self: &Arc<Self>, response: http::Response<Body>, kept: Kept) -> http::Response<Body> {
        if let Some(refusal) = Refusal::of(response.status()) {
            self.stats.refuse(refusal);
        }
        let whole = response.body().size_hint().exact();
        if let Some(bytes) = whole {
            self.stats.bytes.fetch_add(bytes, Relaxed);
            if kept.seat.is_none() && kept.load.is_none() {
                return response;
            }
        }
        let stats = whole.is_none().then(|| self.stats.clone());
        response.map(|body| Counted { body, stats, _kept: kept }.boxed_unsync())
    }
}

/// What a viewer holds until its body is dropped.
#[derive(Debug, Default)]
struct Kept {
    seat: Option<Seat>,
    load: Option<Load>,
}

/// A body whose bytes are counted, where they were not known before.
struct Counted {
    body: Body,
    stats: Option<Arc<Stats>>,
    _kept: Kept,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(stats)) = (&polled, &self.stats) {
            stats.bytes.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The 404 of what is nobody's, which no viewer needs to ask for again.
fn nobodys(text: &str) -> Response {
    Response::api_error(StatusCode::NOT_FOUND, text).with("x-should-retry", "false")
}

/// The headers that answering a feed or a stream takes, or asking the server for it: one value of each name.
fn needed(headers: &HeaderMap) -> HeaderMap {
    const NEEDED: [HeaderName; 10] = [
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::AUTHORIZATION,
        header::HOST,
        header::ORIGIN,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("timeout-seconds"),
        HeaderName::from_static("x-trigger-api-version"),
        HeaderName::from_static("x-trigger-branch"),
        HeaderName::from_static("x-trigger-electric-version"),
    ];
    // A reference to what was sent before is one byte of HTTP/2, and as long as it was here.
    NEEDED.into_iter().filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect()
}

/// The bytes of all header lines.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_request_keeps_one_value_of_each_header_that_it_needs() {
        let mut headers = HeaderMap::new();
        for name in ["accept", "x-trigger-api-version", "x-trigger-anything", "cookie", "authorization"] {
            for value in ["a", "b", "c"] {
                headers.append(name, value.parse().expect("a value"));
            }
        }
        let kept: Vec<_> = needed(&headers).iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let expected = [("accept", "a"), ("authorization", "a"), ("x-trigger-api-version", "a")];
        assert_eq!(kept.len(), expected.len(), "{kept:?}");
        for (name, value) in expected {
            assert!(kept.iter().any(|(kept, text)| kept == name && text == value), "{name} in {kept:?}");
        }
    }
}
