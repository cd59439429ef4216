//! The visible state of a feed (defect 6), as users are told of it.

use crate::shape::Phase;

/// Where a feed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before it is up to date: at the start, and while a snapshot is read anew.
    Connecting,
    /// Up to date, and waiting for changes.
    Live,
    /// Something went wrong: waiting, or asking again.
    Retrying,
    /// Waiting for another token (defect 5).
    Refreshing,
    /// Over.
    Ended,
}

impl Stage {
    /// The name JavaScript sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Retrying => "retrying",
            Self::Refreshing => "refreshing",
            Self::Ended => "ended",
        }
    }
}

impl From<Phase> for Stage {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Connecting | Phase::CatchingUp => Self::Connecting,
            Phase::Live => Self::Live,
            Phase::Retrying => Self::Retrying,
            Phase::Ended => Self::Ended,
        }
    }
}
