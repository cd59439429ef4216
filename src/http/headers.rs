//! The headers of calls and feeds (docs/server-protocol.md 1).

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::retry::Policy;

/// The version of the official SDK whose protocol we speak, sent as `trigger-version`.
const PROTOCOL_CLIENT_VERSION: &str = "4.8.3";
/// Without it the server rewrites the status DEQUEUED to EXECUTING.
const API_VERSION: &str = "2025-07-16";
/// Without it the server answers feeds as to a legacy client, with other header names.
const ELECTRIC_VERSION: &str = "1.0.0-beta.1";

/// The options of a client's calls: extra headers, the retry schedule, the version of streams.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientOptions {
    /// Sent with every call. Headers of our own replace them.
    pub additional_headers: std::collections::BTreeMap<String, String>,
    /// Trace context, which replaces additional headers. Left out where a header cannot carry it, or where it names a
    /// header of the connection.
    #[serde(skip)]
    pub trace_headers: std::collections::BTreeMap<String, String>,
    /// The wire version of realtime streams. Default `v2`.
    pub streams_version: Option<String>,
    /// Replaces parts of the default retry schedule.
    pub retry: RetryOptions,
}

/// The retry options of the official SDK's `requestOptions.retry`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryOptions {
    /// Attempts in all. Default 5.
    pub max_attempts: Option<u32>,
    /// Milliseconds before the second attempt. Default 1,000.
    pub min_timeout_in_ms: Option<u64>,
    /// No wait is longer, in milliseconds. Default 30,000.
    pub max_timeout_in_ms: Option<u64>,
    /// The factor from each wait to the next. Default 1.6.
    pub factor: Option<f64>,
    /// Whether waits are drawn from `[0, wait)`. Default false.
    pub randomize: Option<bool>,
}

impl RetryOptions {
    /// The schedule with these options applied over the default one.
    pub fn policy(&self) -> Policy {
        self.over(Policy::default())
    }

    /// The schedule with these options applied over `default`.
    pub fn over(&self, default: Policy) -> Policy {
        let millis = std::time::Duration::from_millis;
        Policy {
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts).max(1),
            min_delay: self.min_timeout_in_ms.map_or(default.min_delay, millis),
            max_delay: self.max_timeout_in_ms.map_or(default.max_delay, millis),
            factor: self.factor.filter(|factor| factor.is_finite() && *factor > 0.0).unwrap_or(default.factor),
            full_jitter: self.randomize.unwrap_or(default.full_jitter),
        }
    }
}

/// The headers of a single call. `idempotency_key` is the same one across its retries.
pub(super) fn call_headers(endpoint: &Endpoint, options: &ClientOptions, idempotency_key: &str) -> Result<HeaderMap> {
    // Additional headers come first: credentials and the headers of the protocol replace them, as in
    // the official SDK; only the source can be another one.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert("x-trigger-source", HeaderValue::from_static("sdk"));
    for (name, text) in &options.additional_headers {
        let name: HeaderName = name.parse().map_err(|_| {
            Error::new(ErrorCode::InvalidHeader, format!("{name:?} in additionalHeaders is not a header name"))
        })?;
        if !is_connection_header(&name) {
            headers.insert(name, value("value in additionalHeaders", text)?);
        }
    }
    for (name, text) in &options.trace_headers {
        // Trace context never fails a call.
        if let (Ok(name), Ok(text)) = (name.parse::<HeaderName>(), HeaderValue::from_str(text))
            && !is_connection_header(&name)
        {
            headers.insert(name, text);
        }
    }
    for (name, text) in &base_headers(endpoint)? {
        headers.insert(name.clone(), text.clone());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let streams = options.streams_version.as_deref().unwrap_or("v2");
    headers.insert("x-trigger-realtime-streams-version", value("stream version", streams)?);
    headers.insert("x-trigger-request-idempotency-key", value("idempotency key", idempotency_key)?);
    Ok(headers)
}

/// Whether a header belongs to the connection or the body: another value would break the request.
fn is_connection_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection")
}

/// The headers of a batch's items: those of a call, without an idempotency key, since the server tells
/// items apart by their index.
pub(super) fn items_headers(endpoint: &Endpoint, options: &ClientOptions) -> Result<HeaderMap> {
    let mut headers = call_headers(endpoint, options, "")?;
    headers.remove("x-trigger-request-idempotency-key");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(headers)
}

