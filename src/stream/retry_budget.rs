//! What went wrong in a row, how long to wait, and when to stop trying (defects 1, 6 and 7).

use super::limits::Limits;
use super::step::Failure;
use crate::error::{Error, ErrorCode, Result};
use crate::shape::{Now, Reason, Retry, RetryableError};

/// The failures since the last progress.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    attempt: u32,
    since: Option<u64>,
    protocol: u32,
    protocol_since: Option<u64>,
    /// What went wrong last was a body that broke off.
    dropped: bool,
}

/// The failures that still count once the server answers again: after an outage nobody waits half a minute for a body
/// that broke off.
const MAX_BEFORE_ANSWER: u32 = 2;

impl RetryBudget {
    /// Something new came, or a connection held: what went wrong before counts no more.
    pub(super) fn progress(&mut self) {
        *self = Self::default();
    }

    /// A body was opened: whoever could not be reached can be. Bodies that break off one after another are waited for
    /// ever longer all the same.
    pub(super) fn answered(&mut self) {
        if !self.dropped {
            self.attempt = self.attempt.min(MAX_BEFORE_ANSWER);
        }
    }

    /// The wait before the next attempt, or the error to end with.
    pub(super) fn trouble(&mut self, trouble: RetryableError, now: Now, limits: &Limits) -> Result<(u64, Retry)> {
        let ms = now.monotonic_ms;
        self.attempt = self.attempt.saturating_add(1);
        self.dropped = trouble.reason == Reason::Cut;
        let lasted = ms.saturating_sub(*self.since.get_or_insert(ms));
        if trouble.reason == Reason::Protocol {
            self.protocol += 1;
            let protocol_lasted = ms.saturating_sub(*self.protocol_since.get_or_insert(ms));
            if self.protocol >= limits.protocol_failures || protocol_lasted >= limits.protocol_for_ms {
                return Err(trouble.error);
            }
        }
        if lasted >= limits.retry_for_ms {
            return Err(trouble.error);
        }
        let backoff = limits.failures.backoff(self.attempt, now.jitter);
        let backoff_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX);
        // No wait ends after the time is up.
        let rest = limits.retry_for_ms - lasted;
        let wait = trouble.retry_after_ms.map_or(backoff_ms, |asked| asked.saturating_add(backoff_ms));
        let wait = wait.min(limits.max_wait_ms).min(rest).max(limits.min_wait_ms);
        Ok((wait, Retry { attempt: self.attempt, status: trouble.status, reason: trouble.reason }))
    }
}

/// The connection ended without the stream's end (defect 12).
pub(super) fn dropped() -> RetryableError {
    let error = Error::new(ErrorCode::Dropped, "the stream broke off, again and again");
    RetryableError { reason: Reason::Cut, status: None, retry_after_ms: None, error }
}

/// What came is no stream, or one the server cannot read.
pub(super) fn garbled(status: Option<u16>, error: Error) -> RetryableError {
    RetryableError { reason: Reason::Protocol, status, retry_after_ms: None, error }
}

/// A request, or a body, that failed on its way.
pub(super) fn lost(failure: Failure) -> RetryableError {
    let (reason, error) = match failure {
        Failure::Connect(error) => (Reason::Unreachable, error),
        Failure::Silent(error) => (Reason::Silent, error),
        Failure::Cut(error) => (Reason::Cut, error),
    };
    RetryableError { reason, status: None, retry_after_ms: None, error }
}
