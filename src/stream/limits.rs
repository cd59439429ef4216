//! The bounds of one stream: when it is retried, after which wait, and when it gives up.

use std::time::Duration;

use crate::connection::RetryPolicy;
use crate::retry::Policy;

/// The bounds of one stream. Times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Failures that last so long without a record end the stream. Default 300,000.
    pub retry_for_ms: u64,
    /// The most responses in a row that are no event stream, or that say the stream cannot be read. Default 30
    /// (defect 1).
    pub protocol_failures: u32,
    /// The longest time that such responses may last. Default 15,000: defect 1 promises 20 s.
    pub protocol_for_ms: u64,
    /// The waits after failures: full jitter. Default 500 ms × 1.6, at most 30 s.
    pub failures: Policy,
    /// The shortest wait. Default 100.
    pub min_wait_ms: u64,
    /// The longest wait, whatever the server asks. Default 30,000.
    pub max_wait_ms: u64,
    /// A window that was shorter than this and brought nothing is opened again after this wait. Default 1,000.
    pub held_ms: u64,
    /// A connection on which bytes came for so long counts as progress. Default 5,000.
    pub healthy_ms: u64,
    /// A failure so long after the wait for the last one is none of a server that has no streams: something on the way
    /// broke. Default 5,000.
    pub slow_ms: u64,
    /// The idle time of a server where the request names none. Default 60,000 (docs/server-protocol.md 5).
    pub idle_ms: u64,
    /// After the run is over, a stream that is silent for so long may be drained: a v1 stream is (v1 has no marker), a
    /// v2 stream is asked where its tail is. Default 2,000.
    pub drain_ms: u64,
    /// A v2 connection whose last byte is not older than this is alive when the run ends; otherwise it may be dead
    /// without a sign (defect 11). Default [`Limits::ALIVE_MS`]: pings come every 15 s.
    pub alive_ms: u64,
    /// The same for v1. Default [`Limits::ALIVE_V1_MS`]: pings come every 10 s.
    pub alive_v1_ms: u64,
    /// A v1 stream is over after so many bodies in a row that end cleanly and early without a new value, for v1 has no
    /// end marker (docs/server-protocol.md 5). Default 3.
    pub max_empty_bodies: u32,
    /// The longest event, in bytes.
    pub max_event_bytes: usize,
}

impl Limits {
    /// The default of [`Limits::alive_ms`].
    pub const ALIVE_MS: u64 = 20_000;
    /// The default of [`Limits::alive_v1_ms`].
    pub const ALIVE_V1_MS: u64 = 12_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            retry_for_ms: 300_000,
            protocol_failures: 30,
            protocol_for_ms: 15_000,
            failures: Policy {
                max_attempts: u32::MAX,
                min_delay: Duration::from_millis(500),
                max_delay: Duration::from_secs(30),
                factor: 1.6,
                full_jitter: true,
            },
            min_wait_ms: 100,
            max_wait_ms: 30_000,
            held_ms: 1_000,
            healthy_ms: 5_000,
            slow_ms: 5_000,
            idle_ms: 60_000,
            drain_ms: 2_000,
            alive_ms: Self::ALIVE_MS,
            alive_v1_ms: Self::ALIVE_V1_MS,
            max_empty_bodies: 3,
            max_event_bytes: crate::sse::MAX_EVENT_BYTES,
        }
    }
}

impl From<RetryPolicy> for Limits {
    fn from(retry: RetryPolicy) -> Self {
        let default = Self::default();
        Self {
            retry_for_ms: retry.retry_for_ms,
            protocol_for_ms: default.protocol_for_ms.min(retry.retry_for_ms),
            failures: Policy {
                min_delay: Duration::from_millis(retry.min_delay_ms),
                max_delay: default.failures.max_delay.min(Duration::from_millis(retry.max_delay_ms)),
                ..default.failures
            },
            min_wait_ms: default.min_wait_ms.min(retry.min_delay_ms),
            max_wait_ms: retry.max_delay_ms,
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_below_the_longest_that_the_app_allows() {
        let retry =
            RetryPolicy { retry_for_ms: 9_000, min_delay_ms: 40, max_delay_ms: 1_000, ..RetryPolicy::default() };
        let limits = Limits::from(retry);
        assert_eq!(limits.failures.backoff(100, 0.5), Duration::from_millis(500), "not all at the longest");
        assert_eq!(limits.failures.backoff(1, 0.5), Duration::from_millis(20));
        assert_eq!((limits.retry_for_ms, limits.max_wait_ms, limits.min_wait_ms), (9_000, 1_000, 40));
        assert_eq!(limits.protocol_for_ms, 9_000, "never longer than everything");
        let longer = Limits::from(RetryPolicy { max_delay_ms: 3_600_000, ..RetryPolicy::default() });
        assert_eq!(longer.failures, Limits::default().failures);
    }
}
