//! One row of the route table: its methods, its path, its label and its handler.

use std::future::ready;
use std::pin::Pin;

use super::Context;
use crate::error::Error;
use crate::serve::{Request, RequestBody, Response};

/// A row of the route table.
#[derive(Debug)]
pub(super) struct Route {
    /// The methods that it answers, such as `PATCH, DELETE`.
    pub(super) methods: &'static str,
    /// Its path. `{id}` stands for one segment, `{target}` for `self`, `parent` or `root`, and `{name}` for one or more
    /// segments: a packet's name may come encoded as one, or as several (recorded: `run-packet-types`).
    pub(super) path: &'static str,
    /// The name in the statistics and for faults. The emulator's own calls have none: they are not counted and never
    /// fail.
    pub(super) label: Option<&'static str>,
    /// Answers its requests.
    pub(super) handler: Handler,
}

/// Answers one request.
pub(super) type Handler = for<'c> fn(Call<'c>, RequestBody) -> Reply<'c>;

/// A response that is being made. Its error is a fault of the emulator itself.
pub(super) type Reply<'c> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'c>>;

/// A request with the parameters of its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    pub(super) context: &'c Context,
    pub(super) request: &'c Request,
    /// The path as it came, still encoded.
    pub(super) path: &'c str,
    /// The values of the path for each `{…}`, decoded.
    pub(super) parameters: &'c [String],
}

impl<'c> Call<'c> {
    /// The `index`th parameter of the path.
    pub(super) fn parameter(self, index: usize) -> &'c str {
        self.parameters.get(index).map_or("", String::as_str)
    }
}

impl Route {
    /// Whether it answers this method.
    pub(super) fn has_method(&self, method: &str) -> bool {
        self.methods.split(", ").any(|one| one == method)
    }

    /// Whether it is a feed of runs, which `must-refetch` is for.
    pub(super) fn is_feed(&self) -> bool {
        self.path.starts_with("/realtime/v1/runs") || self.path.starts_with("/realtime/v1/batches")
    }

    /// The parameters of a path, decoded and cut at its slashes; `None` for a path of another route.
    pub(super) fn parameters(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut rest = segments;
        let mut parameters = Vec::new();
        for part in self.path.strip_prefix('/')?.split('/') {
            let (first, after) = rest.split_first()?;
            match part {
                "{name}" => {
                    parameters.push(rest.join("/"));
                    rest = &[];
                    continue;
                }
                "{target}" if !["self", "parent", "root"].contains(&first.as_str()) => return None,
                _ if part.starts_with('{') => parameters.push(first.clone()),
                _ if part == first => {}
                _ => return None,
            }
            rest = after;
        }
        rest.is_empty().then_some(parameters)
    }
}

/// The result of a handler: a response, or a fault of the emulator itself.
pub(super) trait IntoResult {
    /// The same as a result.
    fn into_result(self) -> Result<Response, Error>;
}

impl IntoResult for Response {
    fn into_result(self) -> Result<Response, Error> {
        Ok(self)
    }
}

impl IntoResult for Result<Response, Error> {
    fn into_result(self) -> Result<Response, Error> {
        self
    }
}

/// The reply of a handler that has its response at once.
pub(super) fn now<'c>(response: impl IntoResult) -> Reply<'c> {
    Box::pin(ready(response.into_result()))
}

/// The reply of a handler that waits.
pub(super) fn later<'c>(response: impl Future<Output = impl IntoResult> + Send + 'c) -> Reply<'c> {
    Box::pin(async move { response.await.into_result() })
}
