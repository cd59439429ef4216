//! The relay. Each request goes through admission, router, authorizer and limiter to a shared feed, a shared stream or
//! the proxy. Each answer goes through the responder.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::admission::Admission;
use super::authorizer::{Authorizer, Grant, Viewer};
use super::browser::{Hold, Holds, Identity, Kind};
use super::digest::Digester;
use super::feed::{self, Feeds};
use super::limits::{Limiter, Permit};
use super::live::{self, Live};
use super::log;
use super::metrics;
use super::options::Options;
use super::proxy::Proxy;
use super::request;
use super::response::{Outcome, Responder};
use super::router::{Route, Routed, Router, Target};
use super::stats::{Bound, Gauges, Refusal, Stats};
use super::stream::{self, StreamKey, Streams};
use crate::log::{Level, enabled};
use crate::serve::clock::Clock;
use crate::serve::{self, Body, ListenerStop, PlainPeer, Response};

/// One relay. Cheap to share. Everything it holds ends with [`Relay::stop`], or when it is dropped.
pub struct Relay {
    pub(super) options: Options,
    /// Ends held polls, streams, upstreams and listeners.
    pub(crate) stop: CancellationToken,
    pub(super) stats: Arc<Stats>,
    admission: Arc<Admission>,
    router: Arc<Router>,
    authorizer: Arc<Authorizer>,
    limiter: Arc<Limiter>,
    holds: Arc<Holds>,
    feeds: Feeds,
    streams: Arc<Streams>,
    proxy: Arc<Proxy>,
    live: Live,
    responder: Responder,
}

