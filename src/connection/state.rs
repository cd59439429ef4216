//! The visible state of a feed or stream (defect 6): `onStateChange` and `stats().state` show it.

use crate::shape::Phase;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// Not up to date yet: at the start, and while a snapshot is read anew.
    Connecting,
    /// Up to date; changes are awaited.
    Live,
    /// Up to date every few seconds: there is no long-poll left for this feed, and nothing tells it of changes.
    Polling,
    /// After a failure: a wait, or the next attempt.
    Retrying,
    /// The connection waits for another token (defect 5).
    Refreshing,
    /// The last state.
    Ended,
}

impl ConnectionState {
    /// The name JavaScript sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Polling => "polling",
            Self::Retrying => "retrying",
            Self::Refreshing => "refreshing",
            Self::Ended => "ended",
        }
    }
}

impl From<Phase> for ConnectionState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Connecting | Phase::CatchingUp => Self::Connecting,
            Phase::Live => Self::Live,
            Phase::Retrying => Self::Retrying,
            Phase::Ended => Self::Ended,
        }
    }
}