/// The headers of every request of a run feed.
///
/// # Errors
/// `ERR_INVALID_HEADER` when the key or branch cannot stand in a header.
pub fn feed_headers(endpoint: &Endpoint) -> Result<HeaderMap> {
    let mut headers = base_headers(endpoint)?;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert("x-trigger-electric-version", HeaderValue::from_static(ELECTRIC_VERSION));
    Ok(headers)
}

fn base_headers(endpoint: &Endpoint) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(10);
    let mut bearer = value("access token", &format!("Bearer {}", endpoint.token().expose()))?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    headers.insert("trigger-version", HeaderValue::from_static(PROTOCOL_CLIENT_VERSION));
    headers.insert("x-trigger-api-version", HeaderValue::from_static(API_VERSION));
    if let Some(branch) = endpoint.branch() {
        headers.insert("x-trigger-branch", value("branch", branch)?);
    }
    Ok(headers)
}

fn value(what: &str, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| {
        Error::new(ErrorCode::InvalidHeader, format!("the {what} holds a character that no header can carry"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::new("http://a.b", "tr_dev_hidden", Some("feature")).expect("valid")
    }

    #[test]
    fn calls_and_feeds_carry_what_the_server_expects() {
        let call = call_headers(&endpoint(), &ClientOptions::default(), "key-1").expect("valid");
        assert_eq!(call["x-trigger-branch"], "feature");
        assert_eq!(call["x-trigger-realtime-streams-version"], "v2");
        assert_eq!(call["x-trigger-request-idempotency-key"], "key-1");
        let feed = feed_headers(&endpoint()).expect("valid");
        assert_eq!(feed["x-trigger-electric-version"], "1.0.0-beta.1");
        assert!(!format!("{feed:?}").contains("hidden"), "the key is marked sensitive");
    }

    #[test]
    fn additional_headers_are_sent_but_never_replace_the_credentials() {
        let options: ClientOptions = serde_json::from_str(
            r#"{"additionalHeaders":{"x-team":"a","Authorization":"Bearer other","trigger-version":"0"}}"#,
        )
        .expect("valid");
        let headers = call_headers(&endpoint(), &options, "k").expect("valid");
        assert_eq!(headers["x-team"], "a");
        assert_eq!(headers[AUTHORIZATION], "Bearer tr_dev_hidden");
        assert_eq!(headers["trigger-version"], PROTOCOL_CLIENT_VERSION);
        assert_eq!(headers["x-trigger-source"], "sdk");
        let trace =
            [("traceparent", "00-1-2-01"), ("x-team", "b"), ("authorization", "x"), ("host", "x"), ("a b", "x")];
        let traced = ClientOptions {
            trace_headers: trace.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            ..options
        };
        let headers = call_headers(&endpoint(), &traced, "k").expect("valid");
        assert_eq!(
            (&headers["traceparent"], &headers["x-team"]),
            (&"00-1-2-01".parse().expect("it"), &"b".parse().expect("it"))
        );
        assert_eq!(headers[AUTHORIZATION], "Bearer tr_dev_hidden");
        assert!(!headers.contains_key("host"));
        let bad: ClientOptions = serde_json::from_str(r#"{"additionalHeaders":{"a b":"c"}}"#).expect("valid");
        assert_eq!(call_headers(&endpoint(), &bad, "k").expect_err("refused").code(), ErrorCode::InvalidHeader);
    }

    #[test]
    fn a_retry_option_replaces_its_part_of_the_schedule_and_a_factor_that_is_none_is_left_out() {
        let options = |text: &str| -> RetryOptions { serde_json::from_str(text).expect("options") };
        let all = options(r#"{"maxAttempts":2,"minTimeoutInMs":10,"maxTimeoutInMs":20,"factor":3,"randomize":true}"#);
        let millis = std::time::Duration::from_millis;
        let policy =
            Policy { max_attempts: 2, min_delay: millis(10), max_delay: millis(20), factor: 3.0, full_jitter: true };
        assert_eq!(all.policy(), policy);
        assert_eq!(options("{}").policy(), Policy::default());
        assert_eq!(options("{}").over(policy), policy);
        assert_eq!(options(r#"{"maxAttempts":0}"#).policy().max_attempts, 1, "a call is sent once at least");
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let options = RetryOptions { factor: Some(factor), ..RetryOptions::default() };
            assert_eq!(options.policy(), Policy::default(), "{factor}");
        }
        assert!((options(r#"{"factor":0.5}"#).policy().factor - 0.5).abs() < f64::EPSILON);
    }
}