impl Relay {
    /// A relay that has answered nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        Self::with_clock(options, Clock::system())
    }

    /// A relay that compares the expiry of tokens with that clock.
    pub(crate) fn with_clock(options: Options, clock: Clock) -> Arc<Self> {
        let (stop, stats, digester) = (CancellationToken::new(), Arc::new(Stats::default()), Digester::new());
        let feeds = Feeds::with_clock(&options, stop.clone(), stats.clone(), clock.clone());
        let limiter = Limiter::new(options.limits, stats.clone());
        let router = Arc::new(Router::new(&options));
        let authorizer =
            Arc::new(Authorizer::new(&options, clock.clone(), stats.clone(), digester.clone(), feeds.clone()));
        let responder = Responder::new(options.limits.bytes_under_way, stats.clone());
        let streams = Arc::new(Streams::new(options.clone(), stop.clone(), stats.clone()).ending_with(feeds.clone()));
        let proxy = Proxy::new(&options, limiter.clone(), stats.clone(), stop.clone(), digester);
        let admission = Arc::new(Admission::new(&options, stats.clone()));
        let live = live::Parts {
            admission: admission.clone(),
            authorizer: authorizer.clone(),
            limiter: limiter.clone(),
            router: router.clone(),
            streams: streams.clone(),
            proxy: proxy.clone(),
            in_flight: responder.in_flight(),
            stats: stats.clone(),
            clock,
            stop: stop.clone(),
        };
        Arc::new(Self {
            admission,
            router,
            authorizer,
            live: Live::new(&options.endpoint, live),
            proxy,
            limiter,
            holds: Holds::new(options.limits.held_per_browser),
            streams,
            feeds,
            responder,
            stats,
            stop,
            options,
        })
    }

    /// Answers one request. `grant` is what `authorize` gave, where the app has one: the request's own token is then
    /// used for proxied requests only.
    ///
    /// Dropping the future means that the viewer left, and ends the requests made for it.
    pub async fn respond(self: &Arc<Self>, request: Request<Body>, grant: Option<Grant>) -> http::Response<Body> {
        let (mut head, body) = request.into_parts();
        let page = head.headers.get(header::ORIGIN).cloned();
        let admitted = self.admission.check(&head.headers, &head.uri);
        let browser = Identity::of(&head.headers, head.extensions.get::<PlainPeer>().copied());
        let mut request = request::read(head.method, head.uri.query(), head.headers);
        let routed = admitted.and_then(|()| self.route(&request, head.uri.path()));
        let logged = routed.as_ref().ok().filter(|_| enabled(Level::Warn)).map(|route| route.path.clone());
        // A poll is held for long, by thousands of viewers: its future keeps no more of the request than it needs, and
        // the futures of rare or short steps are boxed.
        drop(head.uri);
        let listener = head.extensions.remove::<ListenerStop>();
        drop(head.extensions);
        let outcome = match routed {
            Err(answer) => answer.into(),
            Ok(route) if route.target == Target::Proxy => Box::pin(self.proxy.pass(&request, &route, body)).await,
            Ok(route) if route.target == Target::Live => {
                request.headers = request::needed(&request.headers);
                let hold = browser.map(|browser| self.hold(&browser, &request, &route.target));
                let ends = (hold, listener);
                Box::pin(self.live.answer(&request, body, grant, ends)).await.unwrap_or_else(|refusal| refusal).into()
            }
            Ok(route) => {
                drop((body, listener));
                request.headers = request::needed(&request.headers);
                self.view(&mut request, &route, grant, browser.as_ref()).await.unwrap_or_else(Outcome::from)
            }
        };
        let mut response = self.responder.respond(outcome, &request.headers, head.version);
        log::refused(logged.as_deref(), response.status());
        self.admission.set_cors(page.as_ref(), &mut response);
        response
    }

    /// The route of a request.
    ///
    /// # Errors
    /// The answer to a request that goes no further.
    fn route(&self, request: &serve::Request, path: &str) -> Result<Route, Response> {
        match self.router.route(&request.method, path)? {
            Routed::Metrics => {
                let text = metrics::render(&self.stats, self.gauges());
                Err(Response::bytes(metrics::CONTENT_TYPE, text.into()).with("cache-control", "no-store"))
            }
            Routed::Route(route) => {
                self.authorizer.check_trigger(request, &route)?;
                Ok(route)
            }
        }
    }

    /// Answers a viewer of a feed or stream.
    async fn view(
        &self,
        request: &mut serve::Request,
        route: &Route,
        grant: Option<Grant>,
        browser: Option<&Identity>,
    ) -> Result<Outcome, Response> {
        let viewer = self.authorizer.identify(request, grant).await?;
        // From here on no step sees what the viewer wrote, only what was parsed of it (A16).
        request.query = route.rewrite_query(request.query.as_deref())?;
        let feed_path = route.feed_path(request);
        let hold = browser.map(|browser| self.hold(browser, request, &route.target));
        let permit = self.limiter.enter(viewer.digest, feed_path.as_str().into())?.with_hold(hold);
        match route.target {
            Target::Stream(..) => self.stream(request, route, &viewer, permit).await,
            Target::Run(_) | Target::Tags | Target::Batch(_) | Target::Live | Target::Proxy => {
                self.feed(request, route, &viewer, (permit, feed_path)).await
            }
        }
    }

    /// Counts the request of a browser that is short of connections (F12).
    fn hold(&self, browser: &Identity, request: &serve::Request, target: &Target) -> Hold {
        let kind =
            match target {
                Target::Stream(..) | Target::Live => Kind::Stream,
                Target::Run(_) | Target::Tags | Target::Batch(_) | Target::Proxy => {
                    if request.parameter("live").is_some() { Kind::Poll } else { Kind::Snapshot }
                }
            };
        self.holds.enter(browser, kind)
    }

    /// Answers a viewer of a feed: from the shared feed, or from the server where the copy does not have all rows.
    async fn feed(
        &self,
        request: &serve::Request,
        route: &Route,
        viewer: &Viewer,
        (mut permit, path): (Permit, String),
    ) -> Result<Outcome, Response> {
        // Runs of every environment may have the same tags: until the relay knows its own, the server answers.
        let is_shared = viewer.unproven.is_none() || route.target != Target::Tags;
        let feed = if is_shared {
            Some(self.authorizer.open_feed(viewer, request, &route.target, &path).await?)
        } else {
            None
        };
        drop(path);
        if let Some(feed) = &feed
            && let feed::Reply::Answer(answer) = feed::answer(feed, request, &viewer.skip_columns, permit.hold()).await
        {
            return Ok(Outcome::Answer(answer, Some(permit)));
        }
        let fetched = Box::pin(self.proxy.fetch(request, route, viewer, &mut permit)).await;
        Ok(proxied(fetched, permit))
    }

    /// Answers a viewer of a stream, which is as readable as its run: from the shared stream, or from the server where
    /// that no longer has it.
    async fn stream(
        &self,
        request: &serve::Request,
        route: &Route,
        viewer: &Viewer,
        mut permit: Permit,
    ) -> Result<Outcome, Response> {
        let Target::Stream(id, name) = &route.target else { return Err(Response::not_found()) };
        self.authorizer.check_run(viewer, id).await?;
        let key = StreamKey { run: id.clone(), name: name.clone() };
        let stream = self.streams.subscribe(key, viewer.digest)?;
        match stream::answer(stream, request, self.proxy.fallback(request, route, viewer)).await {
            stream::Reply::Answer(answer) => Ok(Outcome::Answer(answer, Some(permit))),
            stream::Reply::Upstream => {
                let fetched = Box::pin(self.proxy.fetch(request, route, viewer, &mut permit)).await;
                Ok(proxied(fetched, permit))
            }
        }
    }

    /// The refusal that a request gets before the app's `authorize` sees it. `own` is the app's host, where it is known
    /// from elsewhere than the request's headers.
    pub fn refusal(&self, head: &Parts, own: Option<&str>) -> Option<http::Response<Body>> {
        let refusal = self.admission.check_with_origin(head, own).err()?;
        Some(refusal.into_http(&head.headers, head.version))
    }

    /// Counts a call of `authorize` until [`Relay::end_authorize`]; false where too many are in flight.
    pub fn begin_authorize(&self) -> bool {
        let may = self.stats.authorizing.try_enter(self.options.limits.authorizing);
        if !may {
            self.stats.limit(Bound::Authorizing);
        }
        may
    }

    /// Ends a call of `authorize`.
    pub fn end_authorize(&self) {
        self.stats.authorizing.leave();
    }

    /// Whether the metrics are at a path.
    pub(super) fn is_metrics(&self, path: &str) -> bool {
        self.router.is_metrics(path)
    }

    /// The counts, as JSON: see `RealtimeStats` in types/relay.d.ts.
    #[must_use]
    pub fn stats(&self) -> String {
        self.stats.to_json(self.gauges()).to_string()
    }

    /// The counts of a relay that has answered nothing, as JSON.
    #[must_use]
    pub fn no_stats() -> String {
        Stats::default().to_json(Gauges::default()).to_string()
    }

    /// Counts an answer that the app gave in the relay's place, where it is a refusal.
    pub fn count_refusal(&self, status: StatusCode) {
        if let Some(refusal) = Refusal::of(status) {
            self.stats.refuse(refusal);
        }
        log::refused(None, status);
    }

    /// Counts an answer that was dropped unread elsewhere than in a listener.
    pub fn count_unread(&self) {
        self.stats.listeners.count_send_timeout();
    }

    fn gauges(&self) -> Gauges {
        let (feeds, streams) = (self.feeds.len(), self.streams.len());
        Gauges { feeds, streams, budget: self.feeds.budget(), bytes_in_flight: self.responder.bytes_in_flight() }
    }

    /// Ends held polls and streams, and every upstream. Idempotent.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The server's answer to a viewer, or the relay's own where the server gave none. The viewer keeps its permit either
/// way.
fn proxied(fetched: Result<http::Response<Body>, Response>, permit: Permit) -> Outcome {
    match fetched {
        Ok(response) => Outcome::Proxied(response, Some(permit)),
        Err(answer) => Outcome::Answer(answer, Some(permit)),
    }
}
