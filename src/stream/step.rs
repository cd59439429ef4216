//! The events that go into the machine, and the steps that come out.

use http::HeaderMap;

use super::chunk::Chunk;
use super::plan::Request;
use crate::shape::Retry;
use crate::{Error, Result};

/// An event that the driver reports.
#[derive(Debug)]
pub enum Event<'a> {
    /// The headers of a response with a status below 400. Its body follows.
    Opened {
        /// The HTTP status.
        status: u16,
        /// The headers.
        headers: &'a HeaderMap,
    },
    /// A whole response with a status from 400.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The headers.
        headers: &'a HeaderMap,
        /// The body.
        body: &'a [u8],
    },
    /// Bytes of the body, decoded from its content encoding.
    Bytes(&'a [u8]),
    /// The body ended as HTTP says it should.
    Closed,
    /// The request failed, or its body broke.
    Failed(Failure),
    /// The time of [`Step::Wait`] has passed.
    Woken,
    /// No byte came for the `quiet_ms` of [`Step::Read`].
    Quiet,
    /// The run is over: everything it wrote will be read, and it writes nothing more. May come at any time, and again.
    RunOver,
}

/// Why a request or its body failed, with the error to end with when the retries are used up.
#[derive(Debug)]
pub enum Failure {
    /// No response at all.
    Connect(Error),
    /// No byte came for `silence_ms` (defect 11).
    Silent(Error),
    /// The body broke off (defect 12).
    Cut(Error),
}

/// The driver's next step.
#[derive(Debug)]
pub enum Step {
    /// Drop the connection, if there is one, and send this request.
    Request(Request),
    /// Read on.
    Read {
        /// Say [`Event::Quiet`] after so many milliseconds without a byte.
        quiet_ms: Option<u64>,
    },
    /// Drop the connection, wait, then say [`Event::Woken`].
    Wait {
        /// How long, in milliseconds.
        ms: u64,
        /// The reason. `None` between two idle windows, and for the rest of a wait that was interrupted.
        retry: Option<Retry>,
    },
    /// The stream is over.
    End(Result<Ending>),
}

/// How a stream ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Nothing more can come: the run is over and its stream is drained, or the server said so.
    Complete,
    /// Nothing came for the time that was asked for. More may come later.
    Idle,
}

impl Ending {
    /// The name JavaScript sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Idle => "idle",
        }
    }
}

/// The next [`Step`], and the values that the last event brought.
#[derive(Debug)]
pub struct Outcome {
    /// The driver's next step.
    pub step: Step,
    /// New values, oldest first.
    pub chunks: Vec<Chunk>,
}

#[cfg(test)]
mod tests {
    use super::Ending;

    #[test]
    fn an_app_is_told_whether_a_stream_is_complete_or_only_idle() {
        assert_eq!([Ending::Complete, Ending::Idle].map(Ending::as_str), ["complete", "idle"]);
    }
}
