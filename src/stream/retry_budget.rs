//! Failures since the last progress: how long to wait after each, and when to give up (defects 1, 6 and 7).

use super::limits::Limits;
use super::step::Failure;
use crate::error::{Error, ErrorCode, Result};
use crate::shape::{Now, Reason, Retry, RetryableError, Streak};

/// Counts and times since the last progress, held against [`Limits`].
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    attempt: u32,
    /// The monotonic ms of the first failure.
    since: Option<u64>,
    /// Failures of the protocol in a row.
    protocol: Streak,
    /// The monotonic ms at which the wait after the last failure ends.
    asks_at: Option<u64>,
    /// The last failure was a body that broke off.
    dropped: bool,
}

/// The most failures that still count once the server answers again: a body that breaks off after an outage is asked
/// for again within 2 s, not after half a minute.
const MAX_BEFORE_ANSWER: u32 = 2;

impl RetryBudget {
    /// Starts over, because a new record came or a connection held.
    pub(super) fn progress(&mut self) {
        *self = Self::default();
    }

    /// Counts at most two failures from now on, because a body was opened: the server can be reached again. Waits after
    /// bodies that break off one after another grow all the same.
    pub(super) fn answered(&mut self) {
        if !self.dropped {
            self.attempt = self.attempt.min(MAX_BEFORE_ANSWER);
        }
    }

    /// The wait before the next attempt, or the error to end with.
    pub(super) fn failure(&mut self, failed: RetryableError, now: Now, limits: &Limits) -> Result<(u64, Retry)> {
        let ms = now.monotonic_ms;
        self.attempt = self.attempt.saturating_add(1);
        self.dropped = failed.reason == Reason::Cut;
        let lasted = ms.saturating_sub(*self.since.get_or_insert(ms));
        // Another failure between them, or a server that took its time, breaks a row: a proxy that shows its page before
        // and after an outage has a stream behind it.
        let was_slow = self.asks_at.is_some_and(|at| ms.saturating_sub(at) >= limits.slow_ms);
        if was_slow || failed.reason != Reason::Protocol {
            self.protocol = Streak::default();
        }
        if failed.reason == Reason::Protocol {
            let (count, since) = self.protocol.count(now);
            if count >= limits.protocol_failures || ms.saturating_sub(since) >= limits.protocol_for_ms {
                return Err(failed.error);
            }
        }
        if lasted >= limits.retry_for_ms {
            return Err(failed.error);
        }
        let backoff = limits.failures.backoff(self.attempt, now.jitter);
        let backoff_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX);
        // The last wait ends when the time is up.
        let rest = limits.retry_for_ms - lasted;
        let wait = failed.retry_after_ms.map_or(backoff_ms, |asked| asked.saturating_add(backoff_ms));
        let wait = wait.min(limits.max_wait_ms).min(rest).max(limits.min_wait_ms);
        self.asks_at = Some(ms.saturating_add(wait));
        Ok((wait, Retry { attempt: self.attempt, status: failed.status, reason: failed.reason }))
    }
}

/// A connection that ended before the stream did (defect 12).
pub(super) fn dropped() -> RetryableError {
    let error = Error::new(ErrorCode::Dropped, "the stream broke off, again and again");
    RetryableError { reason: Reason::Cut, status: None, retry_after_ms: None, error }
}

/// A response that is no event stream, or that says the server cannot read the stream.
pub(super) fn malformed(status: Option<u16>, error: Error) -> RetryableError {
    RetryableError { reason: Reason::Protocol, status, retry_after_ms: None, error }
}

/// A request, or a body, that failed in transit.
pub(super) fn lost(failure: Failure) -> RetryableError {
    let (reason, error) = match failure {
        Failure::Connect(error) => (Reason::Unreachable, error),
        Failure::Silent(error) => (Reason::Silent, error),
        Failure::Cut(error) => (Reason::Cut, error),
    };
    RetryableError { reason, status: None, retry_after_ms: None, error }
}
