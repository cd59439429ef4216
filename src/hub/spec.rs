//! What makes two feeds the same feed.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Endpoint;
use crate::shape::Limits;

/// How patient a feed is with its server. All times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Patience {
    /// Give up after failing for so long. Default 300,000.
    pub retry_for_ms: u64,
    /// The first wait after a failure, before jitter. Default 500.
    pub min_delay_ms: u64,
    /// The longest wait, whatever the server asks. Default 30,000.
    pub max_delay_ms: u64,
    /// The longest silence on a connection before it is taken for dead (defect 11). Default
    /// 60,000: well above the server's polls of at most 23 s.
    pub silence_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { retry_for_ms: 300_000, min_delay_ms: 500, max_delay_ms: 30_000, silence_ms: 60_000 }
    }
}

impl Patience {
    /// The machine's limits.
    pub(super) fn limits(self) -> Limits {
        let default = Limits::default();
        let delays = |policy: crate::retry::Policy| crate::retry::Policy {
            min_delay: Duration::from_millis(self.min_delay_ms),
            max_delay: policy.max_delay.min(Duration::from_millis(self.max_delay_ms)),
            ..policy
        };
        Limits {
            retry_for_ms: self.retry_for_ms,
            protocol_for_ms: default.protocol_for_ms.min(self.retry_for_ms),
            max_wait_ms: self.max_delay_ms,
            min_wait_ms: default.min_wait_ms.min(self.min_delay_ms),
            failures: delays(default.failures),
            idle: delays(default.idle),
            ..default
        }
    }
}

/// What a feed asks for, of whom, and how patiently. Equal specs share one upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeedSpec {
    /// Where, and as whom.
    pub endpoint: Endpoint,
    /// The path, encoded, beginning with `/`.
    pub path: Arc<str>,
    /// The feed's own query parameters, such as `skipColumns`: names and values, not encoded.
    pub query: Arc<[(&'static str, String)]>,
    /// How patiently.
    pub patience: Patience,
}

impl FeedSpec {
    /// The path and query of one request.
    pub(super) fn target(&self, query: &crate::shape::Query) -> String {
        let own: Vec<(&str, &str)> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        format!("{}?{}", self.path, query.with(&own))
    }
}
