//! The `retry` and `silenceTimeoutMs` options of a feed or stream.

/// How long a connection is retried, how long the waits are, and which silence counts as a dead connection. All times
/// in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// Failures that last so long without progress end the connection. Default 300,000.
    pub retry_for_ms: u64,
    /// The first wait after a failure, before jitter. Default 500.
    pub min_delay_ms: u64,
    /// The longest wait, whatever the server asks. Default 30,000.
    pub max_delay_ms: u64,
    /// A connection without a byte for so long is taken for dead (defect 11). Default 60,000: well above the server's
    /// polls of at most 23 s.
    pub silence_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retry_for_ms: 300_000, min_delay_ms: 500, max_delay_ms: 30_000, silence_ms: 60_000 }
    }
}
