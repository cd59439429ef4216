//! What is answered from memory: feeds and streams, for whoever may read them.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::access::Subject;
use super::feed::{self, FeedKey};
use super::pass::{self, Passed, Times};
use super::respond::{Grant, Outcome};
use super::route::{Route, Target};
use super::stream::{self, StreamKey};
use super::viewer::Viewer;
use super::{Relay, limits, query};
use crate::config::Endpoint;
use crate::http::feed_headers;
use crate::secret::Secret;
use crate::serve::stream::{StreamName, parse_timeout};
use crate::serve::{Request, Response};

impl Relay {
    /// Answers a feed or a stream.
    pub(super) async fn view(self: &Arc<Self>, request: &mut Request, route: &Route, grant: Option<Grant>) -> Outcome {
        let viewer = match self.recognise(request, grant).await {
            Ok(viewer) => viewer,
            Err(answer) => return answer.into(),
        };
        // From here on nobody sees what the viewer wrote, but only what was read of it.
        request.query = match query::anew(&route.target, request.query.as_deref()) {
            Ok(query) => query,
            Err(why) => return Response::api_error(StatusCode::BAD_REQUEST, why).into(),
        };
        let request = &*request;
        // As many feeds are at one path as there are lists of tags.
        let feed = match &route.target {
            Target::Tags => tags_path(request, route).into(),
            Target::Run(_) | Target::Batch(_) | Target::Stream(..) | Target::Pass => route.path.as_str().into(),
        };
        let Ok(mut seat) = self.gate.enter(viewer.digest, feed) else { return limits::full().into() };
        let answered = match &route.target {
            Target::Run(id) => self.run(request, route, &viewer, (id, &mut seat)).await,
            Target::Tags => self.tags(request, route, &viewer, &mut seat).await,
            Target::Batch(id) => self.batch(request, route, &viewer, (id, &mut seat)).await,
            Target::Stream(id, name) => return self.stream(request, route, &viewer, (id, name), seat).await,
            Target::Pass => Err(Response::not_found()),
        };
        match answered {
            // Whoever does not read its answer is still a viewer.
            Ok(Outcome::Answer(answer)) => Outcome::Held(answer, seat),
            Ok(Outcome::Passed(response, None)) => Outcome::Passed(response, Some(seat)),
            Ok(outcome @ (Outcome::Held(..) | Outcome::Passed(..))) => outcome,
            Err(answer) => Outcome::Answer(answer),
        }
    }

    async fn run(
        &self,
        request: &Request,
        route: &Route,
        viewer: &Viewer,
        (id, seat): (&str, &mut limits::Seat),
    ) -> Result<Outcome, Response> {
        let key = FeedKey::run(id).map_err(|_| unknown_run())?;
        self.permit(viewer, Subject::Run(id), &route.path, Some(&key)).await?;
        let feed = self.feeds.open_for(key, viewer.digest)?;
        self.prove(viewer, &feed).await?;
        Ok(self.give(request, route, viewer, (&feed, seat)).await)
    }

    /// Where the relay does not know its own environment yet: what the server shows the viewer's token, the relay's key is
    /// shown, too, so that both are of one.
    async fn prove(&self, viewer: &Viewer, feed: &feed::Seat) -> Result<(), Response> {
        if let Some(sub) = &viewer.unproven {
            feed.shown().await?;
            self.own.prove(sub);
        }
        Ok(())
    }

    async fn tags(
        &self,
        request: &Request,
        route: &Route,
        viewer: &Viewer,
        seat: &mut limits::Seat,
    ) -> Result<Outcome, Response> {
        // Runs of every environment may have these tags.
        if viewer.unproven.is_some() {
            return Ok(Box::pin(self.elsewhere(request, route, viewer, seat)).await);
        }
        let (list, created_at) = (request.parameter("tags"), request.parameter("createdAt"));
        let tags: Vec<String> = list.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
        self.permit(viewer, Subject::Tags(&tags), &tags_path(request, route), None).await?;
        let feed = self.feeds.open_for(FeedKey::tags(list.as_deref(), created_at.as_deref()), viewer.digest)?;
        Ok(self.give(request, route, viewer, (&feed, seat)).await)
    }

