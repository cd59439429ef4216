//! The authorizer: identifies a viewer, and opens what it may read.

use std::sync::Arc;

use http::StatusCode;

use super::environment::Environment;
use super::identity::{Identity, RelayKey, identify};
use super::policy::{Resource, RunAttributes, ScopeDecision, decide};
use super::probe::Indeterminate;
use super::probe_cache::ProbeCache;
use super::trigger;
use super::viewer::{Grant, Rights, Viewer, bearer_token};
use crate::config::Endpoint;
use crate::relay::digest::Digester;
use crate::relay::feed::{self, FeedKey, Feeds};
use crate::relay::options::Options;
use crate::relay::router::{Route, Target};
use crate::relay::stats::Stats;
use crate::serve::clock::Clock;
use crate::serve::{Request, Response};

/// Identifies viewers, and decides which feeds and streams each may read.
#[derive(Debug)]
pub(crate) struct Authorizer {
    endpoint: Endpoint,
    /// The clock that the expiry of tokens is compared with.
    clock: Clock,
    stats: Arc<Stats>,
    digester: Digester,
    environment: Environment,
    probes: ProbeCache,
    /// The shared feeds: a run's feed supplies its row where a scope names the run's task or tags.
    feeds: Feeds,
}

impl Authorizer {
    /// An authorizer that has decided nothing yet.
    pub(crate) fn new(options: &Options, clock: Clock, stats: Arc<Stats>, digester: Digester, feeds: Feeds) -> Self {
        Self {
            endpoint: options.endpoint.clone(),
            stats,
            environment: Environment::new(options),
            probes: ProbeCache::new(clock.clone(), digester.clone()),
            clock,
            digester,
            feeds,
        }
    }

    /// Identifies a viewer, by `grant` where the app has an `authorize`, else by its token.
    ///
    /// # Errors
    /// The 401, or the 503 while the relay cannot learn which environment is its own.
    pub(crate) async fn identify(&self, request: &Request, grant: Option<Grant>) -> Result<Viewer, Response> {
        if let Some(grant) = grant {
            return Ok(Viewer::granted(grant, &self.digester));
        }
        let (endpoint, bearer) = (&self.endpoint, bearer_token(&request.headers));
        let key = endpoint.token();
        let identity =
            |sub: Option<&str>| identify(bearer, RelayKey { key: &key, kind: endpoint.kind(), sub }, self.now());
        let mut known = self.environment.known();
        let mut found = identity(known.as_deref());
        let needs_environment = match &found {
            // Only a token of the relay's own environment is worth a probe.
            Identity::Unverified(_) => true,
            // One key signs the tokens of all branches, and each branch is an environment of its own.
            Identity::Verified(_) => is_of_many(endpoint),
            Identity::OwnKey | Identity::Rejected(_) => false,
        };
        if needs_environment && known.is_none() {
            known = Box::pin(self.environment.learn()).await?;
            found = identity(known.as_deref());
        }
        let token = bearer.unwrap_or_default();
        match found {
            Identity::Verified(claims) => Ok(Viewer::verified(token, claims, &self.digester)),
            Identity::Unverified(claims) => Ok(Viewer::unverified(token, claims, known.is_some(), &self.digester)),
            // The server would answer for another branch; the shared feeds and streams are of one.
            Identity::OwnKey
                if request.header("x-trigger-branch").is_some_and(|name| Some(name) != endpoint.branch()) =>
            {
                Err(Response::api_error(
                    StatusCode::BAD_REQUEST,
                    "This relay serves another branch than x-trigger-branch names",
                ))
            }
            Identity::OwnKey => Ok(Viewer::server(token, &self.digester)),
            Identity::Rejected(text) => Err(Response::api_error(StatusCode::UNAUTHORIZED, text)),
        }
    }

    /// Opens the shared feed of `target` for a viewer that may read it. `path` is the feed's, with its own query.
    ///
    /// # Errors
    /// The 401, 403, 404 or 429; the answer where the server cannot be probed, or the relay's key cannot read the feed.
    pub(crate) async fn open_feed(
        &self,
        viewer: &Viewer,
        request: &Request,
        target: &Target,
        path: &str,
    ) -> Result<feed::Subscriber, Response> {
        let key = match target {
            Target::Run(id) => {
                let key = FeedKey::run(id).map_err(|_| unknown_run())?;
                self.authorize(viewer, Resource::Run(id), path, Some(&key)).await?;
                key
            }
            Target::Batch(id) => {
                self.authorize(viewer, Resource::Batch(id), path, None).await?;
                FeedKey::batch(id).map_err(|_| unknown_run())?
            }
            Target::Tags => {
                let (list, created_at) = (request.parameter("tags"), request.parameter("createdAt"));
                let tags: Vec<String> = list.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
                self.authorize(viewer, Resource::Tags(&tags), path, None).await?;
                FeedKey::tags(list.as_deref(), created_at.as_deref())
            }
            Target::Stream(..) | Target::Live | Target::Proxy => return Err(Response::not_found()),
        };
        let feed = self.feeds.subscribe(key, viewer.digest)?;
        self.prove(viewer, &feed).await?;
        Ok(feed)
    }

