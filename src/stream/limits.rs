//! How patient a stream is, and where it stops trying.

use std::time::Duration;

use crate::connection::RetryPolicy;
use crate::retry::Policy;

/// The bounds of one stream. Times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Give up after failing for so long without a record. Default 300,000.
    pub retry_for_ms: u64,
    /// Answers in a row that are no protocol, or that say the stream cannot be read. Default 30
    /// (defect 1).
    pub protocol_failures: u32,
    /// For how long they may last. Default 15,000: defect 1 promises 20 s.
    pub protocol_for_ms: u64,
    /// The waits after failures: full jitter. Default 500 ms × 1.6, at most 30 s.
    pub failures: Policy,
    /// No wait is shorter. Default 100.
    pub min_wait_ms: u64,
    /// No wait is longer, whatever the server asks. Default 30,000.
    pub max_wait_ms: u64,
    /// A window shorter than this that brought nothing is not opened again at once. Default 1,000.
    pub held_ms: u64,
    /// A connection on which bytes came for so long was no failure. Default 5,000.
    pub healthy_ms: u64,
    /// The idle time of a server that was not told one. Default 60,000 (docs/server-protocol.md 5).
    pub idle_ms: u64,
    /// After the run is over, this long without a byte means drained on v1, which has no word for it; v2 is asked
    /// where its tail is. Default 2,000.
    pub drain_ms: u64,
    /// A connection on which a byte came so lately is alive when the run ends; an older one may be dead
    /// without a sign (defect 11). Default 20,000: pings come every 15 s.
    pub alive_ms: u64,
    /// The same of v1, whose pings come every 10 s. Default 12,000.
    pub alive_v1_ms: u64,
    /// Bodies of a v1 stream in a row that end cleanly and early without a new value: the stream
    /// has ended. v1 has no marker to tell (docs/server-protocol.md 5). Default 3.
    pub max_empty_bodies: u32,
    /// The longest event, in bytes.
    pub max_event_bytes: usize,
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
            idle_ms: 60_000,
            drain_ms: 2_000,
            alive_ms: 20_000,
            alive_v1_ms: 12_000,
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
