//! What goes into the machine and what comes out of it.

use std::sync::Arc;

use super::{Query, Row};
use crate::{Error, Result};

/// The present, as the driver sees it. The machine never reads a clock itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// A clock that never goes back, in milliseconds since any fixed point.
    pub monotonic_ms: u64,
    /// Unix milliseconds, for HTTP dates and rate-limit resets.
    pub unix_ms: u64,
    /// A fresh random number in `[0, 1)`.
    pub jitter: f64,
}

impl Now {
    /// `self` with a jitter that cannot break the arithmetic of waits.
    pub(super) fn sane(self) -> Self {
        let jitter = if (0.0..1.0).contains(&self.jitter) { self.jitter } else { 0.5 };
        Self { jitter, ..self }
    }
}

/// Something the driver saw.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole answer to the last request.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The answer's headers.
        headers: &'a http::HeaderMap,
        /// The whole body, decoded from its content encoding.
        body: &'a [u8],
    },
    /// The last request got no whole answer.
    Failed(Failure),
    /// The time of the last [`Step::Wait`] has passed.
    Woken,
}

/// Why a request got no whole answer. Each carries the error to end with, should it come to that.
#[derive(Debug)]
pub enum Failure {
    /// No answer at all: DNS, connect, TLS, reset before the status line.
    Connect(Error),
    /// The watchdog saw no byte for too long (defect 11).
    Silent(Error),
    /// The body broke off (defect 12).
    Cut(Error),
    /// The body is larger than the driver takes. Never retried.
    TooLarge(Error),
}

/// What the driver does next.
#[derive(Debug)]
pub enum Step {
    /// Send this request now.
    Request(Query),
    /// Wait, then say [`Event::Woken`].
    Wait {
        /// How long, in milliseconds.
        ms: u64,
        /// Why, for `onRetry` and the connection state (defect 6).
        retry: Retry,
    },
    /// The feed is over. It takes no further event.
    End(Result<()>),
}

/// A retry that is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many times in a row it went wrong, from 1; progress starts over.
    pub attempt: u32,
    /// The HTTP status, where the server answered.
    pub status: Option<u16>,
    /// Why.
    pub reason: Reason,
}

/// Why a request is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 429.
    RateLimited,
    /// Any other status that may be tried again.
    Server,
    /// 404 with `x-should-retry: true`: a replica may be lagging.
    NotFoundYet,
    /// [`Failure::Connect`].
    Unreachable,
    /// [`Failure::Silent`].
    Silent,
    /// [`Failure::Cut`].
    Cut,
    /// An answer that is not the protocol.
    Protocol,
    /// 409, again and again.
    Refetch,
    /// Answers that come at once and bring nothing (defect 7).
    NoProgress,
}

impl Reason {
    /// The name JavaScript sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate-limited",
            Self::Server => "server-error",
            Self::NotFoundYet => "not-found-yet",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Cut => "cut",
            Self::Protocol => "protocol",
            Self::Refetch => "refetch",
            Self::NoProgress => "no-progress",
        }
    }
}

/// A [`Step`], and what the last event changed.
#[derive(Debug)]
pub struct Outcome {
    /// What the driver does next.
    pub step: Step,
    /// What readers see: filled only when an up-to-date closed the batch, at most one per key.
    pub changes: Vec<Change>,
}

/// A change of one row, as published.
#[derive(Clone, Debug)]
pub enum Change {
    /// The row is new, or differs from what was published before.
    Row {
        /// The row's key.
        key: Arc<str>,
        /// Its present state.
        row: Arc<Row>,
    },
    /// The row was published before and is no longer there.
    Gone {
        /// The row's key.
        key: Arc<str>,
    },
    /// The machine keeps the row no longer: its run is over, and was published (I16; defect 10).
    /// Nothing for a reader; whoever keeps a copy of the published rows drops it too.
    LetGo {
        /// The row's key.
        key: Arc<str>,
    },
    /// One message could not be read. The others are not touched by it (defect 16).
    Bad {
        /// The row's key, if at least that could be read.
        key: Option<Arc<str>>,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The visible state of a feed (defect 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the first answer.
    Connecting,
    /// Reading a snapshot in several parts, or reading it anew.
    CatchingUp,
    /// Up to date, and waiting for changes.
    Live,
    /// Something went wrong: waiting, or asking again.
    Retrying,
    /// Over.
    Ended,
}

impl Phase {
    /// The name JavaScript sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching-up",
            Self::Live => "live",
            Self::Retrying => "retrying",
            Self::Ended => "ended",
        }
    }
}