    /// Checks that a viewer may read a run, and so its streams.
    ///
    /// # Errors
    /// As [`Authorizer::open_feed`].
    pub(crate) async fn check_run(&self, viewer: &Viewer, id: &str) -> Result<(), Response> {
        let key = FeedKey::run(id).map_err(|_| unknown_run())?;
        self.authorize(viewer, Resource::Run(id), key.path(), Some(&key)).await?;
        if viewer.unproven.is_some() {
            self.prove(viewer, &self.feeds.subscribe(key, viewer.digest)?).await?;
        }
        Ok(())
    }

    /// Refuses a trigger whose token the relay's own key signed and that lacks the scope (A15). The server decides on
    /// every other one.
    ///
    /// # Errors
    /// The 403.
    pub(crate) fn check_trigger(&self, request: &Request, route: &Route) -> Result<(), Response> {
        trigger::check(&self.endpoint, &request.headers, route, self.now())
    }

    /// Decides whether the viewer may read the resource, whose feed is at `path` (with its own query). `run` is that
    /// feed where the resource is one run: scopes may depend on its row.
    ///
    /// # Errors
    /// The 401, 403 or 404; the answer where the server cannot be probed.
    async fn authorize(
        &self,
        viewer: &Viewer,
        resource: Resource<'_>,
        path: &str,
        run: Option<&FeedKey>,
    ) -> Result<(), Response> {
        let scopes = match &viewer.rights {
            Rights::Scopes(scopes) => scopes,
            Rights::Server(exp) => return Box::pin(self.probe(viewer, path, *exp)).await,
        };
        let mut decision = decide(scopes, resource, None);
        if let (ScopeDecision::NeedsRow, Some(key)) = (decision, run) {
            let row = self.feeds.subscribe(key.clone(), viewer.digest)?.facts().await?;
            decision = decide(scopes, resource, Some(RunAttributes { task: &row.task, tags: &row.tags }));
        }
        match decision {
            ScopeDecision::Allow => Ok(()),
            ScopeDecision::Probe if viewer.token.is_some() => Box::pin(self.probe(viewer, path, None)).await,
            ScopeDecision::Deny | ScopeDecision::NeedsRow | ScopeDecision::Probe => {
                Err(forbidden(resource, viewer.token.is_none()))
            }
        }
    }

    /// Proves that the viewer's token belongs to the relay's own environment, where the relay does not know that yet:
    /// the server shows the same feed to the token and to the relay's key (A20).
    ///
    /// # Errors
    /// The reason why the relay's key cannot read the feed.
    async fn prove(&self, viewer: &Viewer, feed: &feed::Subscriber) -> Result<(), Response> {
        if let Some(sub) = &viewer.unproven {
            feed.ready().await?;
            self.environment.prove(sub);
        }
        Ok(())
    }

    async fn probe(&self, viewer: &Viewer, path: &str, exp: Option<f64>) -> Result<(), Response> {
        let Some(token) = &viewer.token else {
            return Err(Indeterminate::Unreachable.answer());
        };
        let _counted = self.stats.viewer_request();
        let decision = self.probes.probe(&self.endpoint, token, path, exp).await;
        decision.map_err(Indeterminate::answer)?.into_result()
    }

    /// The time in Unix seconds.
    fn now(&self) -> i64 {
        i64::try_from(self.clock.now_ms() / 1000).unwrap_or(i64::MAX)
    }
}

/// Whether the key belongs to several environments: those of its branches.
fn is_of_many(endpoint: &Endpoint) -> bool {
    endpoint.branch().is_some() || endpoint.token().expose().starts_with("tr_preview_")
}

/// The server's 403 with a `hint`: a scope that would open the resource. The hint names what the request asked for and
/// nothing else, because a run's tags are not for a viewer that may not read the run.
fn forbidden(resource: Resource<'_>, is_granted: bool) -> Response {
    let wanted = match resource {
        Resource::Run(id) => format!("read:runs:{id}"),
        Resource::Tags([]) => "read:runs".to_owned(),
        Resource::Tags([tag, ..]) => format!("read:tags:{tag}"),
        Resource::Batch(id) => format!("read:batch:{id}"),
    };
    let what = if is_granted { "What authorize() granted" } else { "The access token" };
    let mut body = Response::forbidden();
    body["hint"] = format!("{what} lacks a scope that opens this, such as {wanted}").into();
    Response::api(StatusCode::FORBIDDEN, body.to_string())
}

fn unknown_run() -> Response {
    Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "false")
}
