//! The headers and query that ask the server for a feed or stream in a viewer's place, written anew from the parsed
//! values of the viewer's request (A16). The viewer's branch is never sent. Pure.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::Endpoint;
use crate::http::feed_headers;
use crate::relay::upstream::bearer;
use crate::secret::Secret;
use crate::serve::Request;

/// The headers that ask for a feed. `None` for a token that no header can carry.
pub(super) fn feed_request_headers(request: &Request, endpoint: &Endpoint, token: &Secret) -> Option<HeaderMap> {
    let mut headers = feed_headers(endpoint).ok()?;
    headers.insert(header::AUTHORIZATION, bearer(token)?);
    // A client that does not name its version gets the old names of headers and of statuses.
    for name in ["x-trigger-electric-version", "x-trigger-api-version"] {
        if !request.headers.contains_key(name) {
            headers.remove(name);
        }
    }
    let coding = if request.accepts_gzip() { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
    Some(headers)
}

/// The headers that ask for a stream after a place, with silences of at most `wait`. `None` for a token or place that
/// no header can carry.
pub(super) fn stream_request_headers(
    endpoint: &Endpoint,
    token: &Secret,
    wait: Option<Duration>,
    place: Option<&str>,
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, bearer(token)?);
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

/// The request's query, which leaves out the columns of `skipped` as well (A8).
pub(super) fn with_skipped(request: &Request, skipped: &[String]) -> String {
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
