//! The router: finds the route of a request, among those that the relay serves below its mount point.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::family::Family;
use super::mount::{LIVE, is_live, names_server_path, server_path};
use super::query;
use super::route::{Found, Route, Target};
use crate::relay::options::Options;
use crate::serve::Response;

/// Finds the route of a request.
#[derive(Debug)]
pub(crate) struct Router {
    base_path: Option<Arc<str>>,
    allow: Option<Arc<[String]>>,
    metrics_path: Option<Arc<str>>,
}

/// The target of a request.
#[derive(Debug)]
pub(crate) enum Routed {
    /// The relay's metrics.
    Metrics,
    /// A route of Trigger.dev's API.
    Route(Route),
}

impl Router {
    /// The router of a relay with these options.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            base_path: options.base_path.clone(),
            allow: options.allow.clone(),
            metrics_path: options.metrics_path.clone(),
        }
    }

    /// Whether the metrics are at a path.
    pub(crate) fn is_metrics(&self, path: &str) -> bool {
        self.metrics_path.as_deref() == Some(path)
    }

    /// Routes a request. `path` is the whole path, still encoded.
    ///
    /// # Errors
    /// The answer to a request that goes no further: a preflight, a wrong method, or no route that is served.
    pub(crate) fn route(&self, method: &Method, path: &str) -> Result<Routed, Response> {
        if self.is_metrics(path) && *method == Method::GET {
            return Ok(Routed::Metrics);
        }
        let Some(server_path) = server_path(self.base_path.as_deref(), path) else {
            return Err(self.not_mounted(path));
        };
        if is_live(server_path) {
            return self.route_live(method).map(Routed::Route);
        }
        self.find(method, server_path).map(Routed::Route)
    }

    /// The route of a server's path, which is still encoded.
    ///
    /// # Errors
    /// As [`Router::route`].
    pub(crate) fn find(&self, method: &Method, server_path: &str) -> Result<Route, Response> {
        let route = match Route::find(method, server_path) {
            Found::Route(route) => route,
            Found::Preflight => return Err(Response::preflight()),
            Found::WrongMethod => return Err(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED)),
            Found::Unknown => {
                return Err(not_served("No route of Trigger.dev's API that a relay serves is at this path"));
            }
        };
        self.check_allowed(&[route.family])?;
        Ok(route)
    }

    /// The route of live responses, where a family is allowed that a want can be of.
    fn route_live(&self, method: &Method) -> Result<Route, Response> {
        match *method {
            Method::POST => {}
            Method::OPTIONS => return Err(Response::preflight()),
            _ => return Err(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED)),
        }
        self.check_allowed(&[Family::Runs, Family::Tags, Family::Batches, Family::Streams])?;
        Ok(Route { family: Family::Runs, target: Target::Live, path: LIVE.to_owned() })
    }

    fn check_allowed(&self, families: &[Family]) -> Result<(), Response> {
        let is_allowed =
            |allow: &Arc<[String]>| families.iter().any(|family| allow.iter().any(|name| name == family.name()));
        if self.allow.as_ref().is_none_or(is_allowed) {
            return Ok(());
        }
        Err(not_served("The relay's option allow leaves this route out"))
    }

    /// The 404 of a path that the relay is not mounted at. It differs from that of an unknown run where the path holds
    /// a server's path.
    fn not_mounted(&self, path: &str) -> Response {
        match (&self.base_path, names_server_path(path)) {
            (_, false) => Response::not_found(),
            (Some(base), true) => {
                not_served(&format!("The relay is at {base}: set its basePath to the path of its route"))
            }
            (None, true) => {
                not_served("The relay is behind no plain mount point: set its basePath to the path of its route")
            }
        }
    }
}

impl Route {
    /// The route's query, written anew from what was parsed of the viewer's.
    ///
    /// # Errors
    /// The 400 for tags that the server refuses.
    pub(crate) fn rewrite_query(&self, query: Option<&str>) -> Result<Option<String>, Response> {
        query::rewrite(&self.target, query).map_err(|why| Response::api_error(StatusCode::BAD_REQUEST, why))
    }
}

/// The 404 of a path that is not served. A client need not try again.
fn not_served(text: &str) -> Response {
    Response::api_error(StatusCode::NOT_FOUND, text).with("x-should-retry", "false")
}
