//! The input and output of the machine: the time, events, steps and changes.

use std::sync::Arc;

use super::Query;
use crate::table::Row;
use crate::{Error, Result};

/// The present time and a random number, from the driver. The machine reads no clock.
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
    /// The same time with a jitter in `[0, 1)`, as the arithmetic of waits needs it.
    pub(super) fn sane(self) -> Self {
        let jitter = if (0.0..1.0).contains(&self.jitter) { self.jitter } else { 0.5 };
        Self { jitter, ..self }
    }
}

/// An outcome that the driver reports.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole response to the last request.
    Response {
        /// The HTTP status.
        status: u16,
        /// The headers of the response.
        headers: &'a http::HeaderMap,
        /// The whole body, decoded from its content encoding.
        body: &'a [u8],
    },
    /// The last request got no whole response.
    Failed(Failure),
    /// The time of the last [`Step::Wait`] has passed.
    Woken,
}

/// The reasons why a request got no whole response. Each has the error that the feed ends with after the last retry.
#[derive(Debug)]
pub enum Failure {
    /// No response at all: DNS, connect, TLS, reset before the status line.
    Connect(Error),
    /// No byte came for too long (defect 11).
    Silent(Error),
    /// The body broke off (defect 12).
    Cut(Error),
    /// The body is larger than the driver accepts. Never retried.
    TooLarge(Error),
}

/// The next step of the driver.
#[derive(Debug)]
pub enum Step {
    /// Send this request now.
    Request(Query),
    /// Wait, then report [`Event::Woken`].
    Wait {
        /// How long, in milliseconds.
        ms: u64,
        /// Why, for `onRetry` and the connection state (defect 6).
        retry: Retry,
    },
    /// The feed is over, and takes no further event.
    End(Result<()>),
}

/// A retry that is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The number of failures in a row, from 1. Progress starts over.
    pub attempt: u32,
    /// The HTTP status; `None` where the server did not answer.
    pub status: Option<u16>,
    /// Why.
    pub reason: Reason,
}

/// The reasons for making a request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 429.
    RateLimited,
    /// Any other status that is retryable.
    Server,
    /// 404 with `x-should-retry: true`: a replica of the database may lag behind.
    NotFoundYet,
    /// [`Failure::Connect`].
    Unreachable,
    /// [`Failure::Silent`].
    Silent,
    /// [`Failure::Cut`].
    Cut,
    /// A response that is not of the protocol.
    Protocol,
    /// Repeated must-refetches (409).
    Refetch,
    /// Quick responses that bring nothing (defect 7).
    NoProgress,
}

impl Reason {
    /// The name in JavaScript.
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

/// The next [`Step`], and the changes that the last event published.
#[derive(Debug)]
pub struct Outcome {
    /// The next step of the driver.
    pub step: Step,
    /// The published changes, at most one a key. Empty unless an up-to-date closed the batch (I5).
    pub changes: Vec<Change>,
}

/// A published change of one row.
#[derive(Clone, Debug)]
pub enum Change {
    /// The row is new, or differs from what was published before.
    Row {
        /// The row's key.
        key: Arc<str>,
        /// The row's present state.
        row: Arc<Row>,
    },
    /// The row was published before and no longer exists.
    Gone {
        /// The row's key.
        key: Arc<str>,
    },
    /// The machine no longer keeps the row of a finished run that was published (I16; defect 10). A reader learns
    /// nothing from it. The keeper of a copy of the rows drops this one.
    Evicted {
        /// The row's key.
        key: Arc<str>,
    },
    /// One message could not be read. The others of its response are published (defect 16).
    Malformed {
        /// The row's key, where it could be read.
        key: Option<Arc<str>>,
        /// The fault of the message.
        why: &'static str,
    },
}

impl Change {
    /// Whether a reader gets a state of the row that it did not have.
    pub(super) fn is_news(&self) -> bool {
        match self {
            Self::Row { .. } | Self::Gone { .. } => true,
            Self::Evicted { .. } | Self::Malformed { .. } => false,
        }
    }
}

/// The state of a feed that users see (defect 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the first response.
    Connecting,
    /// A snapshot is being read, in several parts or anew.
    CatchingUp,
    /// The rows are up to date, and the server is asked for changes.
    Live,
    /// A request failed: the feed waits, or asks again.
    Retrying,
    /// The feed is over.
    Ended,
}

impl Phase {
    /// The name in JavaScript.
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
