//! Proxied requests: those that only the server can answer, and reads of feeds and streams that are not in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use tokio_util::sync::CancellationToken;

use super::requests::{feed_request_headers, stream_request_headers, with_skipped};
use crate::config::Endpoint;
use crate::relay::authorizer::{Viewer, bearer_token};
use crate::relay::digest::Digester;
use crate::relay::limits::{Limiter, Permit, too_many_requests};
use crate::relay::options::Options;
use crate::relay::response::Outcome;
use crate::relay::router::{Route, Target};
use crate::relay::stats::{Bound, Stats};
use crate::relay::stream::Fallback;
use crate::relay::upstream::{Outbound, SendError, Timeouts, bearer, break_off_on, fetch, send};
use crate::secret::Secret;
use crate::serve::stream::parse_timeout;
use crate::serve::{Body, Request, Response};

/// Sends viewers' requests to the server.
#[derive(Debug)]
pub(crate) struct Proxy {
    endpoint: Endpoint,
    /// The longest body of a request, in bytes.
    body_bytes: u64,
    limiter: Arc<Limiter>,
    stats: Arc<Stats>,
    stop: CancellationToken,
    digester: Digester,
}

impl Proxy {
    /// A proxy to the server of `options`. `stop` breaks the bodies of feeds and streams off.
    pub(crate) fn new(
        options: &Options,
        limiter: Arc<Limiter>,
        stats: Arc<Stats>,
        stop: CancellationToken,
        digester: Digester,
    ) -> Arc<Self> {
        let (endpoint, body_bytes) = (options.endpoint.clone(), options.limits.body_bytes);
        Arc::new(Self { endpoint, body_bytes, limiter, stats, stop, digester })
    }

    /// Passes a request on with the viewer's own token, never with the relay's key.
    pub(crate) async fn pass(&self, request: &Request, route: &Route, body: Body) -> Outcome {
        if !request.headers.contains_key("authorization") {
            return Response::no_authorization().open_to_pages().into();
        }
        let token = bearer_token(&request.headers).unwrap_or_default();
        let Some(bearer) = bearer(&Secret::new(token)).filter(|_| !token.is_empty()) else {
            return Response::api_error(StatusCode::UNAUTHORIZED, "Invalid API key").into();
        };
        let mut headers = request.headers.clone();
        headers.insert(header::AUTHORIZATION, bearer);
        // A proxied stream counts as a shared one does, because its viewer stays.
        let digest = self.digester.token(token);
        let entered = if route.is_proxied_stream(&request.method) {
            self.limiter.enter(Some(digest), route.path.as_str().into())
        } else {
            self.limiter.enter_proxied(digest)
        };
        let Ok(permit) = entered else { return too_many_requests().into() };
        // A GET has no body. A server that takes it for none, too, would read its bytes as the next request of the
        // connection, which may be another viewer's.
        let body = if matches!(request.method, Method::GET | Method::HEAD) { empty() } else { body };
        let body = match permit.evictable() {
            Some(evictable) => evictable.track_upload(body),
            None => body,
        };
        self.stats.passed.fetch_add(1, Relaxed);
        let _counted = self.stats.viewer_request();
        let outbound = Outbound {
            method: request.method.clone(),
            url: self.url(&route.path, request.query.as_deref()),
            headers,
            timeouts: Timeouts::VIEWER,
        };
        match send(outbound, body, self.body_bytes).await {
            Ok(response) => {
                let response = match permit.evictable() {
                    Some(evictable) => response.map(|body| evictable.track_download(body)),
                    None => response,
                };
                Outcome::Proxied(response, Some(permit))
            }
            Err(_) if permit.evictable().is_some_and(|evictable| evictable.is_evicted()) => too_many_requests().into(),
            Err(error) => {
                if error == SendError::TooLarge {
                    self.stats.limit(Bound::BodyBytes);
                }
                error.answer().into()
            }
        }
    }

    /// Asks the server for a feed or stream that is not in memory, with the viewer's own token. A viewer that
    /// `authorize` let in has no token: the request carries the relay's key, and leaves the same columns out. Such
    /// requests count among those proxied, however many viewers there are.
    ///
    /// # Errors
    /// The 429 where too many requests are proxied, or why the server gave no answer.
    pub(crate) async fn fetch(
        &self,
        request: &Request,
        route: &Route,
        viewer: &Viewer,
        permit: &mut Permit,
    ) -> Result<http::Response<Body>, Response> {
        permit.count_as_proxied()?;
        let _counted = self.stats.viewer_request();
        let token = self.token_of(viewer);
        let is_stream = matches!(route.target, Target::Stream(..));
        let headers = if is_stream {
            let wait = parse_timeout(request.header("timeout-seconds")).ok();
            stream_request_headers(&self.endpoint, &token, wait, request.header("last-event-id"))
        } else {
            feed_request_headers(request, &self.endpoint, &token)
        };
        let Some(headers) = headers else {
            return Err(Response::api_error(StatusCode::BAD_GATEWAY, "The relay's key cannot be sent"));
        };
        let query = (!is_stream).then(|| with_skipped(request, &viewer.skip_columns));
        let url = self.url(&route.path, query.as_deref());
        let outbound = Outbound { method: request.method.clone(), url, headers, timeouts: Timeouts::VIEWER };
        let fetched = fetch(outbound).await.map_err(SendError::answer)?;
        Ok(break_off_on(self.stop.clone(), fetched))
    }

    /// Reads a viewer's stream on from the server, should the viewer fall behind what memory keeps; with the token that
    /// [`Proxy::fetch`] asks with. It keeps little of the request, because there may be tens of thousands of viewers.
    pub(crate) fn fallback(self: &Arc<Self>, request: &Request, route: &Route, viewer: &Viewer) -> Fallback {
        let (proxy, url, token) = (Arc::downgrade(self), self.url(&route.path, None), self.token_of(viewer));
        let wait = parse_timeout(request.header("timeout-seconds")).ok();
        Box::new(move |place| {
            Box::pin(async move {
                let proxy = proxy.upgrade().filter(|proxy| !proxy.stop.is_cancelled())?;
                let (_counted, stop) = (proxy.stats.viewer_request(), proxy.stop.clone());
                let headers = stream_request_headers(&proxy.endpoint, &token, wait, place.as_deref())?;
                drop(proxy);
                let outbound = Outbound { method: Method::GET, url, headers, timeouts: Timeouts::VIEWER };
                let response = fetch(outbound).await.ok()?;
                // Its bytes follow those that the viewer has.
                let fits = response.status() == StatusCode::OK && !response.headers().contains_key("content-encoding");
                fits.then(|| break_off_on(stop, response).into_body())
            })
        })
    }

    /// The viewer's own token; the relay's key where `authorize` let the viewer in.
    fn token_of(&self, viewer: &Viewer) -> Secret {
        viewer.token.clone().unwrap_or_else(|| self.endpoint.token())
    }

    /// The URL of a path of the server.
    fn url(&self, path: &str, query: Option<&str>) -> String {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{path}{query}", self.endpoint.base_url())
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
