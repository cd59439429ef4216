//! The identity of a feed: readers with equal specs share one feed.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::retry::Policy;
use crate::shape::{Limits, Query};

/// The server, the path and query, and the retry policy of a feed. Equal specs share one upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeedSpec {
    /// The server, and the key.
    pub endpoint: Endpoint,
    /// The path, encoded, beginning with `/`.
    pub path: Arc<str>,
    /// The feed's own query parameters, such as `skipColumns`: names and values, not encoded.
    pub query: Arc<[(&'static str, String)]>,
    /// How the feed is retried.
    pub retry: RetryPolicy,
}

impl FeedSpec {
    /// The path and query of one request.
    pub(super) fn target(&self, query: &Query) -> String {
        let own: Vec<(&str, &str)> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        format!("{}?{}", self.path, query.with(&own))
    }

    /// The machine's limits under the feed's retry policy.
    pub(super) fn limits(&self) -> Limits {
        let (retry, default) = (self.retry, Limits::default());
        let delays = |policy: Policy| Policy {
            min_delay: Duration::from_millis(retry.min_delay_ms),
            max_delay: policy.max_delay.min(Duration::from_millis(retry.max_delay_ms)),
            ..policy
        };
        Limits {
            retry_for_ms: retry.retry_for_ms,
            protocol_for_ms: default.protocol_for_ms.min(retry.retry_for_ms),
            max_wait_ms: retry.max_delay_ms,
            min_wait_ms: default.min_wait_ms.min(retry.min_delay_ms),
            failures: delays(default.failures),
            idle: delays(default.idle),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(retry: RetryPolicy) -> Limits {
        let endpoint = Endpoint::new("http://a.b", "tr_dev_1234567890", None).expect("valid");
        FeedSpec { endpoint, path: "/".into(), query: [].into(), retry }.limits()
    }

    #[test]
    fn waits_are_spread_below_the_longest_that_the_app_allows() {
        let retry =
            RetryPolicy { retry_for_ms: 9_000, min_delay_ms: 40, max_delay_ms: 1_000, ..RetryPolicy::default() };
        let limits = limits(retry);
        assert_eq!(limits.failures.backoff(100, 0.5), Duration::from_millis(500), "not all at the longest");
        assert_eq!(limits.idle.max_delay, Duration::from_secs(1));
        assert_eq!([limits.failures.min_delay, limits.idle.min_delay], [Duration::from_millis(40); 2]);
        assert_eq!((limits.retry_for_ms, limits.max_wait_ms, limits.min_wait_ms), (9_000, 1_000, 40));
        assert_eq!(limits.protocol_for_ms, 9_000, "never longer than everything");
    }

    #[test]
    fn an_app_cannot_make_short_waits_longer_than_they_are() {
        let limits = limits(RetryPolicy { max_delay_ms: 3_600_000, ..RetryPolicy::default() });
        let default = Limits::default();
        assert_eq!(limits.failures.max_delay, default.failures.max_delay);
        assert_eq!(limits.protocol_for_ms, default.protocol_for_ms);
        assert_eq!(limits.min_wait_ms, default.min_wait_ms);
    }
}
