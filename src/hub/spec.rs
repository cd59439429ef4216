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
