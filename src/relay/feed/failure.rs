//! The failures of a feed that cannot be read, and the answer that its viewers get for each (F3). Pure.

use http::StatusCode;

use crate::config::Endpoint;
use crate::error::{Error, Kind};
use crate::relay::warnings::UpstreamError;
use crate::serve::Response;

/// The failure of a feed. Every viewer gets the same answer for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::relay) struct Failure {
    status: StatusCode,
    body: String,
    should_retry: Option<bool>,
    retry_after: Option<u64>,
    /// The error that the operator can fix.
    pub(super) upstream_error: Option<UpstreamError>,
}

impl Failure {
    /// The failure of a feed that ended upstream with `error`.
    pub(super) fn of(error: &Error, endpoint: &Endpoint) -> Self {
        let Some(answer) = error.answer() else {
            return match error.kind() {
                Kind::Connection | Kind::Timeout => Self::of_upstream(UpstreamError::Unreachable),
                Kind::Api
                | Kind::Protocol
                | Kind::NoProgress
                | Kind::Config
                | Kind::Argument
                | Kind::Decode
                | Kind::Aborted
                | Kind::Internal => {
                    Self::with_text(StatusCode::BAD_GATEWAY, &format!("The relay: {}", error.message()))
                }
            };
        };
        match answer.status {
            status @ (401 | 403) => Self::of_upstream(UpstreamError::of(status).unwrap_or(UpstreamError::Unauthorized)),
            429 | 500.. => Self::later("The Trigger.dev server does not answer the relay: try again later"),
            status => {
                let retry = answer.headers.iter().find(|(name, _)| name == "x-should-retry");
                let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&answer.body).is_ok();
                // A body that repeats the relay's key is not passed on, whatever it says.
                let fits = is_json && !answer.body.contains(endpoint.token().expose());
                Self {
                    status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
                    body: if fits { answer.body.clone() } else { error_body("Not found") },
                    should_retry: retry.and_then(|(_, value)| value.parse().ok()),
                    retry_after: None,
                    upstream_error: None,
                }
            }
        }
    }

    /// The relay's own key cannot read from the server. The operator may fix it soon: viewers try again after a second.
    pub(super) fn of_upstream(upstream_error: UpstreamError) -> Self {
        let failure = Self::with_text(StatusCode::BAD_GATEWAY, upstream_error.text());
        Self { retry_after: Some(1), upstream_error: Some(upstream_error), ..failure }
    }

    /// The relay was stopped.
    pub(super) fn stopping() -> Self {
        Self::later("The relay is stopping")
    }

    /// Nothing came yet, or no feed can be opened now: viewers try again after a second.
    pub(super) fn later(text: &str) -> Self {
        Self { retry_after: Some(1), ..Self::with_text(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// An unknown run.
    pub(super) fn not_found() -> Self {
        Self { should_retry: Some(false), ..Self::with_text(StatusCode::NOT_FOUND, "Not found") }
    }

    fn with_text(status: StatusCode, text: &str) -> Self {
        Self { status, body: error_body(text), should_retry: None, retry_after: None, upstream_error: None }
    }

    /// The viewer's answer.
    pub(super) fn answer(&self) -> Response {
        let mut answer = Response::api(self.status, self.body.clone());
        if let Some(retry) = self.should_retry {
            answer = answer.with("x-should-retry", if retry { "true" } else { "false" });
        }
        match self.retry_after {
            Some(seconds) => answer.with("retry-after", &seconds.to_string()),
            None => answer,
        }
    }
}

fn error_body(text: &str) -> String {
    serde_json::json!({ "error": text }).to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn of(status: u16, headers: &HeaderMap, body: &str) -> Failure {
        let endpoint = Endpoint::new("http://127.0.0.1:1", "tr_dev_hidden", None).expect("an endpoint");
        Failure::of(&Error::api(status, headers, body.as_bytes()), &endpoint)
    }

    #[test]
    fn an_unknown_run_is_told_in_the_servers_words() {
        let mut headers = HeaderMap::new();
        headers.insert("x-should-retry", "false".parse().expect("a value"));
        let failure = of(404, &headers, r#"{"error":"Not found"}"#);
        assert_eq!(failure, Failure::not_found());
        headers.insert("x-should-retry", "true".parse().expect("a value"));
        assert_eq!(of(404, &headers, r#"{"error":"Not found"}"#).should_retry, Some(true));
    }

    #[test]
    fn a_refusal_of_our_key_names_the_fix_and_no_secret() {
        for status in [401, 403] {
            let failure = of(status, &HeaderMap::new(), r#"{"error":"tr_dev_hidden"}"#);
            assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
            assert!(failure.body.contains("TRIGGER_SECRET_KEY") && !failure.body.contains("hidden"));
        }
        assert!(!of(400, &HeaderMap::new(), r#"{"error":"tr_dev_hidden"}"#).body.contains("hidden"));
        assert!(!of(404, &HeaderMap::new(), "<html>").body.contains("html"));
    }

    #[test]
    fn what_may_pass_says_when_to_come_back() {
        for status in [429, 500, 503] {
            assert_eq!(of(status, &HeaderMap::new(), "x").retry_after, Some(1), "{status}");
        }
    }
}
