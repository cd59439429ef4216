//! From a viewer's request to its answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::base::server_path;
use super::door;
use super::pass::{self, Passed, Times};
use super::route::{Found, Route, Target};
use super::stats::{Bound, Refusal};
use super::viewer::token_of;
use super::{Relay, metrics};
use crate::config::Secret;
use crate::serve::{self, Answer, Body};

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
    Answer(Answer),
    /// An answer made here that goes on for as long as something is kept: a stream's viewer counts until it leaves.
    Held(Answer, super::limits::Seat),
    /// The server's answer, which counts until it ends.
    Passed(Response<Body>, Option<super::limits::Seat>),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<Result<Response<Body>, pass::Failed>> for Outcome {
    fn from(passed: Result<Response<Body>, pass::Failed>) -> Self {
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
    pub async fn respond(self: &Arc<Self>, request: Request<Body>, grant: Option<Grant>) -> Response<Body> {
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
        let (mut response, seat) = match outcome {
            Outcome::Answer(answer) => (answer.into_response(&request.headers, head.version), None),
            Outcome::Held(answer, seat) => (answer.into_response(&request.headers, head.version), Some(seat)),
            Outcome::Passed(response, seat) => (response, seat),
        };
        door::open_to(&self.options, page.as_ref(), &mut response);
        self.count(response, seat)
    }

    /// The refusal of a request that could be read in two ways, or is too long to be.
    fn unreadable(&self, headers: &HeaderMap, uri: &http::Uri) -> Option<Answer> {
        let limits = &self.options.limits;
        let (bound, status, text) = if size_of(headers) > limits.header_bytes {
            (Bound::HeaderBytes, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
        } else if uri.query().is_some_and(|query| query.len() > limits.query_bytes) {
            (Bound::QueryBytes, StatusCode::URI_TOO_LONG, "Request query too long")
        } else {
            return door::ambiguous(headers, uri);
        };
        self.stats.limit(bound);
        Some(Answer::api_error(status, text))
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
    pub fn refuses(&self, head: &http::request::Parts, own: Option<&str>) -> Option<Response<Body>> {
        let refusal = self
            .unreadable(&head.headers, &head.uri)
            .or_else(|| door::foreign(&self.options, &head.headers, &head.uri, own))?;
        Some(refusal.into_response(&head.headers, head.version))
    }

    /// Whose a request is.
    ///
    /// # Errors
    /// The answer to one that is nobody's, or that is answered without looking further.
    fn route(&self, request: &serve::Request, path: &str) -> Result<Route, Answer> {
        if self.options.metrics_path.as_deref() == Some(path) && request.method == Method::GET {
            let text = metrics::render(&self.stats, self.gauges());
            return Err(Answer::bytes(metrics::CONTENT_TYPE, text.into()).with("cache-control", "no-store"));
        }
        let Some(server_path) = server_path(self.options.base_path.as_deref(), path) else {
            return Err(Answer::not_found());
        };
        let route = match Route::find(&request.method, server_path) {
            Found::Route(route) => route,
            Found::Preflight => return Err(Answer::preflight()),
            Found::WrongMethod => return Err(Answer::wrong_method(StatusCode::METHOD_NOT_ALLOWED)),
            Found::Unknown => return Err(Answer::not_found()),
        };
        let is_allowed = |allow: &Arc<[String]>| allow.iter().any(|family| family == route.family.name());
        if !self.options.allow.as_ref().is_none_or(is_allowed) {
            return Err(Answer::not_found());
        }
        self.refused_trigger(request, &route).map_or(Ok(route), Err)
    }

    /// Passes a request through, with the viewer's own token: never with the relay's key.
    async fn pass(&self, request: &serve::Request, route: &Route, body: Body) -> Outcome {
        if !request.headers.contains_key("authorization") {
            return Answer::no_authorization().open_to_pages().into();
        }
        let token = token_of(&request.headers).unwrap_or_default();
        let Some(bearer) = pass::bearer(&Secret::new(token)).filter(|_| !token.is_empty()) else {
            return Answer::api_error(StatusCode::UNAUTHORIZED, "Invalid API key").into();
        };
        let mut headers = request.headers.clone();
        headers.insert(header::AUTHORIZATION, bearer);
        // A stream counts as one that is shared does: its viewer stays.
        let digest = self.judge.digest(token);
        let entered = match route.is_stream(&request.method) {
            true => self.gate.enter(Some(digest), route.path.as_str().into()),
            false => self.gate.pass(digest),
        };
        let Ok(seat) = entered else { return super::limits::full().into() };
        self.stats.passed.fetch_add(1, Relaxed);
        let _under_way = self.stats.asking();
        let passed = Passed {
            method: request.method.clone(),
            url: self.upstream(&route.path, request.query.as_deref()),
            headers,
            times: Times::VIEWER,
        };
        match pass::pass(passed, body, self.options.limits.body_bytes).await {
            Ok(response) => Outcome::Passed(response, Some(seat)),
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

    /// Counts what leaves, and keeps a viewer's seat until its body ends.
    fn count(self: &Arc<Self>, response: Response<Body>, seat: Option<super::limits::Seat>) -> Response<Body> {
        if let Some(refusal) = Refusal::of(response.status()) {
            self.stats.refuse(refusal);
        }
        let whole = response.body().size_hint().exact();
        if let (Some(bytes), None) = (whole, &seat) {
            self.stats.bytes.fetch_add(bytes, Relaxed);
            return response;
        }
        let stats = self.stats.clone();
        response.map(|body| {
            body.map_frame(move |frame| {
                // The seat is the viewer's until its body is dropped.
                let _ = &seat;
                stats.bytes.fetch_add(frame.data_ref().map_or(0, bytes::Bytes::len) as u64, Relaxed);
                frame
            })
            .map_err(|error: io::Error| error)
            .boxed_unsync()
        })
    }
}

/// The headers that answering a feed or a stream takes, or asking the server for it.
fn needed(headers: &HeaderMap) -> HeaderMap {
    const NEEDED: [HeaderName; 7] = [
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::AUTHORIZATION,
        header::HOST,
        header::ORIGIN,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("timeout-seconds"),
    ];
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        if NEEDED.contains(name) || name.as_str().starts_with("x-trigger-") {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// The bytes of all header lines.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
