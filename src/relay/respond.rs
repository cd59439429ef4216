//! From a viewer's request to its answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::base::server_path;
use super::pass::{self, Passed, Times};
use super::route::{Found, Route, Target};
use super::stats::Refusal;
use super::{Relay, metrics};
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
    /// The server's answer.
    Passed(Response<Body>),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<Result<Response<Body>, pass::Failed>> for Outcome {
    fn from(passed: Result<Response<Body>, pass::Failed>) -> Self {
        match passed {
            Ok(response) => Self::Passed(response),
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
        let origin = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let request = serve::Request {
            method: head.method,
            origin: format!("http://{origin}"),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
        };
        let outcome = self.outcome(&request, head.uri.path(), body, grant).await;
        let (response, seat) = match outcome {
            Outcome::Answer(answer) => (answer.into_response(&request.headers, head.version), None),
            Outcome::Held(answer, seat) => (answer.into_response(&request.headers, head.version), Some(seat)),
            Outcome::Passed(response) => (response, None),
        };
        self.count(response, seat)
    }

    async fn outcome(
        self: &Arc<Self>,
        request: &serve::Request,
        path: &str,
        body: Body,
        grant: Option<Grant>,
    ) -> Outcome {
        if self.options.metrics_path.as_deref() == Some(path) && request.method == Method::GET {
            let text = metrics::render(&self.stats, self.gauges());
            return Answer::bytes(metrics::CONTENT_TYPE, text.into()).with("cache-control", "no-store").into();
        }
        if size_of(&request.headers) > self.options.limits.header_bytes {
            return Answer::api_error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
                .into();
        }
        let Some(server_path) = server_path(self.options.base_path.as_deref(), path) else {
            return Answer::not_found().into();
        };
        let route = match Route::find(&request.method, server_path) {
            Found::Route(route) => route,
            Found::Preflight => return Answer::preflight().into(),
            Found::WrongMethod => return Answer::wrong_method(StatusCode::METHOD_NOT_ALLOWED).into(),
            Found::Moved(trimmed) => {
                let before = &path[..path.len() - server_path.len()];
                let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
                return Answer::moved(&format!("{before}{trimmed}{query}")).into();
            }
            Found::Unknown => return Answer::not_found().into(),
        };
        let is_allowed = |allow: &Arc<[String]>| allow.iter().any(|family| family == route.family.name());
        if !self.options.allow.as_ref().is_none_or(is_allowed) {
            return Answer::not_found().into();
        }
        match route.target {
            Target::Pass => match self.refused_trigger(request, &route) {
                Some(answer) => answer.into(),
                None => self.pass(request, &route.path, body).await,
            },
            Target::Run(_) | Target::Tags | Target::Batch(_) | Target::Stream(..) => {
                self.view(request, &route, grant).await
            }
        }
    }

    /// Passes a request through, with the viewer's own token: never with the relay's key.
    async fn pass(&self, request: &serve::Request, path: &str, body: Body) -> Outcome {
        if !request.headers.contains_key("authorization") {
            return Answer::no_authorization().open_to_pages().into();
        }
        self.stats.passed.fetch_add(1, Relaxed);
        let _under_way = self.stats.asking();
        let passed = Passed {
            method: request.method.clone(),
            url: self.upstream(path, request.query.as_deref()),
            headers: request.headers.clone(),
            times: Times::VIEWER,
        };
        pass::pass(passed, body, self.options.limits.body_bytes).await.into()
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

/// The bytes of all header lines.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
