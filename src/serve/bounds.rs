//! The bounds of a listener: connections, streams, header bytes and timeouts.

use std::time::Duration;

/// How long a stopping server waits for answers under way.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How much a listener takes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most connections of all listeners that share their counts. Beyond it the one that was idle for longest makes
    /// way, and where none is idle the new one is told 503.
    pub(crate) connections: usize,
    /// The most requests at once on one HTTP/2 connection.
    pub(crate) streams: u32,
    /// The most a request's headers may take, in bytes.
    pub(crate) header_bytes: usize,
    /// How long it waits.
    pub(crate) timeouts: Timeouts,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 60_000, streams: 1_000, header_bytes: 16 << 10, timeouts: Timeouts::default() }
    }
}

/// How long a listener waits for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For a request, or for the next one. Answers announce the server's own 65 s (`Keep-Alive`): it is kept for longer,
    /// so that no request meets a connection that is closing.
    pub(crate) idle: Duration,
    /// For the rest of a request's head, or of what HTTP/2 begins with.
    pub(crate) header: Duration,
    /// For an answer to be read on.
    pub(crate) send: Duration,
    /// For what still comes after an answer that ended the connection.
    pub(crate) linger: Duration,
}

impl Timeouts {
    /// The default of [`Timeouts::send`].
    pub(crate) const SEND: Duration = Duration::from_secs(30);
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(75),
            header: Duration::from_secs(20),
            send: Self::SEND,
            linger: Duration::from_secs(1),
        }
    }
}
