//! The state and the counts of a feed, as its readers see them.

use crate::connection::ConnectionState;

/// Counts of a feed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests sent.
    pub requests: u64,
    /// Waits before a request was made again.
    pub retries: u64,
    /// Rows published.
    pub rows: u64,
    /// Bytes of responses, decompressed.
    pub bytes: u64,
}

/// A snapshot of a feed for its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The visible state.
    pub state: ConnectionState,
    /// The counts.
    pub stats: Stats,
}