    async fn batch(
        &self,
        request: &Request,
        route: &Route,
        viewer: &Viewer,
        (id, seat): (&str, &mut limits::Seat),
    ) -> Result<Outcome, Response> {
        self.permit(viewer, Subject::Batch(id), &route.path, None).await?;
        let feed = self.feeds.open_for(FeedKey::batch(id).map_err(|_| unknown_run())?, viewer.digest)?;
        self.prove(viewer, &feed).await?;
        Ok(self.give(request, route, viewer, (&feed, seat)).await)
    }

    async fn give(
        &self,
        request: &Request,
        route: &Route,
        viewer: &Viewer,
        (feed, seat): (&feed::Seat, &mut limits::Seat),
    ) -> Outcome {
        match feed::answer(feed, request, &viewer.skip_columns).await {
            feed::Reply::Answer(answer) => answer.into(),
            feed::Reply::Elsewhere => Box::pin(self.elsewhere(request, route, viewer, seat)).await,
        }
    }

    async fn stream(
        self: &Arc<Self>,
        request: &Request,
        route: &Route,
        viewer: &Viewer,
        (id, name): (&str, &StreamName),
        mut seat: limits::Seat,
    ) -> Outcome {
        // A stream is as readable as its run.
        let permitted = async {
            let key = FeedKey::run(id).map_err(|_| unknown_run())?;
            self.permit(viewer, Subject::Run(id), key.path(), Some(&key)).await?;
            if viewer.unproven.is_some() {
                self.prove(viewer, &self.feeds.open_for(key, viewer.digest)?).await?;
            }
            Ok(())
        };
        let opened = match permitted.await {
            Ok(()) => self.streams.open_for(StreamKey { run: id.to_owned(), name: name.clone() }, viewer.digest),
            Err(answer) => Err(answer),
        };
        let stream = match opened {
            Ok(stream) => stream,
            Err(answer) => return answer.into(),
        };
        match stream::answer(stream, request, self.go_on(request, route, viewer)).await {
            stream::Reply::Here(answer) => Outcome::Held(answer, seat),
            stream::Reply::Elsewhere => match Box::pin(self.elsewhere(request, route, viewer, &mut seat)).await {
                Outcome::Passed(response, None) => Outcome::Passed(response, Some(seat)),
                outcome @ (Outcome::Answer(_) | Outcome::Held(..) | Outcome::Passed(..)) => outcome,
            },
        }
    }

    /// Asks the server for what memory does not have, with the viewer's own token. A viewer that the app vouches for
    /// has none: then it is the relay's key that asks, as for every feed, and the server leaves out the same columns.
    /// However many viewers there are, the server is asked by no more of them at once than may pass through: the others
    /// are told to come back.
    async fn elsewhere(&self, request: &Request, route: &Route, viewer: &Viewer, seat: &mut limits::Seat) -> Outcome {
        if seat.pass().is_err() {
            return limits::full().into();
        }
        let _under_way = self.stats.asking();
        let endpoint = &self.options.endpoint;
        let token = viewer.token.clone().unwrap_or_else(|| endpoint.token());
        let Some(headers) = headers_anew(request, &route.target, endpoint, &token) else {
            return Response::api_error(StatusCode::BAD_GATEWAY, "The relay's key cannot be sent").into();
        };
        let is_stream = matches!(route.target, Target::Stream(..));
        let query = (!is_stream).then(|| with_skipped(request, &viewer.skip_columns));
        let url = self.upstream(&route.path, query.as_deref());
        let passed = Passed { method: request.method.clone(), url, headers, times: Times::VIEWER };
        pass::get(passed).await.map(|answer| pass::until(self.stop.clone(), answer)).into()
    }

