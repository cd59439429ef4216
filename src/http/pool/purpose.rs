//! The purpose of a connection, and the flow-control windows of HTTP/2 that follow from it.

/// The purpose of a connection. Polls and streams have separate connections: the unread part of a
/// stream fills its connection's window, and must not hold the polls back (defect 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    Polls,
    Streams,
}

impl Purpose {
    /// The name in log lines.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Polls => "feeds",
            Self::Streams => "streams",
        }
    }

    /// The receive windows of one stream and of the whole connection, in bytes.
    pub(super) fn windows(self) -> (u32, u32) {
        match self {
            Self::Polls => (1 << 20, 16 << 20),
            // The connection's window is so large that an unread stream never stops its neighbours
            // (defect 9).
            Self::Streams => (256 << 10, 1 << 30),
        }
    }
}
