//! Opens a want as the GET of its feed or stream is opened: with the same route, the same rights and the same limits.

use std::sync::Arc;
use std::task::Waker;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::event::Refused;
use super::following::Following;
use super::place::{Digests, Place};
use super::step::Step;
use super::stream::{FALLBACK_SILENCE_S, StreamFollowing};
use super::wants::{Subject, Want};
use crate::relay::admission::Admission;
use crate::relay::authorizer::{Authorizer, Grant};
use crate::relay::digest::Digest;
use crate::relay::limits::{BudgetExceeded, InFlightBytes, Limiter, Permit, Reserved, too_many_requests};
use crate::relay::proxy::Proxy;
use crate::relay::router::{Router, Target, join};
use crate::relay::stats::{Bound, Stats};
use crate::relay::stream::{StreamKey, Streams};
use crate::serve::{Request, Response};

/// What opens wants.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    pub(super) admission: Arc<Admission>,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) router: Arc<Router>,
    pub(super) streams: Arc<Streams>,
    pub(super) proxy: Arc<Proxy>,
    pub(super) in_flight: Arc<InFlightBytes>,
    pub(super) stats: Arc<Stats>,
}

/// What a want follows.
pub(super) enum Follower {
    /// Runs.
    Feed(Following),
    /// A stream.
    Stream(StreamFollowing),
}

impl Follower {
    /// What comes next. `waker` is woken when there may be something after [`Step::Idle`].
    pub(super) fn step(&mut self, digests: &Digests, beat: u64, waker: &Waker) -> Step {
        match self {
            Self::Feed(following) => following.step(digests, beat, waker),
            Self::Stream(following) => following.step(waker),
        }
    }

    /// Whether the page has rows that only time tells apart from the relay's.
    pub(super) fn has_doubts(&self) -> bool {
        match self {
            Self::Feed(following) => following.has_doubts(),
            Self::Stream(_) => false,
        }
    }
}

/// A want that was opened.
pub(super) struct Opened {
    pub(super) follower: Follower,
    /// Whose bytes under way it counts as.
    pub(super) owner: Option<Digest>,
    /// When its token expires, in Unix milliseconds.
    pub(super) expires_ms: Option<u64>,
    /// It counts as a viewer until this is dropped.
    pub(super) _permit: Permit,
}

/// The request that the wants came with.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) headers: HeaderMap,
    pub(super) origin: String,
    pub(super) grant: Option<Grant>,
}

impl Opener {
    /// Opens a want; `beat` is the heartbeat of its response.
    ///
    /// # Errors
    /// What its GET would have been answered with.
    pub(super) async fn open(&self, want: Want, asked: Arc<Asked>, beat: u64) -> Result<Opened, Refused> {
        let path = path_of(&want.subject)?;
        let route = self.router.find(&Method::GET, &path)?;
        let request = request_of(&want, &asked)?;
        self.admission.check_size(&request.headers, request.query.as_deref())?;
        let viewer = self.authorizer.identify(&request, asked.grant.clone()).await?;
        // As for a GET: from here on, no step sees anything but what was parsed (A16).
        let request = Request { query: route.rewrite_query(request.query.as_deref())?, ..request };
        let path = route.feed_path(&request);
        let mut permit = self.limiter.enter(viewer.digest, path.as_str().into()).map_err(Response::from)?;
        let reserved = self.reserve(&want.at, viewer.digest)?;
        let follower = if let Target::Stream(run, name) = &route.target {
            self.authorizer.check_run(&viewer, run).await?;
            let key = StreamKey { run: run.clone(), name: name.clone() };
            let stream = self.streams.subscribe(key, viewer.digest)?;
            let fallback = self.proxy.fallback(&request, &route, &viewer);
            Follower::Stream(StreamFollowing::open(stream, &want.at, fallback, &mut permit).await?)
        } else {
            if viewer.unproven.is_some() && route.target == Target::Tags {
                let why = "The relay does not know yet which environment is its own: read a run or a batch first";
                return Err(Refused::new(StatusCode::NOT_IMPLEMENTED, why, false));
            }
            let feed = self.authorizer.open_feed(&viewer, &request, &route.target, &path).await?;
            feed.ready().await?;
            let own = request.parameter("skipColumns").unwrap_or_default();
            let skipped = viewer.skip_columns.iter().cloned().chain(own.split(',').map(str::to_owned));
            Follower::Feed(
                Following::new(feed, skipped.collect(), &want.at, beat).lasting(want.is_lasting).counting(reserved),
            )
        };
        Ok(Opened { follower, owner: viewer.digest, expires_ms: viewer.expires_ms(), _permit: permit })
    }
}

impl Opener {
    /// Counts the places of a want as bytes under way.
    ///
    /// # Errors
    /// The 429 beyond the limit.
    pub(super) fn reserve(&self, places: &[String], owner: Option<Digest>) -> Result<Option<Reserved>, Refused> {
        self.in_flight.reserve(Place::bytes_of(places), owner).map_err(|BudgetExceeded| {
            self.stats.limit(Bound::BytesUnderWay);
            too_many_requests().into()
        })
    }
}

/// The path of the GET.
///
/// # Errors
/// The 400 for an empty name: the path without it is another feed's, that of all runs or of another stream.
fn path_of(subject: &Subject) -> Result<String, Refused> {
    let names: Vec<&str> = match subject {
        Subject::Run(id) => vec!["realtime", "v1", "runs", id],
        Subject::Tags(..) => vec!["realtime", "v1", "runs"],
        Subject::Batch(id) => vec!["realtime", "v1", "batches", id],
        Subject::Stream { run, key, is_input: false } => vec!["realtime", "v1", "streams", run, key],
        Subject::Stream { run, key, is_input: true } => vec!["realtime", "v1", "streams", run, "input", key],
    };
    if names.contains(&"") {
        return Err(Refused::new(StatusCode::BAD_REQUEST, "The name of a run, batch or stream is empty", false));
    }
    Ok(join(&names.into_iter().map(str::to_owned).collect::<Vec<_>>()))
}

/// The GET, with the token and the query of the want.
fn request_of(want: &Want, asked: &Asked) -> Result<Request, Refused> {
    let mut headers = asked.headers.clone();
    if let Some(token) = &want.token {
        let bearer = format!("Bearer {}", token.expose());
        let invalid = || Refused::new(StatusCode::UNAUTHORIZED, "Public Access Token is invalid", false);
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| invalid())?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    if let Subject::Stream { .. } = want.subject {
        headers.insert("timeout-seconds", FALLBACK_SILENCE_S.into());
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Subject::Tags(tags, created_at) = &want.subject {
        if !tags.is_empty() {
            query.append_pair("tags", &tags.join(","));
        }
        if let Some(created_at) = created_at {
            query.append_pair("createdAt", created_at);
        }
    }
    if !want.skip_columns.is_empty() {
        query.append_pair("skipColumns", &want.skip_columns.join(","));
    }
    Ok(Request { method: Method::GET, headers, query: Some(query.finish()), origin: asked.origin.clone() })
}