    /// How a viewer's stream goes on at the server should it fall behind what memory keeps: asked with the same token as
    /// [`Relay::elsewhere`] asks with. Little is kept of the request: there may be very many viewers.
    fn go_on(self: &Arc<Self>, request: &Request, route: &Route, viewer: &Viewer) -> stream::GoOn {
        let (relay, url) = (Arc::downgrade(self), self.upstream(&route.path, None));
        let endpoint = self.options.endpoint.clone();
        let token = viewer.token.clone().unwrap_or_else(|| endpoint.token());
        let wait = parse_timeout(request.header("timeout-seconds")).ok();
        Box::new(move |place| {
            Box::pin(async move {
                let relay = relay.upgrade().filter(|relay| !relay.stop.is_cancelled())?;
                let (_under_way, stop) = (relay.stats.asking(), relay.stop.clone());
                let headers = stream_headers(&endpoint, &token, wait, place.as_deref())?;
                let response =
                    pass::get(Passed { method: Method::GET, url, headers, times: Times::VIEWER }).await.ok()?;
                // Its bytes are put after those that were told.
                let fits = response.status() == StatusCode::OK && !response.headers().contains_key("content-encoding");
                fits.then(|| pass::until(stop, response).into_body())
            })
        })
    }
}

/// The headers that the server is asked with for what memory does not have: of the viewer's own only what was read of
/// them, above all no branch, whoever's key it is.
fn headers_anew(request: &Request, target: &Target, endpoint: &Endpoint, token: &Secret) -> Option<HeaderMap> {
    if let Target::Stream(..) = target {
        let wait = parse_timeout(request.header("timeout-seconds")).ok();
        return stream_headers(endpoint, token, wait, request.header("last-event-id"));
    }
    let mut headers = feed_headers(endpoint).ok()?;
    headers.insert(header::AUTHORIZATION, pass::bearer(token)?);
    // Clients that do not name their version are told the old names of headers and of statuses.
    for name in ["x-trigger-electric-version", "x-trigger-api-version"] {
        if !request.headers.contains_key(name) {
            headers.remove(name);
        }
    }
    let coding = if request.accepts_gzip() { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
    Some(headers)
}

/// The headers of a stream that is asked for from a place, with a timeout of so long.
fn stream_headers(
    endpoint: &Endpoint,
    token: &Secret,
    wait: Option<Duration>,
    place: Option<&str>,
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, pass::bearer(token)?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.extend(wait.map(|wait| (HeaderName::from_static("timeout-seconds"), HeaderValue::from(wait.as_secs()))));
    if let Some(place) = place {
        headers.insert("last-event-id", HeaderValue::from_str(place).ok()?);
    }
    if let Some(branch) = endpoint.branch() {
        headers.insert("x-trigger-branch", HeaderValue::from_str(branch).ok()?);
    }
    Some(headers)
}

/// The query of a request with more columns to leave out.
fn with_skipped(request: &Request, skipped: &[String]) -> String {
    let own = request.parameter("skipColumns").unwrap_or_default();
    let all: Vec<&str> =
        skipped.iter().map(String::as_str).chain(own.split(',')).filter(|one| !one.is_empty()).collect();
    let pairs = request.query.as_deref().unwrap_or_default();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(url::form_urlencoded::parse(pairs.as_bytes()).filter(|(name, _)| name != "skipColumns"));
    if !all.is_empty() {
        query.append_pair("skipColumns", &all.join(","));
    }
    query.finish()
}

/// The path of a tag feed with what tells it from others.
fn tags_path(request: &Request, route: &Route) -> String {
    let asked = ["tags", "createdAt"].map(|name| (name, request.parameter(name)));
    let pairs = asked.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { route.path.clone() } else { format!("{}?{query}", route.path) }
}

fn unknown_run() -> Response {
    Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "false")
}
