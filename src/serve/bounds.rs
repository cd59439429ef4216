//! The bounds of a listener: connections, streams, header bytes and timeouts.

use std::time::Duration;

/// How long the responses in flight get to finish when the server stops.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most connections of all listeners that share their counts. At the limit the connection that has been idle
    /// longest is closed; if none is idle, the new one is answered 503.
    pub(crate) connections: usize,
    /// The most concurrent requests of one HTTP/2 connection.
    pub(crate) streams: u32,
    /// The most bytes of a request's headers.
    pub(crate) header_bytes: usize,
    /// How long the listener waits for a client.
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
    /// For the first request, or the next one. Responses announce the server's own 65 s (`Keep-Alive`). The connection
    /// stays open longer, so that no request meets one that is closing.
    pub(crate) idle: Duration,
    /// For the TLS handshake, from accept on.
    pub(crate) handshake: Duration,
    /// For the rest of a request's head, or of HTTP/2's preface.
    pub(crate) header: Duration,
    /// For the client to read on in a response.
    pub(crate) send: Duration,
    /// For the rest of a request after a response that closes the connection.
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
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(20),
            send: Self::SEND,
            linger: Duration::from_secs(1),
        }
    }
}
